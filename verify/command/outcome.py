"""Exit statuses, and what is said to whoever interrupts a run."""

from pathlib import Path

import click

AGREED, DISAGREED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def interrupted(done: str, path: Path | None) -> int:
    """Say what was done before Ctrl-C; the exit status."""
    kept = f"; the rows so far are in {path}" if path else ""
    click.echo(f"verify: interrupted after {done}{kept}", err=True)
    return INTERRUPTED
