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
    network,
    polynomial,
    two_layer,
)

TRAINERS: tuple[Trainer, ...] = (AutogradTrainer(), TorchTrainer(), ManualTrainer())
CALM = tuple(module.TRAINING for module in (line, polynomial, exponential, two_layer, divergence))
"""Those that do not magnify rounding."""

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


@each_trainer
def test_the_line_ends_where_the_tutorials_recipe_does(trainer: Trainer, course: Run) -> None:
    found = course(line.TRAINING, trainer)
    np.testing.assert_allclose(found.losses[0], 410.063048, rtol=1e-8)
    assert found.parameters["w"] == pytest.approx(4.13320910, abs=1e-8)
    assert found.parameters["b"] == pytest.approx(9.32432370, abs=1e-8)


@each_trainer
def test_the_polynomial_ends_where_the_tutorials_recipe_does(trainer: Trainer, course: Run) -> None:
    found = course(polynomial.TRAINING, trainer)
    wanted = [0.67902076, 10.48347146, -10.15167520, -0.07233570, 0.99895042]
    np.testing.assert_allclose(found.losses[0], 1065.18002, rtol=1e-8)
    np.testing.assert_allclose(found.parameters["w"], wanted, atol=1e-8)


@pytest.mark.parametrize("training", [line.TRAINING, polynomial.TRAINING])
@each_trainer
def test_a_quadratic_goes_down_as_its_closed_form_says(
    training: Training, trainer: Trainer, course: Run
) -> None:
    given = training.record(0)
    assert training.minimum
    names = list(given.parameters)
    start, least = (
        np.concatenate([np.ravel(each[name]) for name in names])
        for each in (given.parameters, training.minimum(given))
    )
    rows = given.data.get("features")
    if rows is None:
        rows = np.stack([given.data["x"], np.ones_like(given.data["x"])], axis=1)
    step = np.eye(start.size) - training.rule.rate * rows.T @ rows / len(rows)
    wanted = least + np.linalg.matrix_power(step, training.steps) @ (start - least)
    found = course(training, trainer).parameters
    got = np.concatenate([np.ravel(found[name]) for name in names])
    np.testing.assert_allclose(got, wanted, rtol=1e-10)


@each_trainer
def test_the_exponential_ends_where_the_tutorials_recipe_does(
    trainer: Trainer, course: Run
) -> None:
    (w,) = course(exponential.TRAINING, trainer).parameters["w"]
    assert w == pytest.approx(0.6933205373644706, abs=1e-14)
    assert np.exp(-w) == pytest.approx(0.4999133291104486, abs=1e-14)


@each_trainer
def test_the_two_layers_descend_as_the_tutorials_recipe_does(trainer: Trainer, course: Run) -> None:
    losses = course(two_layer.TRAINING, trainer).losses
    assert losses[0] == pytest.approx(0.6589348185, abs=1e-9)
    assert losses[-1] == pytest.approx(0.6366448374, abs=1e-9)


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
