"""False alarms: the catalogue is right, so every disagreement over many seeds is one."""

from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import repeat

from reference_impls import BACKENDS, Entry
from reference_impls.running.processes import processes, shared_by
from reference_impls.running.threads import one_thread
from results.environment import utc_now
from results.tables import Alarms
from verify.checks.catalogue import outcomes
from verify.checks.check import Check
from verify.checks.outcome import Outcome


@dataclass(frozen=True)
class Tally:
    """The checks of one case, counted.

    Attributes:
        seed: of the case.
        verdicts: how many of each.
        closest: the largest error of a check that agrees, in units of its tolerance: how near it
            came to a false alarm.
        closest_check: which check that was.
        alarms: the checks that disagree, in words; or that the case was not done in time.
    """

    seed: int
    verdicts: Counter[str]
    closest: float
    closest_check: str
    alarms: tuple[str, ...]


@dataclass(frozen=True)
class _Subject:
    """What is checked, seed after seed."""

    computation: str
    dtype: str
    size: int


def count_alarms(
    plan: Sequence[tuple[Entry, int]],
    dtypes: Sequence[str],
    seeds: range,
    jobs: int | None = 1,
    timeout: float | None = None,
) -> Generator[Alarms]:
    """Check computations of the catalogue seed after seed, on the CPU.

    Args:
        plan: computations, and the size of each.
        dtypes: of the cases.
        seeds: one after the other.
        jobs: processes that share the seeds of a computation; None for one per core, up to four.
        timeout: seconds that each seed of a computation may take; None for any number.

    Yields:
        A row per computation and dtype, as soon as all its seeds are done.
    """
    count = shared_by(len(seeds), jobs)
    with processes(count) if count > 1 else nullcontext() as pool:
        shared = pool.map if pool else map
        for entry, size in plan:
            same = repeat(entry), repeat(size), repeat(tuple(dtypes)), repeat(timeout)
            counted = list(shared(_counted, *same, seeds))
            for position, dtype in enumerate(dtypes):
                tallies = [each[position] for each in counted]
                yield _row(_Subject(entry.name, dtype, size), seeds, tallies)


def _counted(
    entry: Entry, size: int, dtypes: tuple[str, ...], timeout: float | None, seed: int
) -> list[Tally]:
    """The tallies of one seed, in whichever process."""
    with one_thread():
        found = outcomes(entry.load(), size, seed, dtypes, BACKENDS, timeout)
        return [_tally(outcome) for outcome in found]


def _tally(outcome: Outcome) -> Tally:
    agreeing = [each for each in outcome.checks if each.verdict == "agree" and each.worst]
    disagreeing = [each for each in outcome.checks if each.verdict == "disagree"]
    closest = max(agreeing, key=_fraction, default=None)
    return Tally(
        seed=outcome.case.seed,
        verdicts=Counter(check.verdict for check in outcome.checks),
        closest=_fraction(closest) if closest else 0.0,
        closest_check=_named(closest) if closest else "",
        alarms=(
            *(f"{_named(each)}: {each.detail}" for each in disagreeing),
            *filter(None, [outcome.late]),
        ),
    )


def _fraction(check: Check) -> float:
    return check.worst.in_tolerances if check.worst else 0.0


def _named(check: Check) -> str:
    return f"{check.kind} of {check.implementation} against {check.against}"


def _row(subject: _Subject, seeds: range, tallies: Sequence[Tally]) -> Alarms:
    verdicts: Counter[str] = sum((each.verdicts for each in tallies), Counter())
    closest = max(tallies, key=lambda each: each.closest)
    alarms = [f"seed {each.seed}: {alarm}" for each in tallies for alarm in each.alarms]
    return Alarms(
        measured_at=utc_now(),
        computation=subject.computation,
        dtype=subject.dtype,
        size=subject.size,
        first_seed=seeds.start,
        seeds=len(seeds),
        checks=verdicts.total(),
        agree=verdicts["agree"],
        disagree=verdicts["disagree"],
        inconclusive=verdicts["inconclusive"],
        unsupported=verdicts["unsupported"],
        closest=closest.closest,
        closest_check=closest.closest_check and f"{closest.closest_check}, seed {closest.seed}",
        note="; ".join(alarms),
    )
