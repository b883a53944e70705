"""`python -m verify [COMPUTATION]...`: the checks of the catalogue, written and shown."""

import shlex
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed

from reference_impls import Entry
from reference_impls.engines.registry import added, registered
from reference_impls.running.processes import processes
from reference_impls.running.threads import one_thread
from results.store import Appender
from results.tables import VERDICTS, Verdict
from verify.checks.outcome import CaseId, Outcome
from verify.command.appending import ArgminFile, appender_for, record_environment
from verify.command.console import make_console, progress
from verify.command.options import Options
from verify.command.outcome import AGREED, DISAGREED, interrupted
from verify.command.rows import argmin_row, verdict_row
from verify.command.summary import Summary

Plan = Sequence[tuple[Entry, int]]
"""Computations, and the size of each."""


def run(options: Options) -> int:
    """Check every computation and size of the plan; the exit status."""
    plan = options.plan()
    has_argmins = any(entry.is_argmin for entry, _ in plan)
    with (
        appender_for(options.path, VERDICTS) as verdicts,
        ArgminFile(options.path, is_needed=has_argmins) as argmins,
    ):
        return _check(plan, options, verdicts, argmins)


def _check(
    plan: Plan, options: Options, verdicts: Appender[Verdict] | None, argmins: ArgminFile
) -> int:
    found: dict[int, list[Outcome]] = defaultdict(list)
    try:
        with one_thread():
            record_environment(options.path)
        for place, outcome in _outcomes(plan, options):
            if verdicts:
                for each in outcome.checks:
                    verdicts.append(verdict_row(outcome.case, each))
            for evidence in outcome.evidence:
                argmins.append(argmin_row(outcome.case, evidence))
            found[place].append(outcome)
    except KeyboardInterrupt:
        checks = sum(len(outcome.checks) for each in found.values() for outcome in each)
        return interrupted(f"{checks} checks", options.path)
    # Processes are done with them in whatever order; they are shown in that of the plan.
    summary = Summary(make_console(), [each for place in sorted(found) for each in found[place]])
    summary.show(_command)
    return DISAGREED if summary.disagrees else AGREED


def _outcomes(plan: Plan, options: Options) -> Iterator[tuple[int, Outcome]]:
    """What came of every case, each with its place in the plan, as soon as it is known."""
    with progress() as bar:
        task = bar.add_task("", total=len(plan) * len(options.dtypes))

        def tell(entry: Entry, size: int) -> None:
            bar.update(task, description=f"{entry.name} {size:,}")

        # An engine that was registered in this process is not known to any other.
        alone = min(options.jobs, len(plan)) == 1 or added()
        for place, outcome in (_here if alone else _in_processes)(plan, options, tell):
            yield place, outcome
            bar.advance(task)


def _here(
    plan: Plan, options: Options, tell: Callable[[Entry, int], None]
) -> Iterator[tuple[int, Outcome]]:
    for place, (entry, size) in enumerate(plan):
        tell(entry, size)
        for outcome in _judged(entry, size, options):
            yield place, outcome


def _in_processes(
    plan: Plan, options: Options, tell: Callable[[Entry, int], None]
) -> Iterator[tuple[int, Outcome]]:
    with processes(min(options.jobs, len(plan)), ["verify.checks.catalogue"]) as pool:
        places = {
            pool.submit(_judged_at_once, *case, options): place for place, case in enumerate(plan)
        }
        for future in as_completed(places):
            place = places[future]
            tell(*plan[place])
            for outcome in future.result():
                yield place, outcome


def _judged_at_once(entry: Entry, size: int, options: Options) -> list[Outcome]:
    return list(_judged(entry, size, options))


def _judged(entry: Entry, size: int, options: Options) -> Iterator[Outcome]:
    # It loads the engines, which takes seconds, and is not needed where other processes judge.
    from verify.checks.catalogue import outcomes  # noqa: PLC0415

    with one_thread():
        backends = [backend for backend in registered() if not backend.missing()]
        yield from outcomes(entry.load(), size, options.seed, options.dtypes, backends)


def _command(case: CaseId) -> str:
    """The command that checks this case again."""
    options = ["--dtype", case.dtype, "--size", str(case.size), "--seed", str(case.seed)]
    return shlex.join(["python", "-m", "verify", case.computation, *options])
