"""The formulations of an argmin layer, timed side by side: what each costs, and how exact it is.

The layer is `ridge_argmin`, whose closed form is the truth; the network is `timeseries_net`, which
is that layer between two encoders. Both at the tutorial's size, in float64, on one thread.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.argmin import training
from bench.argmin.formulations import FORMULATIONS, GENERAL, K_ALONE, RIVALS, Formulation
from bench.argmin.phases import Phases, phases_of
from bench.gate import LayerErrors, layer_errors
from bench.statistics import UNTIMED, Times, times_of
from reference_impls import Array, Arrays, Computation, Manual, Torch, draw
from reference_impls.computation import Native
from reference_impls.computations import ridge_argmin, timeseries_net
from reference_impls.running.threads import one_thread
from results.environment import utc_now
from results.store import Appender
from results.tables import Layer, Phase, Status

DTYPE = "float64"
PHASES: tuple[Phase, ...] = ("forward and backward", "forward", "backward")
"""Both together come first, so that what a library compiles once is in that phase's first call."""

TOLERANCES = tuple(10.0**-digits for digits in range(1, 13))

STEPPING_SECONDS = 1.0
STEPS_AT_LEAST, STEPS_AT_MOST = 5, 100


@dataclass(frozen=True)
class LayerCase:
    """One cell of the benchmark.

    Attributes:
        computation: the layer, or the network around it.
        formulation: of the layer.
        phase: as in `layers.csv`.
        tolerance: of the formulation's solver; its own default if None.
    """

    computation: Computation
    formulation: Formulation
    phase: Phase
    tolerance: float | None = None

    def __str__(self) -> str:
        phase = self.phase.replace(" ", "_")
        tolerance = "" if self.tolerance is None else f"-{self.tolerance:.0e}"
        return f"{self.computation.name}-{phase}-{self.formulation}{tolerance}"

    def row(
        self,
        status: Status,
        *,
        reason: str = "",
        times: Times = UNTIMED,
        first_call_s: float | None = None,
        errors: LayerErrors | None = None,
    ) -> Layer:
        """This case's row in `layers.csv`.

        Args:
            status: was it timed.
            reason: why it was not; empty if it was.
            times: what it takes.
            first_call_s: what the first call took beyond the median.
            errors: how far its result is from the truth, if that was looked at.
        """
        return Layer(
            measured_at=utc_now(),
            layer=self.computation.name,
            formulation=self.formulation.name,
            phase=self.phase,
            dtype=DTYPE,
            size=self.computation.tutorial_size,
            status=status,
            reason=reason,
            median_s=times.median_s,
            min_s=times.min_s,
            iqr_s=times.iqr_s,
            rounds=times.rounds,
            iterations=times.iterations,
            first_call_s=first_call_s,
            tolerance=self.tolerance,
            value_error=errors.value if errors else None,
            gradient_error=errors.gradient if errors else None,
        )


def _parameters(cases: list[LayerCase]) -> list[Any]:
    """The cases for pytest. What a rival's library warns of is ignored: it is not ours to mend."""
    leave = pytest.mark.filterwarnings("ignore")
    return [
        pytest.param(case, id=str(case), marks=[leave] if case.formulation.package else [])
        for case in cases
    ]


RIDGE_CASES = [
    LayerCase(ridge_argmin.COMPUTATION, formulation, phase)
    for phase in PHASES
    for formulation in (*FORMULATIONS, *RIVALS)
]
SWEPT_CASES = [
    LayerCase(ridge_argmin.COMPUTATION, formulation, "forward and backward", tolerance)
    for tolerance in TOLERANCES
    for formulation in (GENERAL, K_ALONE)
]
TRAINING_CASES = [
    LayerCase(timeseries_net.COMPUTATION, formulation, "training step")
    for formulation in FORMULATIONS
]


@pytest.mark.parametrize("case", _parameters(RIDGE_CASES))
def test_phase(case: LayerCase, benchmark: BenchmarkFixture, layers: Appender[Layer]) -> None:
    """One phase of one formulation of the layer."""
    _skip_if_missing(case, layers)
    phases = _phases(case)
    call = _call(phases, case.phase)
    first = _seconds(call)
    errors = _errors(case, *phases.result())
    _stop_if_wrong(case, errors, layers)
    with _timed_as(case, benchmark):
        benchmark(call)
    _append(case, benchmark, layers, first, errors)


@pytest.mark.parametrize("case", _parameters(SWEPT_CASES))
def test_tolerance(case: LayerCase, benchmark: BenchmarkFixture, layers: Appender[Layer]) -> None:
    """Time and accuracy when solving to one tolerance.

    The formulation must be right at its own tolerance. At a looser one it is less so, and how much
    less is what is measured here.
    """
    _stop_if_wrong(case, _errors(case, *_phases(replace(case, tolerance=None)).result()), layers)
    phases = _phases(case)
    first = _seconds(phases.both)
    errors = _errors(case, *phases.result())
    with _timed_as(case, benchmark):
        benchmark(phases.both)
    _append(case, benchmark, layers, first, errors)


@pytest.mark.parametrize("case", _parameters(TRAINING_CASES))
def test_training_step(
    case: LayerCase, benchmark: BenchmarkFixture, layers: Appender[Layer]
) -> None:
    """The same training step of the network, again and again."""
    network = training.start(case.formulation, case.computation, _primals(case))
    errors = _errors(case, *network.gradient())
    _stop_if_wrong(case, errors, layers)
    first = _seconds(network.step)
    rounds = int(min(max(STEPPING_SECONDS / first, STEPS_AT_LEAST), STEPS_AT_MOST))
    with _timed_as(case, benchmark):
        # A round is one step, so that each can start from the initial parameters.
        benchmark.pedantic(  # type: ignore[no-untyped-call]
            network.step, setup=network.reset, rounds=rounds, warmup_rounds=1
        )
    _append(case, benchmark, layers, first, errors)


def _skip_if_missing(case: LayerCase, layers: Appender[Layer]) -> None:
    reason = case.formulation.missing()
    if reason:
        layers.append(case.row("skipped", reason=reason))
        pytest.skip(reason)


def _primals(case: LayerCase) -> Arrays:
    return draw(case.computation, case.computation.tutorial_size, DTYPE)


def _phases(case: LayerCase) -> Phases:
    formulation = case.formulation
    if case.tolerance is not None and formulation.to_tolerance:
        formulation = replace(formulation, solve=formulation.to_tolerance(case.tolerance))
    return phases_of(formulation, case.computation, _primals(case))


def _call(phases: Phases, phase: Phase) -> Callable[[], Native]:
    if phase == "backward":
        return phases.record()
    return phases.forward if phase == "forward" else phases.both


def _errors(case: LayerCase, value: Array, cotangents: Arrays) -> LayerErrors:
    # The closed form cannot vouch for itself.
    truth = Torch() if case.formulation.engine == "manual" else Manual()
    return layer_errors(case.computation, _primals(case), value, cotangents, against=truth)


def _stop_if_wrong(case: LayerCase, errors: LayerErrors, layers: Appender[Layer]) -> None:
    if errors.wrong:
        reason = f"wrong result: {errors.wrong}"
        layers.append(case.row("failed", reason=reason, errors=errors))
        pytest.fail(f"not timed, {reason}")


@contextmanager
def _timed_as(case: LayerCase, benchmark: BenchmarkFixture) -> Iterator[None]:
    tolerance = "" if case.tolerance is None else f" {case.tolerance:.0e}"
    benchmark.group = f"{case.computation.name} {case.phase}{tolerance}"
    with one_thread():  # a rival may have loaded libraries since the session was told so
        yield


def _append(
    case: LayerCase,
    benchmark: BenchmarkFixture,
    layers: Appender[Layer],
    first: float,
    errors: LayerErrors,
) -> None:
    if benchmark.stats:  # there are none under --benchmark-disable
        beyond = first - benchmark.stats.stats.median
        times = times_of(benchmark.stats)
        layers.append(case.row("ok", times=times, first_call_s=beyond, errors=errors))


def _seconds(call: Callable[[], Native]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
