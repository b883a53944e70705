"""Rules that search: their Hessians, and where they stop."""

from collections.abc import Mapping

import pytest
import torch

from reference_impls.computation import Computation, Native
from reference_impls.descent import Natives, Objective, Rule, Trainer
from reference_impls.engines.pytorch.training import TorchTrainer
from reference_impls.engines.trainers import TRAINERS
from reference_impls.trainings import load_training
from verify.checks.trainings.check import TrainingCheck
from verify.checks.trainings.judged import Event, judged


def checks_of(name: str, dtype: str, trainer: Trainer) -> dict[str, TrainingCheck]:
    found: list[Event] = []
    judged(load_training(name), 5, dtype, (trainer,), (), found.append)
    return {each.kind: each for each in found if isinstance(each, TrainingCheck)}


class Doubled(TorchTrainer):
    """Twice the Hessian: Newton still arrives, in more steps."""

    name = "doubled"

    def hessian(self, loss: Computation, primals: Mapping[str, Native]) -> Native:
        return 2 * super().hessian(loss, primals)


class Diagonal(TorchTrainer):
    """The diagonal of the Hessian alone."""

    name = "diagonal"

    def hessian(self, loss: Computation, primals: Mapping[str, Native]) -> Native:
        return torch.diag(torch.diag(super().hessian(loss, primals)))


@pytest.mark.parametrize("trainer", [Doubled(), Diagonal()], ids=lambda trainer: trainer.name)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_wrong_hessian_is_convicted(trainer: Trainer, dtype: str) -> None:
    assert checks_of("rosenbrock_newton", dtype, trainer)["Hessian"].verdict == "disagree"


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
    assert checks_of("rosenbrock_near_one", dtype, trainer)["end"].verdict == "disagree"


@pytest.mark.parametrize("trainer", TRAINERS, ids=lambda trainer: trainer.name)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "name", ["rosenbrock_newton", "rosenbrock_lbfgs", "ravine_exact_search", "logistic_armijo"]
)
def test_who_is_right_is_not(name: str, dtype: str, trainer: Trainer) -> None:
    checks = checks_of(name, dtype, trainer)
    assert checks["end"].verdict == "agree"
    asks = name in ("rosenbrock_newton", "ravine_exact_search") and trainer.name != "manual"
    assert ("Hessian" in checks) == asks
    assert not asks or checks["Hessian"].verdict == "agree"
