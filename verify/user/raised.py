"""Where in a user's own file an exception came from."""

import sysconfig
from pathlib import Path
from traceback import walk_tb

from verify.checks.check import one_line

HOME = Path(__file__).resolve().parents[2]

NOT_THE_USERS = (
    *(HOME / name for name in ("bench", "gradjury", "reference_impls", "results", "verify")),
    *(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib")),
)
"""What lies in these folders is ours, Python's, or a library's."""


def one_line_with_place(error: BaseException) -> str:
    """`one_line`, and the innermost line of the user's own code that the exception came through.

    As in ``raised ValueError: … (model.py:12, in forward)``; the place is left out where no frame
    of the traceback is the user's.
    """
    places = [
        f" ({Path(code.co_filename).name}:{line}, in {code.co_name})"
        for code, line in ((frame.f_code, line) for frame, line in walk_tb(error.__traceback__))
        if _is_the_users(code.co_filename)
    ]
    return one_line(error) + (places[-1] if places else "")


def _is_the_users(file_name: str) -> bool:
    # Python's own code that is not in any file, and decorators that make some, as NumPy's.
    if file_name.startswith("<") and file_name not in {"<stdin>", "<string>"}:
        return file_name.startswith("<ipython")
    path = Path(file_name).resolve()
    return not any(path.is_relative_to(folder) for folder in NOT_THE_USERS)
