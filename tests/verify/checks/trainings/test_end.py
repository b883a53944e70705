"""Where rules stop that search for their steps."""

from collections.abc import Mapping

import pytest

from reference_impls.computation import Native
from reference_impls.descent import Natives, Objective, Rule, Trainer
from reference_impls.engines.pytorch.training import TorchTrainer
from reference_impls.engines.trainers import TRAINERS
from tests.verify.checks.trainings.shared import kinds_of


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


@pytest.mark.parametrize("trainer", TRAINERS, ids=lambda trainer: trainer.name)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "name", ["rosenbrock_newton", "rosenbrock_lbfgs", "ravine_exact_search", "logistic_armijo"]
)
def test_who_is_right_arrives(name: str, dtype: str, trainer: Trainer) -> None:
    assert kinds_of(name, dtype, trainer)["end"].verdict == "agree"
