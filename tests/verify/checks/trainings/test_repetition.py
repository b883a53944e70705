"""Runs done twice."""

from collections.abc import Mapping

import numpy as np

from reference_impls.computation import Computation, Native
from reference_impls.descent import Natives
from reference_impls.engines.pytorch.training import TorchTrainer
from tests.verify.checks.trainings.shared import SHORT, checks_of


class Forgetful(TorchTrainer):
    """It rounds its gradient otherwise each time it is asked."""

    name = "forgetful"

    def __init__(self) -> None:
        self._rng = np.random.default_rng(0)

    def loss_and_gradient(
        self, loss: Computation, primals: Mapping[str, Native]
    ) -> tuple[Native, Natives]:
        value, gradient = super().loss_and_gradient(loss, primals)
        factor = 1 + 2.0**-48 * self._rng.integers(2)  # less is lost as steps are rounded
        return value, {name: factor * array for name, array in gradient.items()}


def test_what_does_not_repeat_itself_is_convicted() -> None:
    (check,) = [
        each for each in checks_of(SHORT, trainers=(Forgetful(),)) if each.kind == "repetition"
    ]
    assert (check.verdict, check.fault) == ("disagree", "not repeatable")
