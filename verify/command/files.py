"""`python -m verify FILE.py:NAME`: a user's own function."""

from verify.command.console import make_console
from verify.command.options import Options
from verify.command.outcome import AGREED, DISAGREED
from verify.user.user_file import UserFileError, check_user_file


def run(options: Options) -> int:
    """Check every function FILE.py:NAME; the exit status."""
    console = make_console()
    reports = []
    for file in options.subjects.files:
        try:
            reports.append(check_user_file(file, options.seed))
        except (TypeError, ValueError) as error:
            raise UserFileError(str(error)) from error
        shown = str(reports[-1] or f"{file}: no verdict was against it")
        console.print(shown, markup=False, soft_wrap=True)
    agreed = all(report is None or report.verdict == "agree" for report in reports)
    return AGREED if agreed else DISAGREED
