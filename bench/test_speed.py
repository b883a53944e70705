"""Value and gradient of every computation, by every implementation, timed by pytest-benchmark.

Conversion and transfer happen before the timed body, in `Backend.prepare`; synchronisation with
a GPU inside it. The implementations of a case follow one another, so that a change in the
machine's load falls on all of them; trust the ratios between neighbours, not the times.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.gate import hold_against_reference
from bench.statistics import measured
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
from results.tables import Timing
from verify.checks.check import Worst


@dataclass(frozen=True)
class Case:
    """One cell of the benchmark."""

    computation: Computation
    size: int
    dtype: str
    operator: str
    backend: Backend

    def __str__(self) -> str:
        backend = f"{self.backend.name}-{self.backend.device}"
        return f"{self.computation.name}-{self.operator}-{backend}-{self.dtype}-{self.size}"

    def row(self, **measured: Any) -> Timing:  # noqa: ANN401 -- the remaining columns of Timing
        """This case's row in timings.csv."""
        return Timing(
            measured_at=utc_now(),
            computation=self.computation.name,
            operator=self.operator,
            implementation=self.backend.name,
            device=self.backend.device,
            dtype=self.dtype,
            size=self.size,
            tutorial_size=self.size == self.computation.tutorial_size,
            **measured,
        )


CASES = [
    Case(computation, size, dtype, operator, backend)
    for computation in COMPUTATIONS
    for size, dtype, operator, backend in product(
        computation.sizes, DTYPES, OPERATORS, registered()
    )
    if backend.body_of(computation)
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_speed(case: Case, benchmark: BenchmarkFixture, timings: Appender[Timing]) -> None:
    """Gate one case, time it, and append its row."""
    reason = case.backend.missing()
    if reason:
        timings.append(case.row(status="skipped", reason=reason))
        pytest.skip(reason)
    compute = case.backend.prepare(
        case.computation, draw(case.computation, case.size, case.dtype), case.operator
    )
    worst = _gate(case, compute)
    if not worst.accepted:
        wrong = f"{worst.argument}{worst.index}: got {worst.got!r}, expected {worst.expected!r}"
        timings.append(case.row(status="failed", reason=f"wrong result: {wrong}", **_gated(worst)))
        pytest.fail(f"not timed, its result is wrong: {wrong}")
    benchmark.group = f"{case.computation.name} {case.operator} {case.dtype} {case.size}"
    benchmark(_synchronised(case.backend, compute))
    if benchmark.stats:  # there are none under --benchmark-disable
        timings.append(case.row(status="ok", **measured(benchmark.stats), **_gated(worst)))


def _gate(case: Case, compute: Callable[[], Any]) -> Worst:
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


def _gated(worst: Worst) -> dict[str, float]:
    return {"gate_error": worst.error, "gate_tolerance": worst.tolerance}
