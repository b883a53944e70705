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
"""The most entries at which slow gradcheck, which moves each of them, is worth the wait."""

FUNCTIONS: dict[str, Callable[[int], Subject]] = {
    "tanh network, by hand": by_hand,
    "tanh network, torch": partial(in_torch, activation=torch.tanh),
    "ReLU network, torch": partial(in_torch, activation=torch.relu),
}

CHECKERS = {name: (OURS,) if "hand" in name else (OURS, FAST, SLOW) for name in FUNCTIONS}
"""gradcheck takes torch's functions alone."""

SECONDS = 1.5
ROUNDS_AT_LEAST, ROUNDS_AT_MOST = 3, 9
"""Of a check, after a first call that does not count. A slow gradcheck has one round and no such
call."""


@dataclass(frozen=True)
class CostCase:
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
    CostCase(function, n, checker)
    for function in FUNCTIONS
    for n in BATCHES
    for checker in CHECKERS[function]
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_cost(case: CostCase, benchmark: BenchmarkFixture, costs: Appender[Cost]) -> None:
    """One checker of one function, timed between values and gradients of it."""
    if case.reason:
        costs.append(case.row("skipped", reason=case.reason))
        pytest.skip(case.reason)
    subject = FUNCTIONS[case.function](case.n)
    asked = question(case.checker, subject)
    benchmark.group = f"{case.function} {case.n:,}"
    unit = Unit(subject.unit)
    unit.time()  # the first call is slower than those that follow
    if case.checker == SLOW:
        # It takes so long that what else is slow in a first call does not matter.
        rounds, timed = 1, asked.counted
    else:
        rounds, timed = _rounds(_accepted(case, asked.counted, costs)), asked.plain
    # A round is one call, so that the unit can be timed before each.
    benchmark.pedantic(timed, setup=unit.time, rounds=rounds)  # type: ignore[no-untyped-call]
    unit.time()
    if benchmark.stats:  # there are none under --benchmark-disable
        times = list(benchmark.stats.stats.data)
        cost = in_units(times, unit.beside(len(times)))
        costs.append(case.row("ok", cost=cost, evaluations=asked.calls.evaluations))


@dataclass(frozen=True)
class CostQuestion:
    """A checker and a function, asked in two ways; both return whether the checker accepts.

    Attributes:
        plain: on the function itself.
        counted: on the function with its calls counted.
        calls: those that `counted` has made.
    """

    plain: Callable[[], bool]
    counted: Callable[[], bool]
    calls: Calls


def question(checker: str, subject: Subject) -> CostQuestion:
    """What a checker is asked about a function.

    Raises:
        TypeError: the checker takes functions of torch alone, and this is none.
    """
    calls = Calls()
    if checker == OURS:
        counted = (
            from_torch(counted_in_torch(subject.native, calls))
            if subject.native
            else Counted(subject.make_vjp, calls)
        )
        ask = partial(_ours, primals=subject.primals)
        return CostQuestion(partial(ask, subject.make_vjp), partial(ask, counted), calls)
    if subject.native is None:
        raise TypeError(f"{checker} takes functions of torch alone")
    leaves = tuple(torch.tensor(array, requires_grad=True) for array in subject.primals.values())
    ask = partial(gradcheck, inputs=leaves, raise_exception=False, fast_mode=checker == FAST)
    in_torch = counted_in_torch(subject.native, calls)
    return CostQuestion(partial(ask, subject.native), partial(ask, in_torch), calls)


def _ours(make_vjp: Any, primals: Arrays) -> bool:  # noqa: ANN401 -- a user's function
    return check(make_vjp, primals).verdict == "agree"


def _accepted(case: CostCase, call: Callable[[], bool], costs: Appender[Cost]) -> float:
    """The seconds of a checker's first call.

    `check` does more for a function that it finds wrong, and only the cost of accepting is
    measured: the case fails if it does not accept. gradcheck may reject, and takes as long.
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
