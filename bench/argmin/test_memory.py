"""The peak memory of every formulation of the ridge layer, as y grows and as z grows.

A case is measured once, in a process of its own; what pytest-benchmark says of its time is that of
the process, and no row has it.
"""

from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.argmin.formulations import ONE_OF_EACH, Formulation
from bench.argmin.memory import (
    DTYPE,
    SIZES,
    CrashedError,
    NotMeasuredError,
    Peaks,
    Size,
    measure,
)
from reference_impls.computations import ridge_argmin
from results.environment import utc_now
from results.store import Appender
from results.tables import Memory

PASSES = ("forward", "backward")


@dataclass(frozen=True)
class Case:
    """One process: a formulation at one size."""

    formulation: Formulation
    size: Size

    def __str__(self) -> str:
        return f"{self.formulation}-{self.size}"

    def row(self, phase: str, **measured: Any) -> Memory:  # noqa: ANN401 -- the remaining columns
        """A row in memory.csv, for one of its passes."""
        return Memory(
            measured_at=utc_now(),
            layer=ridge_argmin.COMPUTATION.name,
            formulation=self.formulation.name,
            phase=phase,
            dtype=DTYPE,
            n_y=self.size.n_y,
            n_z=self.size.n_z,
            **measured,
        )


CASES = [Case(formulation, size) for size, formulation in product(SIZES, ONE_OF_EACH)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_memory(case: Case, benchmark: BenchmarkFixture, memory: Appender[Memory]) -> None:
    """Measure one case and append a row for each pass."""
    try:
        peaks: Peaks = benchmark.pedantic(  # type: ignore[no-untyped-call]
            measure, args=(case.formulation, case.size), rounds=1
        )
    except NotMeasuredError as why:
        _append(case, memory, status="skipped", reason=str(why))
        pytest.skip(str(why))
    except CrashedError as why:
        _append(case, memory, status="failed", reason=str(why))
        pytest.fail(str(why))
    error = peaks.gradient_error
    if peaks.wrong:
        reason = f"wrong result: {peaks.wrong}"
        _append(case, memory, status="failed", reason=reason, gradient_error=error)
        pytest.fail(reason)
    for phase in PASSES:
        peak = getattr(peaks, phase)
        memory.append(case.row(phase, status="ok", peak_bytes=peak, gradient_error=error))


def _append(case: Case, memory: Appender[Memory], **measured: Any) -> None:  # noqa: ANN401 -- as in row
    for phase in PASSES:
        memory.append(case.row(phase, **measured))
