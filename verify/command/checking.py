"""The checks of the catalogue, run one by one, written and shown."""

import shlex
from collections.abc import Iterator, Sequence

from reference_impls import Backend, Entry
from reference_impls.engines import registered
from reference_impls.running.threads import one_thread
from results.store import Appender
from results.tables import Verdict
from verify.checks.case import CatalogueCase
from verify.checks.catalogue import Outcome, outcomes
from verify.command.appending import ArgminFile, record_environment
from verify.command.console import make_console, progress
from verify.command.options import Options
from verify.command.outcome import AGREED, DISAGREED, interrupted
from verify.command.rows import argmin_row, verdict_row
from verify.command.summary import Summary


def check_plan(
    plan: Sequence[tuple[Entry, int]],
    options: Options,
    verdicts: Appender[Verdict] | None,
    argmins: ArgminFile,
) -> int:
    """Check every computation at its size, in every dtype.

    Args:
        plan: the computations, each loaded just before it is checked, and the size of each.
        options: the dtypes and the seed.
        verdicts: takes a row per check.
        argmins: takes a row per argmin and implementation.

    Returns:
        The exit status.
    """
    backends = [backend for backend in registered() if not backend.missing()]
    summary = Summary(make_console())
    try:
        with one_thread():
            record_environment(options.path)
            for outcome in _outcomes(plan, options, backends):
                if verdicts:
                    for each in outcome.checks:
                        verdicts.append(verdict_row(outcome.case, each))
                for evidence in outcome.evidence:
                    argmins.append(argmin_row(outcome.case, evidence))
                summary.add(outcome)
    except KeyboardInterrupt:
        return interrupted(f"{summary.checks} checks", options.path)
    summary.show(_command)
    return DISAGREED if summary.disagreements else AGREED


def _outcomes(
    plan: Sequence[tuple[Entry, int]], options: Options, backends: Sequence[Backend]
) -> Iterator[Outcome]:
    with progress() as bar:
        task = bar.add_task("", total=len(plan) * len(options.dtypes))
        for entry, size in plan:
            bar.update(task, description=f"{entry.name} {size:,}")
            for outcome in outcomes(entry.load(), size, options.seed, options.dtypes, backends):
                yield outcome
                bar.advance(task)


def _command(case: CatalogueCase) -> str:
    """The command that checks this case again."""
    options = ["--dtype", case.dtype, "--size", str(case.size), "--seed", str(case.seed)]
    return shlex.join(["python", "-m", "verify", case.computation.name, *options])
