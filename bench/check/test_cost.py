"""The cost of `verify.check`, and of `torch.autograd.gradcheck` beside it, from 10³ entries to 10⁶.

In float64 and on one thread. Nothing is asserted of times; that a check makes as many calls at
every n is a test, in `tests/bench`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch.autograd import gradcheck

from bench.check.costs import Calls, Counted, InUnits, Unit, counted_in_torch, in_units
from bench.check.functions import BATCHES, Subject, by_hand, in_torch
from reference_impls.computation import Arrays
from results.environment import utc_now
from results.store import Appender
from results.tables import OURS, Cost, Status
from verify import check, from_torch

SLOW, FAST = "torch gradcheck", "torch gradcheck, fast"

COMPARED = 3_000
"""About the most entries of which a difference of each is waited for."""

FUNCTIONS: dict[str, Callable[[int], Subject]] = {
    "tanh network, by hand": by_hand,
    "tanh network, torch": partial(in_torch, activation=torch.tanh),
    "ReLU network, torch": partial(in_torch, activation=torch.relu),
}

CHECKERS = {name: (OURS,) if "hand" in name else (OURS, FAST, SLOW) for name in FUNCTIONS}
"""gradcheck takes torch's functions alone."""

SECONDS = 1.5
ROUNDS_AT_LEAST, ROUNDS_AT_MOST = 3, 9
"""Of a check, warm; a slow gradcheck has one, and is its own warm-up."""


@dataclass(frozen=True)
class Case:
    """One checker of one function at one size."""

    function: str
    n: int
    checker: str

    def __str__(self) -> str:
        names = f"{self.function}-{self.checker}".replace(",", "").replace(" ", "_")
        return f"{names}-{self.n}"

    @property
    def reason(self) -> str:
        """Why it is not to be timed; empty if nothing speaks against it."""
        if self.checker == SLOW and self.n > COMPARED:
            return f"differences every entry: skipped beyond {COMPARED:,}"
        return ""

    def row(
        self,
        status: Status,
        *,
        reason: str = "",
        cost: InUnits | None = None,
        evaluations: int | None = None,
    ) -> Cost:
        """This case's row in `costs.csv`.

        Args:
            status: was it timed.
            reason: why it was not; empty if it was.
            cost: what it takes.
            evaluations: how often it calls the function and its VJP.
        """
        return Cost(
            measured_at=utc_now(),
            function=self.function,
            entries=self.n,
            checker=self.checker,
            status=status,
            reason=reason,
            median_s=cost.seconds if cost else None,
            unit_s=cost.unit if cost else None,
            cost_units=cost.ratio if cost else None,
            evaluations=evaluations,
        )


CASES = [
    Case(function, n, checker)
    for function in FUNCTIONS
    for n in BATCHES
    for checker in CHECKERS[function]
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_cost(case: Case, benchmark: BenchmarkFixture, costs: Appender[Cost]) -> None:
    """One checker of one function, timed between values and gradients of it."""
    if case.reason:
        costs.append(case.row("skipped", reason=case.reason))
        pytest.skip(case.reason)
    subject, calls = FUNCTIONS[case.function](case.n), Calls()
    counted, plain = counted_and_plain(case.checker, subject, calls)
    benchmark.group = f"{case.function} {case.n:,}"
    unit = Unit(subject.unit)
    unit.time()  # the first call is slower than those that follow
    if case.checker == SLOW:
        rounds, timed = 1, counted  # long enough: what else is slow in a first call is nothing
    else:
        rounds, timed = _rounds(_accepted(case, counted, costs)), plain
    # A round is one call, so that the unit can be timed before each.
    benchmark.pedantic(timed, setup=unit.time, rounds=rounds)  # type: ignore[no-untyped-call]
    unit.time()
    if benchmark.stats:  # there are none under --benchmark-disable
        times = list(benchmark.stats.stats.data)
        cost = in_units(times, unit.beside(len(times)))
        costs.append(case.row("ok", cost=cost, evaluations=calls.evaluations))


def counted_and_plain(
    checker: str, subject: Subject, calls: Calls
) -> tuple[Callable[[], bool], Callable[[], bool]]:
    """A checker's call on a function whose calls are counted, and on the function itself.

    Both return whether it accepts.
    """
    if checker == OURS:
        counted = (
            from_torch(counted_in_torch(subject.native, calls))
            if subject.native
            else Counted(subject.make_vjp, calls)
        )
        return partial(_ours, counted, subject.primals), partial(
            _ours, subject.make_vjp, subject.primals
        )
    if subject.native is None:
        raise TypeError(f"{checker} takes functions of torch alone")
    leaves = tuple(torch.tensor(array, requires_grad=True) for array in subject.primals.values())
    ask = partial(gradcheck, inputs=leaves, raise_exception=False, fast_mode=checker == FAST)
    return partial(ask, counted_in_torch(subject.native, calls)), partial(ask, subject.native)


def _ours(make_vjp: Any, primals: Arrays) -> bool:  # noqa: ANN401 -- a user's function
    return check(make_vjp, primals).verdict == "agree"


def _accepted(case: Case, call: Callable[[], bool], costs: Appender[Cost]) -> float:
    """The seconds of a checker's first call.

    gradcheck may reject: that is not what is measured. Of `check`, which does more for what it
    finds wrong, only the cost of accepting is.
    """
    started = perf_counter()
    accepts = call()
    seconds = perf_counter() - started
    if case.checker == OURS and not accepts:
        costs.append(case.row("failed", reason="does not agree"))
        pytest.fail("not timed, it does not agree with the function")
    return seconds


def _rounds(first: float) -> int:
    return int(min(max(SECONDS / first, ROUNDS_AT_LEAST), ROUNDS_AT_MOST))
