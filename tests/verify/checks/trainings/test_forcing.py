"""What teacher forcing finds in gradients."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from reference_impls.computation import Computation, Native
from reference_impls.descent import Natives, Objective, Rule, Trainer, rate_at
from reference_impls.engines.pytorch.training import TorchTrainer
from reference_impls.trainings import load_training
from tests.verify.checks.trainings.shared import SHORT, checks_of
from verify.checks.trainings.by_hand import stretches


def slightly_off(factor: float, at_call: int) -> type[TorchTrainer]:
    class Off(TorchTrainer):
        """One of its gradients is off."""

        name = "off"
        calls = 0

        def loss_and_gradient(
            self, loss: Computation, primals: Mapping[str, Native]
        ) -> tuple[Native, Natives]:
            value, gradient = super().loss_and_gradient(loss, primals)
            self.calls += 1
            if self.calls == at_call:
                gradient = {name: factor * array for name, array in gradient.items()}
            return value, gradient

    return Off


def test_what_was_measured_for_one_trainer_does_not_excuse_the_next() -> None:
    newton = load_training("logistic_newton")
    trainers = (TorchTrainer(), slightly_off(1 + 1e-9, at_call=1)())
    checks = checks_of(newton, trainers=trainers)
    verdicts = {each.implementation: each.verdict for each in checks if each.kind == "gradient"}
    assert verdicts == {"torch": "agree", "off": "disagree"}


class Narrow(TorchTrainer):
    """It computes its gradient in float32."""

    name = "narrow"

    def loss_and_gradient(
        self, loss: Computation, primals: Mapping[str, Native]
    ) -> tuple[Native, Natives]:
        value, gradient = super().loss_and_gradient(loss, primals)
        return value, {name: array.float() for name, array in gradient.items()}


class Boastful(TorchTrainer):
    """Its gradient is right, and its loss is not."""

    name = "boastful"

    def loss_and_gradient(
        self, loss: Computation, primals: Mapping[str, Native]
    ) -> tuple[Native, Natives]:
        value, gradient = super().loss_and_gradient(loss, primals)
        return value * (1 - 1e-5), gradient


class Searching(TorchTrainer):
    """Its loss is right where its gradient is asked for, too, and else is not."""

    name = "searching"

    def loss(self, loss: Computation, primals: Mapping[str, Native]) -> Native:
        return super().loss(loss, primals) * (1 - 1e-5)


@pytest.mark.parametrize(
    ("trainer", "fault", "quantity"),
    [
        (Narrow(), "dtype drift", ""),
        (Boastful(), "", "loss"),
        (Searching(), "", "loss alone"),
    ],
    ids=["dtype", "loss", "loss alone"],
)
def test_the_loss_and_the_dtype_are_looked_at_too(
    trainer: Trainer, fault: str, quantity: str
) -> None:
    (check,) = [each for each in checks_of(SHORT, trainers=(trainer,)) if each.kind == "gradient"]
    assert (check.verdict, check.fault, check.quantity) == ("disagree", fault, quantity)


class Accumulating(TorchTrainer):
    """It forgets to set gradients to zero."""

    name = "accumulating"

    def loss_and_gradient(
        self, loss: Computation, primals: Mapping[str, Native]
    ) -> tuple[Native, Natives]:
        varied = {name: primals[name].requires_grad_() for name in loss.wrt}
        value = loss.by_torch(**{**primals, **varied})
        value.backward()
        return value.detach(), {name: array.grad.clone() for name, array in varied.items()}

    def descend(
        self, rule: Rule, parameters: Mapping[str, Native], objective: Objective, steps: int
    ) -> Natives:
        theta = {name: tensor.clone() for name, tensor in parameters.items()}
        for step in range(steps):
            gradient = objective.gradient(theta, step)
            with torch.no_grad():
                for name, array in gradient.items():
                    theta[name] -= rate_at(rule, step) * array
        return {name: tensor.detach() for name, tensor in theta.items()}


class Stale(TorchTrainer):
    """Every second time, it has the gradient of the step before."""

    name = "stale"

    def __init__(self) -> None:
        self._kept: tuple[Native, Natives] | None = None

    def loss_and_gradient(
        self, loss: Computation, primals: Mapping[str, Native]
    ) -> tuple[Native, Natives]:
        value, gradient = super().loss_and_gradient(loss, primals)
        array = primals[loss.wrt[0]]
        if self._kept and self._kept[0] is array:
            gradient, self._kept = self._kept[1], None
        else:
            self._kept = array, {name: each.clone() for name, each in gradient.items()}
        return value, gradient


@pytest.mark.parametrize("trainer", [Accumulating(), Stale()], ids=lambda trainer: trainer.name)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_what_is_kept_from_step_to_step_in_an_optimizers_arrays_is_convicted(
    trainer: Trainer, dtype: str
) -> None:
    (check,) = [each for each in checks_of(SHORT, dtype, (trainer,)) if each.kind == "gradient"]
    assert (check.verdict, check.step) == ("disagree", 1)


class LateTorch(TorchTrainer):
    """After a hundred steps, the gradient of every seventh is added to that of the one before."""

    name = "late"

    def __init__(self) -> None:
        self._adds, self._before = False, dict[str, Native]()

    def loss_and_gradient(
        self, loss: Computation, primals: Mapping[str, Native]
    ) -> tuple[Native, Natives]:
        value, gradient = super().loss_and_gradient(loss, primals)
        if self._adds:
            gradient = {name: array + self._before[name] for name, array in gradient.items()}
        self._before = gradient
        return value, gradient

    def descend(
        self, rule: Rule, parameters: Mapping[str, Native], objective: Objective, steps: int
    ) -> Natives:
        def gradient(theta: Mapping[str, Native], step: int) -> Natives:
            self._adds = step > 100 and step % 7 == 0
            found = objective.gradient(theta, step)
            self._adds = False
            return found

        return super().descend(rule, parameters, replace(objective, gradient=gradient), steps)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_what_is_kept_from_step_to_step_is_convicted_late_in_a_run_too(dtype: str) -> None:
    long = replace(SHORT, steps=600)
    (check,) = [each for each in checks_of(long, dtype, (LateTorch(),)) if each.kind == "gradient"]
    assert check.verdict == "disagree"
    assert check.step is not None
    assert check.step > 100


def test_steps_that_follow_one_another_are_looked_at_up_to_the_last() -> None:
    assert stretches(40) == [range(40)]
    first, *later = stretches(10_000)
    assert first == range(100)
    assert {len(each) for each in later} == {15}
    assert later[-1][-1] == 9_999
    assert all(one[-1] < other[0] for one, other in pairwise(stretches(281)))
