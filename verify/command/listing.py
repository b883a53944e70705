"""`python -m verify --list`: the computations and their sizes."""

from collections.abc import Sequence

from rich.table import Table

from reference_impls import Entry
from results.commands import AGREED
from verify.command.console import box_style, make_console
from verify.command.options import Options


def run(options: Options) -> int:
    """Print the computations; the exit status."""
    make_console().print(catalogue(options.subjects.entries))
    return AGREED


def catalogue(entries: Sequence[Entry]) -> Table:
    """The computations, what they are differentiated with respect to, and their sizes."""
    table = Table(
        "computation", "gradient for", "sizes (the tutorial's first)", "from", box=box_style()
    )
    for entry in entries:
        sizes = ", ".join(map(str, entry.sizes))
        table.add_row(entry.name, " ".join(entry.wrt), sizes, entry.origin)
    return table
