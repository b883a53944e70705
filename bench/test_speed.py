"""Value and gradient of every computation, by every implementation, timed by pytest-benchmark.

Arrays are converted and transferred before the clock starts, in `Backend.prepare`; waiting for a
GPU is part of the time. The implementations of one computation follow one another, so that they
share the machine's load when it changes: trust the ratios between neighbours, not the times.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.gate import hold_against_reference
from bench.statistics import UNTIMED, Times, times_of
from reference_impls import (
    COMPUTATIONS,
    DTYPES,
    OPERATORS,
    Backend,
    Computation,
    draw,
)
from reference_impls.engines import registered
from results.environment import utc_now
from results.store import Appender
from results.tables import Operator, Status, Timing
from verify.checks.check import Worst


@dataclass(frozen=True)
class SpeedCase:
    """One cell of the benchmark."""

    computation: Computation
    size: int
    dtype: str
    operator: Operator
    backend: Backend

    def __str__(self) -> str:
        backend = f"{self.backend.name}-{self.backend.device}"
        return f"{self.computation.name}-{self.operator}-{backend}-{self.dtype}-{self.size}"

    def row(
        self,
        status: Status,
        *,
        reason: str = "",
        times: Times = UNTIMED,
        gate: Worst | None = None,
    ) -> Timing:
        """This case's row in `timings.csv`.

        Args:
            status: was it timed.
            reason: why it was not; empty if it was.
            times: what it takes.
            gate: the worst entry of its result, if that was held against the reference.
        """
        return Timing(
            measured_at=utc_now(),
            computation=self.computation.name,
            operator=self.operator,
            implementation=self.backend.name,
            device=self.backend.device,
            dtype=self.dtype,
            size=self.size,
            tutorial_size=self.size == self.computation.tutorial_size,
            status=status,
            reason=reason,
            median_s=times.median_s,
            min_s=times.min_s,
            iqr_s=times.iqr_s,
            rounds=times.rounds,
            iterations=times.iterations,
            gate_error=gate.error if gate else None,
            gate_tolerance=gate.tolerance if gate else None,
        )


CASES = [
    SpeedCase(computation, size, dtype, operator, backend)
    for computation in COMPUTATIONS
    for size, dtype, operator, backend in product(
        computation.sizes, DTYPES, OPERATORS, registered()
    )
    if backend.body_of(computation)
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_speed(case: SpeedCase, benchmark: BenchmarkFixture, timings: Appender[Timing]) -> None:
    """Time one case if its result is right, and append its row in any case."""
    reason = case.backend.missing()
    if reason:
        timings.append(case.row("skipped", reason=reason))
        pytest.skip(reason)
    compute = case.backend.prepare(
        case.computation, draw(case.computation, case.size, case.dtype), case.operator
    )
    worst = _gate(case, compute)
    if not worst.accepted:
        wrong = f"{worst.argument}{worst.index}: got {worst.got!r}, expected {worst.expected!r}"
        timings.append(case.row("failed", reason=f"wrong result: {wrong}", gate=worst))
        pytest.fail(f"not timed, its result is wrong: {wrong}")
    benchmark.group = f"{case.computation.name} {case.operator} {case.dtype} {case.size}"
    benchmark(_synchronised(case.backend, compute))
    if benchmark.stats:  # there are none under --benchmark-disable
        timings.append(case.row("ok", times=times_of(benchmark.stats), gate=worst))


def _gate(case: SpeedCase, compute: Callable[[], Any]) -> Worst:
    output = compute()
    value, cotangents = output if case.operator == "gradient" else (output, {})
    to_numpy = case.backend.to_numpy
    return hold_against_reference(
        case.computation,
        case.size,
        case.dtype,
        {"value": to_numpy(value)},
        {name: to_numpy(cotangents[name]) for name in case.computation.wrt if cotangents},
    )


def _synchronised(backend: Backend, compute: Callable[[], Any]) -> Callable[[], Any]:
    if backend.device == "cpu":
        return compute

    def and_wait() -> None:
        compute()
        backend.synchronize()

    return and_wait
