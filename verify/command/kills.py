"""`python -m verify --faults`: the kill matrix."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from reference_impls.running.threads import one_thread
from results.report.trust import SKIPPED, TOTAL, Pair, diagnosed, latest_kills, tally
from results.tables import KILLS, OURS, Kill
from verify.command.console import box_style, progress
from verify.command.outcome import AGREED, DISAGREED, appender_for, interrupted
from verify.trust.awkward import AWKWARD
from verify.trust.faults import FAULTS
from verify.trust.kill_matrix import run_matrix
from verify.trust.peers.peer import Peer
from verify.user.checker import check


def show_kills(
    console: Console, path: Path | None, seed: int, peers: Sequence[Peer], entries: int | None
) -> int:
    """Run the kill matrix and print it; the exit status."""
    rows: list[Kill] = []
    try:
        with one_thread(), appender_for(path, KILLS) as kills, progress() as bar:
            names = [fault.name for fault in FAULTS] + [each.name for each in AWKWARD]
            positions = {name: position for position, name in enumerate(names, start=1)}
            task = bar.add_task("", total=len(names))
            for row in run_matrix(FAULTS, AWKWARD, peers, seed, check, entries):
                rows.append(row)
                if kills:
                    kills.append(row)
                bar.update(task, description=row.fault, completed=positions[row.fault])
    except KeyboardInterrupt:
        return interrupted(f"{len(rows)} answers", path)
    console.print(matrix_table(rows))
    ours = [row for row in rows if row.checker == OURS]
    failed = [row for row in ours if row.outcome in ("missed", "flagged")]
    for row in failed:
        line = (
            f"{row.outcome}: {row.fault}, size {row.size}, {row.dtype}: {row.verdict} {row.detail}"
        )
        console.print(line, markup=False)
    return DISAGREED if failed else AGREED


def matrix_table(rows: Iterable[Kill]) -> Table:
    """The kill matrix for a terminal: a row per fault, a column per checker.

    A cell has how many were caught (of correct functions: passed) of those the checker was asked
    about, over sizes and dtypes; a dash where it was not asked. After gradjury's own column stands
    how often its diagnosis named the fault.

    Args:
        rows: of `run_matrix`; none will do.
    """
    columns = list(Kill.model_fields)
    kills = latest_kills(pd.DataFrame([row.model_dump() for row in rows], columns=columns))
    checkers = list(kills["checker"].unique())
    table = Table(
        title="Planted faults and awkward functions", title_justify="left", box=box_style()
    )
    table.add_column("fault", no_wrap=True)
    for checker in checkers:
        table.add_column(checker, justify="right")
    table.add_column("named", justify="right")
    correct = kills["correct"].astype(bool)
    for good, group in (("caught", kills[~correct]), ("passed", kills[correct])):
        diagnoses = diagnosed(group)
        for name, pairs in tally(group, good).items():
            if name != SKIPPED:
                cells = [_cell(pairs.get(checker, (0, 0))) for checker in checkers]
                table.add_row(_heading(name, good), *cells, _cell(diagnoses.get(name, (0, 0))))
        table.add_section()
    return table


def _heading(name: str, good: str) -> str:
    return f"[bold]{good}, of all[/]" if name == TOTAL else escape(name)


def _cell(pair: Pair) -> str:
    good, asked = pair
    if not asked:
        return "—"
    return f"[green]{good}/{asked}[/]" if good == asked else f"[bold red]{good}/{asked}[/]"
