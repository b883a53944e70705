"""Exit statuses, and what every way to run does with rows, interruptions and mistakes."""

from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import TypeVar

import click

from reference_impls.validation import check_choice
from results.environment import write_environment
from results.store import Appender
from results.tables import Row, Table

R = TypeVar("R", bound=Row)


AGREED, DISAGREED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def check_known(kind: str, given: str, accepted: Iterable[str]) -> None:
    """UsageError for what is none of the accepted, with a near match."""
    try:
        check_choice(kind, given, accepted)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def interrupted(done: str, path: Path | None) -> int:
    """Say what was done before Ctrl-C; the exit status."""
    kept = f"; the rows so far are in {path}" if path else ""
    click.echo(f"verify: interrupted after {done}{kept}", err=True)
    return INTERRUPTED


def appender_for(path: Path | None, table: Table[R]) -> Appender[R] | nullcontext[None]:
    """What appends rows to a path, with the environment beside it; nothing without a path."""
    if path is None:
        return nullcontext()
    appender = Appender(path, table)
    if path.resolve().is_file():
        write_environment(path.parent)
    return appender
