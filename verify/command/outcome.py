"""Exit statuses, and what is said to whoever interrupts a run."""

from pathlib import Path

import click

from results.commands import AGREED, DISAGREED, INTERRUPTED, UNDECIDED


def status_of(*, disagree: bool, undecided: bool, strict: bool) -> int:
    """The exit status of a run that came to its end.

    Args:
        disagree: does anything?
        undecided: could something not be decided?
        strict: is that no agreement?
    """
    if disagree:
        return DISAGREED
    return UNDECIDED if strict and undecided else AGREED


def interrupted(done: str, path: Path | None) -> int:
    """Say what was done before Ctrl-C; the exit status."""
    kept = f"; the rows so far are in {path}" if path else ""
    click.echo(f"verify: interrupted after {done}{kept}", err=True)
    return INTERRUPTED
