"""Is this gradient right, and what does it cost?

`check` judges a gradient of your own, within a `Budget` if it is given one; `from_torch`,
`from_autograd` and `from_numpy` make what it takes of other functions. They live in the package
`verify`, and are loaded when they are first asked for.

Where a file of your own, such as ``verify.py``, hides that package from Python, `import gradjury`
works all the same; asking it for a name raises an ImportError that says which file it is.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from gradjury.neighbours import check_not_hidden

if TYPE_CHECKING:
    from verify import (
        Budget,
        Report,
        WrongGradientError,
        check,
        from_autograd,
        from_numpy,
        from_torch,
    )

__all__ = [
    "Budget",
    "Report",
    "WrongGradientError",
    "check",
    "from_autograd",
    "from_numpy",
    "from_torch",
]

__version__ = "0.1.0"

# Hidden from type checkers: they would take any name for one that is here.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        check_not_hidden("reference_impls", "verify")
        globals()[name] = found = getattr(import_module("verify"), name)
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
