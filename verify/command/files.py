"""`python -m verify FILE.py:NAME`: a user's own function."""

from collections.abc import Sequence

from rich.console import Console

from verify.command.outcome import AGREED, DISAGREED
from verify.user.user_file import UserFileError, check_user_file


def check_files(console: Console, files: Sequence[str], seed: int) -> int:
    """Check every function FILE.py:NAME; the exit status."""
    reports = []
    for file in files:
        try:
            reports.append(check_user_file(file, seed))
        except (TypeError, ValueError) as error:
            raise UserFileError(str(error)) from error
        shown = str(reports[-1] or f"{file}: no verdict was against it")
        console.print(shown, markup=False, soft_wrap=True)
    agreed = all(report is None or report.verdict == "agree" for report in reports)
    return AGREED if agreed else DISAGREED
