"""Where rules stop that search for their steps."""

from collections.abc import Callable, Mapping

import pytest

from reference_impls.computation import Arrays, Native
from reference_impls.descent import Natives, Objective, Rule, Trainer
from reference_impls.engines.pytorch.training import TorchTrainer
from reference_impls.engines.trainers import TRAINERS
from reference_impls.trainings import load_training
from tests.verify.checks.trainings.shared import kinds_of
from verify.checks.trainings.by_hand import RunByHand
from verify.checks.trainings.end import end_check


class Idle(TorchTrainer):
    """It takes as many steps as it is told, and returns where it began."""

    name = "idle"

    def descend(
        self, rule: Rule, parameters: Mapping[str, Native], objective: Objective, steps: int
    ) -> Natives:
        super().descend(rule, parameters, objective, steps)
        return dict(parameters)


class Lazy(TorchTrainer):
    """It stops after a step."""

    name = "lazy"

    def descend(
        self, rule: Rule, parameters: Mapping[str, Native], objective: Objective, steps: int
    ) -> Natives:
        return super().descend(rule, parameters, objective, min(steps, 1))


@pytest.mark.parametrize("trainer", [Idle(), Lazy()], ids=lambda trainer: trainer.name)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_who_does_not_arrive_is_convicted(trainer: Trainer, dtype: str) -> None:
    assert kinds_of("rosenbrock_near_one", dtype, trainer)["end"].verdict == "disagree"


def ended(name: str, dtype: str, way: Callable[[RunByHand], Arrays]) -> str:
    """The verdict on an end that is made from the run by hand."""
    training = load_training(name)
    record = training.record(0)
    by_hand = RunByHand.of(training, record, dtype)
    return end_check(training, record, "", dtype, by_hand, way(by_hand)).verdict


def test_where_a_run_began_is_no_end_though_the_run_by_hand_has_not_come_far() -> None:
    assert ended("ravine_exact_search", "float32", lambda run: run.thetas[0]) == "disagree"
    assert ended("ravine_exact_search", "float32", lambda run: run.thetas[-1]) == "agree"


def test_a_tolerance_is_to_be_met_in_float64_but_for_ten_times() -> None:
    def beside(distance: float) -> Callable[[RunByHand], Arrays]:
        return lambda run: {"x": run.course.parameters["x"] + distance}

    # Its curvature is about a thousand, and what is asked for is 1e-8.
    assert ended("rosenbrock_near_one", "float64", beside(1e-11)) == "agree"
    assert ended("rosenbrock_near_one", "float64", beside(1e-9)) == "disagree"


def test_no_search_is_asked_to_see_less_than_a_rounding_of_the_loss() -> None:
    # The minimum is 3.7: a gradient of 1e-6 promises 1e-15, at most, to be gained.
    def beside(distance: float) -> Callable[[RunByHand], Arrays]:
        return lambda run: {"x": run.course.parameters["x"] + distance}

    assert ended("rosenbrock_near_minus_one", "float64", beside(1e-9)) == "agree"
    assert ended("rosenbrock_near_minus_one", "float64", beside(1e-5)) == "disagree"


@pytest.mark.parametrize("trainer", TRAINERS, ids=lambda trainer: trainer.name)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "name", ["rosenbrock_newton", "rosenbrock_lbfgs", "ravine_exact_search", "logistic_armijo"]
)
def test_who_is_right_arrives(name: str, dtype: str, trainer: Trainer) -> None:
    assert kinds_of(name, dtype, trainer)["end"].verdict == "agree"
