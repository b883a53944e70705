"""What rules that search ask for beside gradients."""

from collections.abc import Mapping

import pytest
import torch

from reference_impls.computation import Computation, Native
from reference_impls.descent import Trainer
from reference_impls.engines.pytorch.training import TorchTrainer
from reference_impls.engines.trainers import TRAINERS
from tests.verify.checks.trainings.shared import kinds_of


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
    assert kinds_of("rosenbrock_newton", dtype, trainer)["Hessian"].verdict == "disagree"


@pytest.mark.parametrize("trainer", TRAINERS, ids=lambda trainer: trainer.name)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "name", ["rosenbrock_newton", "rosenbrock_lbfgs", "ravine_exact_search", "logistic_armijo"]
)
def test_a_right_hessian_agrees_where_one_is_asked_for(
    name: str, dtype: str, trainer: Trainer
) -> None:
    checks = kinds_of(name, dtype, trainer)
    asks = name in ("rosenbrock_newton", "ravine_exact_search") and trainer.name != "manual"
    assert ("Hessian" in checks) == asks
    assert not asks or checks["Hessian"].verdict == "agree"
