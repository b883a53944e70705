"""False alarms: the catalogue's own checks over many seeds, where every disagreement is one."""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from multiprocessing import get_context

from reference_impls import BACKENDS, CATALOGUE, Entry
from reference_impls.running.threads import one_thread
from results.environment import utc_now
from results.tables import Alarms
from verify.checks.catalogue import Outcome, outcomes
from verify.checks.check import Check


@dataclass(frozen=True)
class Tally:
    """The checks of one case, counted.

    Attributes:
        seed: of the case.
        verdicts: how many of each.
        closest: the largest error of a check that agrees, in units of its tolerance.
        closest_check: which that was.
        alarms: the checks that disagree, in words.
    """

    seed: int
    verdicts: Counter[str]
    closest: float
    closest_check: str
    alarms: tuple[str, ...]


def count_alarms(
    plan: Sequence[tuple[Entry, int]],
    dtypes: Sequence[str],
    seeds: range,
    jobs: int = 1,
) -> Iterator[Alarms]:
    """Check computations of the catalogue seed after seed, on the CPU.

    Args:
        plan: computations, and the size of each.
        dtypes: of the cases.
        seeds: one after the other.
        jobs: processes that share the seeds of a computation.

    Yields:
        A row per computation and dtype, as soon as all its seeds are done.
    """
    # Not forked: a fork inherits locks of the threads that BLAS and torch have started.
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        for entry, size in plan:
            names, sizes, wanted = repeat(entry.name), repeat(size), repeat(tuple(dtypes))
            counted = list(pool.map(_counted, names, sizes, wanted, seeds))
            for position, dtype in enumerate(dtypes):
                tallies = [each[position] for each in counted]
                yield _row((entry.name, dtype, size), seeds, tallies)


def _counted(name: str, size: int, dtypes: tuple[str, ...], seed: int) -> list[Tally]:
    """In a process of its own, which loads this one computation by its name."""
    entry = next(each for each in CATALOGUE if each.name == name)
    with one_thread():
        found = outcomes(entry.load(), size, seed, dtypes, BACKENDS)
        return [_tally(outcome) for outcome in found]


def _tally(outcome: Outcome) -> Tally:
    agreeing = [each for each in outcome.checks if each.verdict == "agree" and each.worst]
    closest = max(agreeing, key=_fraction, default=None)
    return Tally(
        seed=outcome.case.seed,
        verdicts=Counter(check.verdict for check in outcome.checks),
        closest=_fraction(closest) if closest else 0.0,
        closest_check=_named(closest) if closest else "",
        alarms=tuple(
            f"{_named(check)}: {check.detail}"
            for check in outcome.checks
            if check.verdict == "disagree"
        ),
    )


def _fraction(check: Check) -> float:
    return check.worst.in_tolerances if check.worst else 0.0


def _named(check: Check) -> str:
    return f"{check.kind} of {check.implementation} against {check.against}"


def _row(case: tuple[str, str, int], seeds: range, tallies: Sequence[Tally]) -> Alarms:
    computation, dtype, size = case
    verdicts: Counter[str] = sum((each.verdicts for each in tallies), Counter())
    closest = max(tallies, key=lambda each: each.closest)
    alarms = [f"seed {each.seed}: {alarm}" for each in tallies for alarm in each.alarms]
    return Alarms(
        measured_at=utc_now(),
        computation=computation,
        dtype=dtype,
        size=size,
        first_seed=seeds.start,
        seeds=len(seeds),
        checks=verdicts.total(),
        agree=verdicts["agree"],
        disagree=verdicts["disagree"],
        inconclusive=verdicts["inconclusive"],
        unsupported=verdicts["unsupported"],
        closest=closest.closest,
        closest_check=f"{closest.closest_check}, seed {closest.seed}",
        note="; ".join(alarms),
    )
