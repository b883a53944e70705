"""The trainings against the numbers that the tutorials' recipes give, and their closed forms."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch

from reference_impls import datasets, trainings
from reference_impls.computation import Arrays
from reference_impls.descent import Trainer
from reference_impls.engines.hips.training import AutogradTrainer
from reference_impls.engines.manual.training import ManualTrainer
from reference_impls.engines.pytorch.training import TorchTrainer
from reference_impls.training import Course, Training, train
from reference_impls.trainings import (
    circles,
    circles_linear,
    circles_two_neurons,
    classifier,
    divergence,
    exponential,
    line,
    logistic,
    network,
    polynomial,
    ravine,
    relu_network,
    rosenbrock,
    split_classifier,
    timeseries,
    two_layer,
)

TRAINERS: tuple[Trainer, ...] = (AutogradTrainer(), TorchTrainer(), ManualTrainer())
SINGLE = tuple(
    module.TRAINING
    for module in (
        line,
        polynomial,
        exponential,
        two_layer,
        divergence,
        classifier,
        split_classifier,
        circles_two_neurons,
    )
)
CALM = (*SINGLE, *ravine.TRAININGS)
"""Those that do not magnify rounding."""

ARMIJO = next(each for each in rosenbrock.TRAININGS if each.name == "rosenbrock_armijo")
TRAININGS = (
    *CALM,
    *(module.TRAINING for module in (network, relu_network, circles, circles_linear)),
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
            assert each.is_met(measured[each.quantity]), (each, measured)


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


def test_trainings_are_listed_by_the_names_that_they_have() -> None:
    files = {path.stem for path in Path(trainings.__file__).parent.glob("*.py")}
    assert set(trainings.MODULES) == files - {"__init__"}
    for module, names in trainings.MODULES.items():
        assert tuple(each.name for each in trainings.trainings_of(module)) == names
    assert len(set(trainings.TRAINING_NAMES)) == len(trainings.TRAINING_NAMES)
    assert trainings.load_training("rosenbrock_bfgs").name == "rosenbrock_bfgs"


def test_every_training_is_tested_here() -> None:
    assert {each.name for each in (*TRAININGS, ARMIJO)} == set(trainings.TRAINING_NAMES)


@pytest.mark.parametrize("training", TRAININGS, ids=lambda training: training.name)
def test_a_record_is_drawn_the_same_again_and_leaves_torchs_generator_as_it_was(
    training: Training,
) -> None:
    before = torch.random.get_rng_state()
    one, other = training.record(1), training.record(1)
    assert torch.equal(torch.random.get_rng_state(), before)
    for part, again in ((one.parameters, other.parameters), (one.data, other.data)):
        for name, array in part.items():
            np.testing.assert_array_equal(again[name], array)
    for batch, same in zip(one.batches, other.batches, strict=True):
        for name, rows in batch.items():
            np.testing.assert_array_equal(same[name], rows)


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
    ("training", "seed"),
    [
        pytest.param(network.TRAINING, 5, id="tanh, near the noise"),
        pytest.param(network.TRAINING, 6, id="tanh, local minimum"),
        pytest.param(relu_network.TRAINING, 2, id="relu, local minimum"),
    ],
)
def test_a_network_reaches_the_noise_or_a_local_minimum(training: Training, seed: int) -> None:
    assert training.measures
    given = training.record(seed)
    measured = training.measures(given, train(training, given, ManualTrainer()))
    expected = [each for each in training.expected if each.seed == seed]
    assert "last loss" in {each.quantity for each in expected}
    for each in expected:
        assert measured[each.quantity] == pytest.approx(each.value, abs=each.tolerance)
    assert measured["last loss"] > 0.9 * measured["loss of the cubic"]


@pytest.mark.parametrize(
    "training", [network.TRAINING, relu_network.TRAINING], ids=lambda training: training.name
)
def test_the_fit_misses_the_points_by_the_loss(training: Training) -> None:
    assert training.curves
    given = training.record(0)
    end = train(replace(training, steps=3), given, ManualTrainer())
    points, fit = training.curves(given, end)
    loss, _ = training.loss.by_hand(**given.data, **end.parameters)
    assert np.mean((fit.y - points.y) ** 2) / 2 == pytest.approx(float(loss), rel=1e-12)


def test_the_network_goes_the_same_way_before_rounding_is_magnified() -> None:
    short = replace(network.TRAINING, steps=200)
    *others, by_hand = (train(short, short.record(0), trainer) for trainer in TRAINERS)
    for other in others:
        np.testing.assert_allclose(other.losses, by_hand.losses, rtol=1e-9)


def test_the_estimate_of_a_divergence_is_near_it_on_other_points_too(course: Run) -> None:
    training = divergence.TRAINING
    assert training.measures
    measured = training.measures(training.record(0), course(training, ManualTrainer()))
    # Independently drawn points: over seeds of theirs, the estimate has a deviation of 0.005.
    assert measured["estimate on points held out"] == pytest.approx(measured["truth"], abs=0.02)
    assert measured["deviation of t at the start"] == pytest.approx(0.0012, abs=5e-5)


def test_the_log_ratio_of_two_gaussians_is_that_of_their_densities() -> None:
    rng, rho = np.random.default_rng(0), 0.8
    points = rng.standard_normal((5, 2))
    correlated = scipy.stats.multivariate_normal(cov=[[1, rho], [rho, 1]])
    wanted = correlated.logpdf(points) - scipy.stats.multivariate_normal(cov=np.eye(2)).logpdf(
        points
    )
    np.testing.assert_allclose(divergence.log_ratio(rho, *points.T), wanted, rtol=1e-12)


def test_points_held_out_have_the_correlation_of_the_points_that_are_learnt() -> None:
    apart = divergence.record(0).apart
    rho = float(apart["rho"])
    # Five standard deviations of a variance that so many points are asked for.
    bound = 5 * np.sqrt(2 / divergence.HELD_OUT)
    for name, correlation in (("Z", rho), ("Z_ref", 0.0)):
        wanted = [[1.0, correlation], [correlation, 1.0]]
        np.testing.assert_allclose(np.cov(apart[name].T), wanted, rtol=0, atol=bound)


@pytest.mark.parametrize("training", CALM, ids=lambda training: training.name)
def test_all_go_the_same_way_where_rounding_is_not_magnified(
    training: Training, course: Run
) -> None:
    *others, by_hand = (course(training, trainer) for trainer in TRAINERS)
    for other in others:
        np.testing.assert_allclose(other.losses, by_hand.losses, rtol=1e-9)
        told = {name: by_hand.parameters[name] for name in by_hand.parameters.keys() - WITHOUT}
        assert largest_difference(other.parameters, told) < 1e-9


def test_a_classifier_is_tested_on_digits_that_it_has_not_learnt() -> None:
    given = split_classifier.record(0)
    learnt, tested = ({row.tobytes() for row in part["x"]} for part in (given.data, given.apart))
    assert (len(given.data["x"]), len(given.apart["x"])) == (3_976, 1_024)
    assert not learnt & tested


def test_the_digits_of_mnist_are_learnt_and_tested_where_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded = datasets.digits()
    some = datasets.Digits(loaded.images[::3], loaded.labels[::3])
    monkeypatch.setattr(classifier, "t10k_digits", lambda: some)
    training = classifier.TRAINING
    given = training.record(0)
    assert training.measures
    np.testing.assert_array_equal(given.apart["x"], some.images[:1_024])
    np.testing.assert_array_equal(given.apart["y"].argmax(axis=1), some.labels[:1_024])
    assert "accuracy in the test" in training.measures(given, train(training, given, TRAINERS[-1]))


def test_numbers_of_the_packaged_digits_are_not_expected_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("GRADJURY_DIGITS", raising=False)
    assert not classifier.TRAINING.skipped()
    monkeypatch.setenv("GRADJURY_DIGITS", "elsewhere")
    assert "GRADJURY_DIGITS" in classifier.TRAINING.skipped()


@pytest.mark.parametrize("seed", [3, 5])
def test_three_lines_shut_a_circle_in_and_two_do_not(seed: int) -> None:
    accuracies = []
    for training in (circles_linear.TRAINING, circles_two_neurons.TRAINING, circles.TRAINING):
        assert training.measures
        given = training.record(seed)
        measured = training.measures(given, train(training, given, ManualTrainer()))
        (expected,) = (each for each in training.expected if each.seed == seed)
        assert expected.is_met(measured["accuracy"])
        accuracies.append(measured["accuracy"])
    assert accuracies == sorted(accuracies)


@pytest.mark.parametrize("training", [circles.TRAINING, circles_linear.TRAINING])
def test_the_decision_region_is_drawn_from_the_network_that_is_trained(training: Training) -> None:
    assert training.curves
    given = training.record(0)
    end = train(replace(training, steps=3), given, ManualTrainer())
    *_, region = training.curves(given, end)
    outer, inner = (np.stack([curve.x, curve.y]).T for curve in training.curves(given, end)[:2])
    logits = circles_linear.logits if training.name == "circles_linear" else circles.logits
    losses = [
        np.logaddexp(0, logits(end.parameters, outer)),
        np.logaddexp(0, -logits(end.parameters, inner)),
    ]
    loss, _ = training.loss.by_hand(**given.data, **end.parameters)
    assert np.concatenate(losses).mean() == pytest.approx(float(loss), rel=1e-12)
    grid = np.stack([region.x, region.y], axis=1)
    assert region.value is not None
    np.testing.assert_array_equal(region.value > 0.5, logits(end.parameters, grid) > 0)
