"""The formulations of an argmin layer, timed side by side: what each costs, and how exact it is.

The layer is `ridge_argmin`, whose closed form is the truth; the network is `timeseries_net`, which
is that layer between two encoders. Both at the tutorial's size, in float64, on one thread.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.argmin import training
from bench.argmin.formulations import FORMULATIONS, GENERAL, K_ALONE, RIVALS, Formulation
from bench.argmin.phases import Phases, prepare
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
"""Both together first: what a library compiles once is then in the first call of that phase."""

TOLERANCES = tuple(10.0**-digits for digits in range(1, 13))

STEPPING_SECONDS = 1.0
STEPS_AT_LEAST, STEPS_AT_MOST = 5, 100


@dataclass(frozen=True)
class Case:
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


def _parameters(cases: list[Case]) -> list[Any]:
    """The cases for pytest; what a rival's library warns of is not ours to mend."""
    leave = pytest.mark.filterwarnings("ignore")
    return [
        pytest.param(case, id=str(case), marks=[leave] if case.formulation.package else [])
        for case in cases
    ]


RIDGE_CASES = [
    Case(ridge_argmin.COMPUTATION, formulation, phase)
    for phase in PHASES
    for formulation in (*FORMULATIONS, *RIVALS)
]
SWEPT_CASES = [
    Case(ridge_argmin.COMPUTATION, formulation, "forward and backward", tolerance)
    for tolerance in TOLERANCES
    for formulation in (GENERAL, K_ALONE)
]
TRAINING_CASES = [
    Case(timeseries_net.COMPUTATION, formulation, "training step") for formulation in FORMULATIONS
]


@pytest.mark.parametrize("case", _parameters(RIDGE_CASES))
def test_phase(case: Case, benchmark: BenchmarkFixture, layers: Appender[Layer]) -> None:
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
def test_tolerance(case: Case, benchmark: BenchmarkFixture, layers: Appender[Layer]) -> None:
    """Time against accuracy, from solving at one tolerance.

    What must be right is the formulation at its own tolerance. At a looser one, how wrong it is is
    what is measured.
    """
    _stop_if_wrong(case, _errors(case, *_phases(replace(case, tolerance=None)).result()), layers)
    phases = _phases(case)
    first = _seconds(phases.both)
    errors = _errors(case, *phases.result())
    with _timed_as(case, benchmark):
        benchmark(phases.both)
    _append(case, benchmark, layers, first, errors)


@pytest.mark.parametrize("case", _parameters(TRAINING_CASES))
def test_training_step(case: Case, benchmark: BenchmarkFixture, layers: Appender[Layer]) -> None:
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


def _skip_if_missing(case: Case, layers: Appender[Layer]) -> None:
    reason = case.formulation.missing()
    if reason:
        layers.append(case.row("skipped", reason=reason))
        pytest.skip(reason)


def _primals(case: Case) -> Arrays:
    return draw(case.computation, case.computation.tutorial_size, DTYPE)


def _phases(case: Case) -> Phases:
    formulation, tolerance = case.formulation, case.tolerance
    if formulation.solve and tolerance is not None:
        formulation = replace(formulation, solve=partial(formulation.solve, tolerance=tolerance))
    return prepare(formulation, case.computation, _primals(case))


def _call(phases: Phases, phase: Phase) -> Callable[[], Native]:
    if phase == "backward":
        return phases.record()
    return phases.forward if phase == "forward" else phases.both


def _errors(case: Case, value: Array, cotangents: Arrays) -> LayerErrors:
    # The closed form is not to vouch for itself.
    truth = Torch() if case.formulation.engine == "manual" else Manual()
    return layer_errors(case.computation, _primals(case), value, cotangents, against=truth)


def _stop_if_wrong(case: Case, errors: LayerErrors, layers: Appender[Layer]) -> None:
    if errors.wrong:
        reason = f"wrong result: {errors.wrong}"
        layers.append(case.row("failed", reason=reason, errors=errors))
        pytest.fail(f"not timed, {reason}")


@contextmanager
def _timed_as(case: Case, benchmark: BenchmarkFixture) -> Iterator[None]:
    tolerance = "" if case.tolerance is None else f" {case.tolerance:.0e}"
    benchmark.group = f"{case.computation.name} {case.phase}{tolerance}"
    with one_thread():  # once more: a rival has loaded libraries since the session began
        yield


def _append(
    case: Case,
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
