"""The terminal: its width, its progress bar, its boxes."""

import sys

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

WIDE = 240
"""Columns of a table that goes to a file or a pipe: no cell is cut."""


def make_console() -> Console:
    """A console for standard output; plain text, uncut, where that is no terminal."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)


def progress() -> Progress:
    """A progress bar on standard error, gone when done, and never there without a terminal."""
    return Progress(
        TextColumn("{task.description:30}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )


def box_style() -> box.Box:
    """The lines of a table, in plain ASCII where that goes to a file or a pipe."""
    return box.SIMPLE_HEAD if sys.stdout.isatty() else box.ASCII2
