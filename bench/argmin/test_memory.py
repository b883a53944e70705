"""The peak memory of every formulation of the ridge layer, as y grows and as z grows.

A case is measured once, in a process of its own. The time that pytest-benchmark prints is that of
the process; no row has it.
"""

from dataclasses import dataclass
from itertools import product

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.argmin.formulations import ONE_OF_EACH, Formulation
from bench.argmin.memory import (
    DTYPE,
    SIZES,
    CrashedError,
    NotMeasuredError,
    Peaks,
    RidgeSize,
    measure,
)
from reference_impls.computations import ridge_argmin
from results.environment import utc_now
from results.store import Appender
from results.tables import Memory, Pass, Status

PASSES: tuple[Pass, ...] = ("forward", "backward")


@dataclass(frozen=True)
class MemoryCase:
    """One process: a formulation at one size."""

    formulation: Formulation
    size: RidgeSize

    def __str__(self) -> str:
        return f"{self.formulation}-{self.size}"

    def row(
        self,
        phase: Pass,
        status: Status,
        *,
        reason: str = "",
        peak_bytes: int | None = None,
        gradient_error: float | None = None,
    ) -> Memory:
        """A row in `memory.csv`, for one of its passes.

        Args:
            phase: which pass.
            status: was it measured.
            reason: why it was not; empty if it was.
            peak_bytes: the largest resident memory above that before the pass.
            gradient_error: of the cotangents, relative to the norm of the truth.
        """
        return Memory(
            measured_at=utc_now(),
            layer=ridge_argmin.COMPUTATION.name,
            formulation=self.formulation.name,
            phase=phase,
            dtype=DTYPE,
            n_y=self.size.n_y,
            n_z=self.size.n_z,
            status=status,
            reason=reason,
            peak_bytes=peak_bytes,
            gradient_error=gradient_error,
        )


CASES = [MemoryCase(formulation, size) for size, formulation in product(SIZES, ONE_OF_EACH)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_memory(case: MemoryCase, benchmark: BenchmarkFixture, memory: Appender[Memory]) -> None:
    """Measure one case and append a row for each pass."""
    try:
        peaks: Peaks = benchmark.pedantic(  # type: ignore[no-untyped-call]
            measure, args=(case.formulation, case.size), rounds=1
        )
    except NotMeasuredError as why:
        _append_unmeasured(case, memory, "skipped", str(why))
        pytest.skip(str(why))
    except CrashedError as why:
        _append_unmeasured(case, memory, "failed", str(why))
        pytest.fail(str(why))
    error = peaks.gradient_error
    if peaks.wrong:
        reason = f"wrong result: {peaks.wrong}"
        _append_unmeasured(case, memory, "failed", reason, gradient_error=error)
        pytest.fail(reason)
    by_phase: dict[Pass, int] = {"forward": peaks.forward, "backward": peaks.backward}
    for phase, peak in by_phase.items():
        memory.append(case.row(phase, "ok", peak_bytes=peak, gradient_error=error))


def _append_unmeasured(
    case: MemoryCase,
    memory: Appender[Memory],
    status: Status,
    reason: str,
    gradient_error: float | None = None,
) -> None:
    for phase in PASSES:
        memory.append(case.row(phase, status, reason=reason, gradient_error=gradient_error))
