"""The kill matrix, run and shown: every planted fault against every checker."""

from collections.abc import Iterable
from itertools import chain

import pandas as pd
from rich.markup import escape
from rich.table import Table

from reference_impls.running.threads import one_thread
from results.commands import AGREED, FAILED
from results.report.trust import SKIPPED, TOTAL, Pair, diagnosed, latest_kills, tally
from results.store import Appender
from results.tables import OURS, Kill
from verify.command.appending import record_environment
from verify.command.console import box_style, make_console, progress
from verify.command.options import Options
from verify.command.outcome import interrupted
from verify.trust.awkward import AWKWARD
from verify.trust.faults import FAULTS
from verify.trust.kill_matrix import run_matrix
from verify.trust.peers.all_peers import PEERS
from verify.trust.planted_trainings import PLANTED_TRAININGS, planted_training_rows
from verify.user.checker import check


def plant_faults(options: Options, kills: Appender[Kill] | None) -> int:
    """Ask every checker about every fault, and write and print what they say.

    Args:
        options: the seed, the largest size, and whether other people's checkers are asked.
        kills: takes a row per answer.

    Returns:
        The exit status.
    """
    console = make_console()
    peers = PEERS if options.peers else ()
    names = [fault.name for fault in FAULTS] + [each.name for each in AWKWARD]
    names += [planted.name for planted in PLANTED_TRAININGS]
    positions = {name: position for position, name in enumerate(names, start=1)}
    rows: list[Kill] = []
    try:
        with one_thread(), progress() as bar:
            record_environment(options.path)
            task = bar.add_task("", total=len(names))
            for row in chain(
                run_matrix(FAULTS, AWKWARD, peers, options.seed, check, options.most_entries),
                planted_training_rows(PLANTED_TRAININGS, options.seed, options.most_entries),
            ):
                rows.append(row)
                if kills:
                    kills.append(row)
                bar.update(task, description=row.fault, completed=positions[row.fault])
    except KeyboardInterrupt:
        return interrupted(f"{len(rows)} answers", options.path)
    console.print(matrix_table(rows))
    failed = [row for row in rows if row.checker == OURS and row.outcome in ("missed", "flagged")]
    for row in failed:
        line = (
            f"{row.outcome}: {row.fault}, size {row.size}, {row.dtype}: {row.verdict} {row.detail}"
        )
        console.print(line, markup=False)
    return FAILED if failed else AGREED


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
