"""Where the rows of a run go: CSV files, opened before anything is computed."""

from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import TypeVar

import click

from results.environment import write_environment
from results.store import Appender
from results.tables import ARGMIN, VERDICTS, Argmin, Row, Table

R = TypeVar("R", bound=Row)


def appender_for(path: Path | None, table: Table[R]) -> Appender[R] | nullcontext[None]:
    """What appends rows to the file, which it opens; without a path, nothing does.

    Raises:
        click.UsageError: the file bears the name of the one that evidence for argmins goes to.
        results.errors.ResultsError: the file cannot be written, or holds another table.
    """
    if path is None:
        return nullcontext()
    if path.name == ARGMIN.file_name:
        raise click.UsageError(
            f"--csv: got {path}, wanted another name: the evidence for argmins goes there, beside "
            f"the checks, which go to {VERDICTS.file_name}, say"
        )
    return Appender(path, table)


def record_environment(path: Path | None) -> None:
    """Write the machine and the libraries' versions beside the rows, if those go to a file."""
    if path is not None and path.resolve().is_file():
        write_environment(path.parent)


class ArgminFile(ExitStack):
    """The evidence for argmins, in ``argmin.csv`` beside the verdicts.

    The file is begun with its first row. If it is there already, it is opened at once, so that it
    is refused at once.

    Args:
        verdicts: the file of the checks; without one, or where that is no file, rows are dropped.
        is_needed: there will be evidence.
    """

    def __init__(self, verdicts: Path | None, *, is_needed: bool) -> None:
        super().__init__()
        is_kept = is_needed and verdicts is not None and verdicts.is_file()
        self._path = verdicts.with_name(ARGMIN.file_name) if verdicts and is_kept else None
        self._appender = self._opened() if self._path and self._path.exists() else None

    def append(self, row: Argmin) -> None:
        """Append one row."""
        self._appender = self._appender or self._opened()
        if self._appender:
            self._appender.append(row)

    def _opened(self) -> Appender[Argmin] | None:
        return self.enter_context(Appender(self._path, ARGMIN)) if self._path else None
