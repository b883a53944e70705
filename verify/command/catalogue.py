"""`python -m verify [COMPUTATION]...`: the checks of the catalogue, written and shown."""

import shlex
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import as_completed
from contextlib import closing

from reference_impls import Entry
from reference_impls.engines.registry import added, registered
from reference_impls.running.processes import processes, shared_by
from reference_impls.running.threads import one_thread
from results.store import Appender
from results.tables import VERDICTS, Verdict
from verify.checks.outcome import CaseId, Outcome
from verify.command.appending import ArgminFile, appender_for, record_environment
from verify.command.console import make_console, progress
from verify.command.options import Options
from verify.command.outcome import interrupted, status_of
from verify.command.rows import argmin_row, verdict_row
from verify.command.summary import Summary

Plan = Sequence[tuple[Entry, int]]
"""Computations, and the size of each."""

Outcomes = Generator[tuple[int, Outcome]]
"""What came of cases, each with its place in the plan."""


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
    checks = 0
    try:
        with one_thread():
            record_environment(options.path)
        with closing(_outcomes(plan, options)) as outcomes:
            for place, outcome in outcomes:
                for each in outcome.checks:
                    if verdicts:
                        verdicts.append(verdict_row(outcome.case, each))
                    checks += 1
                for evidence in outcome.evidence:
                    argmins.append(argmin_row(outcome.case, evidence))
                found[place].append(outcome)
    except KeyboardInterrupt:
        return interrupted(f"{checks} checks", options.path)
    # Processes are done with them in whatever order; they are shown in that of the plan.
    summary = Summary(make_console(), [each for place in sorted(found) for each in found[place]])
    summary.show(_command)
    found_verdicts = summary.verdicts
    return status_of(
        disagree="disagree" in found_verdicts,
        undecided=not found_verdicts <= {"agree", "disagree"},
        strict=options.strict,
    )


def _outcomes(plan: Plan, options: Options) -> Outcomes:
    """What came of every case, each with its place in the plan, as soon as it is known."""
    with progress() as bar:
        task = bar.add_task("", total=len(plan) * len(options.dtypes))

        def tell(entry: Entry, size: int) -> None:
            bar.update(task, description=f"{entry.name} {size:,}")

        # An engine that was registered in this process is not known to any other.
        count = 1 if added() else shared_by(len(plan), options.jobs)
        found = (
            _in_processes(count, plan, options, tell) if count > 1 else _here(plan, options, tell)
        )
        # A second Ctrl-C would go unheard in a generator that nobody closes.
        with closing(found):
            for place, outcome in found:
                yield place, outcome
                bar.advance(task)


def _here(plan: Plan, options: Options, tell: Callable[[Entry, int], None]) -> Outcomes:
    for place, (entry, size) in enumerate(plan):
        tell(entry, size)
        for outcome in _judged(entry, size, options):
            yield place, outcome


def _in_processes(
    count: int, plan: Plan, options: Options, tell: Callable[[Entry, int], None]
) -> Outcomes:
    with processes(count) as pool:
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
        yield from outcomes(
            entry.load(), size, options.seed, options.dtypes, backends, options.timeout
        )


def _command(case: CaseId) -> str:
    """The command that checks this case again."""
    options = ["--dtype", case.dtype, "--size", str(case.size), "--seed", str(case.seed)]
    return shlex.join(["python", "-m", "verify", case.computation, *options])
