"""The trainings against the numbers that the tutorials' recipes give, and their closed forms."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest

from reference_impls.computation import Arrays
from reference_impls.computations.donsker_varadhan import COMPUTATION as ESTIMATE
from reference_impls.descent import Trainer
from reference_impls.engines.hips.training import AutogradTrainer
from reference_impls.engines.manual.training import ManualTrainer
from reference_impls.engines.pytorch.training import TorchTrainer
from reference_impls.training import Course, Training, train
from reference_impls.trainings import (
    divergence,
    exponential,
    line,
    logistic,
    network,
    polynomial,
    ravine,
    rosenbrock,
    timeseries,
    two_layer,
)

TRAINERS: tuple[Trainer, ...] = (AutogradTrainer(), TorchTrainer(), ManualTrainer())
SINGLE = tuple(module.TRAINING for module in (line, polynomial, exponential, two_layer))
CALM = (*SINGLE, divergence.TRAINING, *ravine.TRAININGS)
"""Those that do not magnify rounding."""

ARMIJO = next(each for each in rosenbrock.TRAININGS if each.name == "rosenbrock_armijo")
TRAININGS = (
    *SINGLE,
    *ravine.TRAININGS,
    *(each for each in rosenbrock.TRAININGS if each is not ARMIJO),
    *timeseries.TRAININGS,
    *logistic.TRAININGS,
)
WITHOUT = {"b3"}
"""A constant added to t changes no divergence: this gradient is zero but for rounding, which Adam
divides by its own size."""

each_trainer = pytest.mark.parametrize("trainer", TRAINERS, ids=lambda trainer: trainer.name)


Run = Callable[[Training, Trainer], Course]


@pytest.fixture(scope="module")
def course() -> Run:
    """A training run once for all tests."""
    found: dict[tuple[str, str], Course] = {}

    def run(training: Training, trainer: Trainer) -> Course:
        key = training.name, trainer.name
        if key not in found:
            found[key] = train(training, training.record(0), trainer)
        return found[key]

    return run


def largest_difference(one: Mapping[str, np.ndarray], other: Arrays) -> float:
    return max(float(np.abs(one[name] - array).max()) for name, array in other.items())


def check_numbers(training: Training, found: Course) -> None:
    assert training.measures
    assert training.expected
    measured = training.measures(training.record(0), found)
    for each in training.expected:
        if each.seed == 0:
            assert measured[each.quantity] == pytest.approx(each.value, rel=0, abs=each.tolerance)


@pytest.mark.parametrize("training", TRAININGS, ids=lambda training: training.name)
@each_trainer
def test_numbers_come_out_as_the_tutorials_recipe_gives_them(
    training: Training, trainer: Trainer, course: Run
) -> None:
    if reason := training.skipped():
        pytest.skip(reason)
    check_numbers(training, course(training, trainer))


def test_steepest_descent_takes_thousands_of_steps_down_rosenbrocks_valley() -> None:
    # By hand alone: the others take three and six times as long.
    check_numbers(ARMIJO, train(ARMIJO, ARMIJO.record(0), ManualTrainer()))


def test_a_training_is_named_like_no_other() -> None:
    names = [each.name for each in (*TRAININGS, ARMIJO)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    "training", [each for each in TRAININGS if each.closed_form], ids=lambda each: each.name
)
@each_trainer
def test_a_run_goes_where_its_closed_form_says(
    training: Training, trainer: Trainer, course: Run
) -> None:
    assert training.closed_form
    wanted = training.closed_form(training.record(0), training.steps)
    found = course(training, trainer).parameters
    for name, array in wanted.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-10)


@pytest.mark.parametrize(
    "training", [each for each in TRAININGS if each.curves], ids=lambda each: each.name
)
def test_curves_are_of_finite_points_and_differ_in_their_series(
    training: Training, course: Run
) -> None:
    assert training.curves
    found = training.curves(training.record(0), course(training, ManualTrainer()))
    assert len({each.series for each in found}) == len(found)
    for each in found:
        shown = [each.x, each.y] if each.value is None else [each.x, each.y, each.value]
        assert all(array.shape == (each.x.size,) and np.isfinite(array).all() for array in shown)


def test_descent_is_further_from_the_minimum_without_batch_normalisation(course: Run) -> None:
    scaled, normalised = logistic.TRAININGS[-2:]
    above = [
        logistic.measures_of_the_condition(each.record(0), course(each, ManualTrainer()))[
            "loss above the minimum"
        ]
        for each in (scaled, normalised)
    ]
    assert above[0] > 0.01
    assert above[1] < 1e-10


@pytest.mark.parametrize(
    ("seed", "first", "last"), [(0, 337.02, 7.7), (6, 325.31, 54.8)], ids=["good", "local minimum"]
)
def test_the_network_reaches_the_noise_or_a_local_minimum(
    seed: int, first: float, last: float
) -> None:
    losses = train(network.TRAINING, network.TRAINING.record(seed), ManualTrainer()).losses
    assert losses[0] == pytest.approx(first, abs=5e-3)
    assert losses[-1] == pytest.approx(last, rel=0.05)


def test_the_network_goes_the_same_way_before_rounding_is_magnified() -> None:
    short = replace(network.TRAINING, steps=200)
    *others, by_hand = (train(short, short.record(0), trainer) for trainer in TRAINERS)
    for other in others:
        np.testing.assert_allclose(other.losses, by_hand.losses, rtol=1e-9)


@each_trainer
def test_the_divergence_is_estimated_to_half_a_per_cent(trainer: Trainer, course: Run) -> None:
    training = divergence.TRAINING
    given = training.record(0)
    value, _ = ESTIMATE.by_hand(**given.data, **course(training, trainer).parameters)
    assert value == pytest.approx(0.737141, abs=1e-5)
    assert divergence.truth(0.8789772794089237) == pytest.approx(0.7405246745, abs=1e-10)


@pytest.mark.parametrize("training", CALM, ids=lambda training: training.name)
def test_all_go_the_same_way_where_rounding_is_not_magnified(
    training: Training, course: Run
) -> None:
    *others, by_hand = (course(training, trainer) for trainer in TRAINERS)
    for other in others:
        np.testing.assert_allclose(other.losses, by_hand.losses, rtol=1e-9)
        told = {name: by_hand.parameters[name] for name in by_hand.parameters.keys() - WITHOUT}
        assert largest_difference(other.parameters, told) < 1e-9
