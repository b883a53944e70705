"""Steps of rules that search and that no library has."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from reference_impls.computation import Native
from reference_impls.descent import (
    Armijo,
    Natives,
    Objective,
    Rule,
    SteepestDescent,
    Trainer,
)
from reference_impls.engines.manual.training import ManualTrainer
from reference_impls.engines.trainers import TRAINERS
from reference_impls.trainings import load_training
from verify.checks.trainings.by_hand import RunByHand
from verify.checks.trainings.check import TrainingCheck
from verify.checks.trainings.forcing import Forced
from verify.checks.trainings.walks import walk_check

OTHERS = [each for each in TRAINERS if each.name != "manual"]
SOME = ["rosenbrock_newton", "ravine_exact_search", "logistic_armijo", "rosenbrock_armijo"]


def checked(name: str, dtype: str, trainer: Trainer, steps: int = 300) -> TrainingCheck:
    training = load_training(name)
    training = replace(training, steps=min(training.steps, steps))
    record = training.record(0)
    by_hand = RunByHand.of(training, record, dtype)
    with np.errstate(all="ignore"):  # as `judge` does: other steps may lead anywhere
        check = walk_check(Forced(training, record, dtype, by_hand, ()), trainer)
    assert check
    return check


@pytest.mark.parametrize("trainer", OTHERS, ids=lambda trainer: trainer.name)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", SOME)
def test_right_steps_agree(name: str, dtype: str, trainer: Trainer) -> None:
    check = checked(name, dtype, trainer, steps=450)
    assert (check.kind, check.verdict) == ("update", "agree"), check


class Mistaken(ManualTrainer):
    """It descends in a way of its own."""

    name = "mistaken"

    def __init__(self, way: Callable[..., Natives]) -> None:
        self._way = way

    def descend(
        self, rule: Rule, parameters: Mapping[str, Native], objective: Objective, steps: int
    ) -> Natives:
        return self._way(super().descend, rule, parameters, objective, steps)


Descend = Callable[..., Natives]


def with_hessian_times(factor: float) -> Descend:
    """Its steps by Newton's rule are as many times too short."""

    def way(descend: Descend, rule: Rule, theta: Natives, asked: Objective, steps: int) -> Natives:
        larger = replace(asked, hessian=lambda at: factor * asked.hessian(at))
        return descend(rule, theta, larger, steps)

    return way


def with_hessian_of_the_start(
    descend: Descend, rule: Rule, theta: Natives, asked: Objective, steps: int
) -> Natives:
    first = asked.hessian(theta)
    return descend(rule, theta, replace(asked, hessian=lambda _: first), steps)


def with_rule(**changes: Any) -> Descend:  # noqa: ANN401 -- attributes of any rule
    def way(descend: Descend, rule: Rule, theta: Natives, asked: Objective, steps: int) -> Natives:
        assert isinstance(rule, SteepestDescent)
        return descend(replace(rule, **changes), theta, asked, steps)

    return way


def with_thirds(_: Descend, rule: Rule, theta: Natives, asked: Objective, steps: int) -> Natives:
    """Armijo's search, but a step is a third of the one before."""
    assert isinstance(rule, SteepestDescent)
    assert isinstance(rule.search, Armijo)
    for step in range(steps):
        gradient = asked.gradient(theta, step)
        squares = sum(float((array**2).sum()) for array in gradient.values())
        far, here = 1.0, asked.loss(theta)

        def there(far: float, gradient: Natives = gradient, theta: Natives = theta) -> Natives:
            return {name: array - far * gradient[name] for name, array in theta.items()}

        while asked.loss(there(far)) > here - rule.search.slope * far * squares:
            far /= 3
        theta = there(far)
    return theta


def with_another_slope_late(
    descend: Descend, rule: Rule, theta: Natives, asked: Objective, steps: int
) -> Natives:
    assert isinstance(rule, SteepestDescent)
    middle = descend(rule, theta, asked, 250)
    strict = replace(rule, search=Armijo(slope=0.5))
    return descend(strict, middle, asked, steps - 250)


def not_at_all(
    descend: Descend, rule: Rule, theta: Natives, asked: Objective, steps: int
) -> Natives:
    """It goes its way, and returns where it began."""
    descend(rule, theta, asked, steps)
    return dict(theta)


def one_step_alone(
    descend: Descend, rule: Rule, theta: Natives, asked: Objective, steps: int
) -> Natives:
    return descend(rule, theta, asked, min(steps, 1))


def one_step_more(
    descend: Descend, rule: Rule, theta: Natives, asked: Objective, steps: int
) -> Natives:
    return descend(rule, theta, asked, steps + 1)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("name", "way"),
    [
        pytest.param("rosenbrock_newton", with_hessian_times(2.0), id="half of Newton's step"),
        pytest.param("rosenbrock_newton", with_hessian_of_the_start, id="frozen Hessian"),
        pytest.param("ravine_exact_search", with_hessian_times(1.01), id="search too short"),
        pytest.param("ravine_1_norm", with_rule(norm=2), id="2-norm"),
        pytest.param("rosenbrock_armijo", with_rule(search=Armijo(slope=0.1)), id="slope 0.1"),
        pytest.param("rosenbrock_armijo", with_thirds, id="thirds"),
        pytest.param("rosenbrock_armijo", with_another_slope_late, id="slope, late"),
        pytest.param("ravine_exact_search", not_at_all, id="idle"),
        pytest.param("ravine_exact_search", one_step_alone, id="lazy"),
        pytest.param("ravine_exact_search", one_step_more, id="eager"),
    ],
)
def test_other_steps_are_convicted(name: str, way: Descend, dtype: str) -> None:
    assert checked(name, dtype, Mistaken(way)).verdict == "disagree"


def test_a_rule_with_a_rate_or_of_a_library_is_none_of_these() -> None:
    for name in ("line", "rosenbrock_bfgs", "rosenbrock_lbfgs"):
        training = replace(load_training(name), steps=3)
        record = training.record(0)
        by_hand = RunByHand.of(training, record, "float64")
        assert walk_check(Forced(training, record, "float64", by_hand, ()), TRAINERS[0]) is None
