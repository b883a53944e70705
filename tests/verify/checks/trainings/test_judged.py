"""Runs beside their twins, done twice, and beside what is known of where they go."""

import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch

from reference_impls import BACKENDS
from reference_impls.computation import Arrays, Computation, Native
from reference_impls.descent import Momentum, Natives, Objective, Rule, Trainer, rate_at
from reference_impls.engines.manual.training import ManualTrainer
from reference_impls.engines.pytorch.training import TorchTrainer
from reference_impls.engines.trainers import TRAINERS
from reference_impls.function import implementations
from reference_impls.training import Record, Training
from reference_impls.trainings import line, load_training, network
from verify.checks.trainings.check import TrainingCheck
from verify.checks.trainings.judged import Drawn, Event, Seen, judged, log_spaced
from verify.checks.trainings.numbers import closed_form_check
from verify.checks.trainings.path import Path
from verify.checks.trainings.twins import envelope

SHORT = replace(line.TRAINING, steps=40, expected=())


def events_of(
    training: Training, dtype: str = "float64", trainers: tuple[Trainer, ...] = TRAINERS
) -> list[Event]:
    backends = [each for each in BACKENDS if each.device == "cpu"]
    found: list[Event] = []
    judged(training, 0, dtype, trainers, implementations(training.loss, backends), found.append)
    return found


def checks_of(
    training: Training, dtype: str = "float64", trainers: tuple[Trainer, ...] = TRAINERS
) -> list[TrainingCheck]:
    return [
        each for each in events_of(training, dtype, trainers) if isinstance(each, TrainingCheck)
    ]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_right_run_agrees_in_everything(dtype: str) -> None:
    checks = checks_of(SHORT, dtype)
    assert {check.verdict for check in checks} <= {"agree", "reported"}
    kinds = Counter((check.implementation, check.kind) for check in checks)
    for name in ("autograd", "torch"):
        for kind in ("gradient", "update", "free run", "repetition"):
            assert kinds[name, kind] == 1
    closed = sum(check.kind == "closed form" for check in checks)
    assert closed == (3 if dtype == "float64" else 0)


def test_every_step_is_a_row_with_its_distances_and_curves_come_at_the_end() -> None:
    events = events_of(SHORT)
    seen = [each for each in events if isinstance(each, Seen)]
    assert [each.step for each in seen] == list(range(40)) * 3
    assert all(each.to_manual == 0 for each in seen if each.implementation == "manual")
    assert all(0 <= (each.to_twins or 0) < 1e-13 for each in seen)
    times = [each.time_s for each in seen if each.implementation == "torch"]
    assert times == sorted(times)
    drawn = [each.curve.series for each in events if isinstance(each, Drawn)]
    assert drawn == ["points", "line"] * 3


def test_steps_that_are_written_down_are_few_and_spread_over_the_logarithm() -> None:
    steps = log_spaced(10_000, 500)
    assert len(steps) <= 500
    assert steps[:10] == list(range(10))
    assert steps[-1] == 9_999


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


class Drifting(TorchTrainer):
    """Its steps are too long by a little."""

    name = "drifting"

    def descend(
        self, rule: Rule, parameters: Mapping[str, Native], objective: Objective, steps: int
    ) -> Natives:
        assert isinstance(rule, Momentum)
        longer = replace(rule, rate=rule.rate * (1 + 1e-6))
        return super().descend(longer, parameters, objective, steps)


def test_a_run_that_leaves_its_twins_has_parted_and_its_closed_form_convicts() -> None:
    found = {
        each.kind: each
        for each in checks_of(SHORT, trainers=(Drifting(),))
        if each.kind != "number"
    }
    assert found["free run"].verdict == "parted"
    assert found["free run"].step == 1
    assert found["update"].verdict == "disagree"
    assert found["update"].fault == "a rate of 0.01000001 in place of 0.01"
    assert found["closed form"].verdict == "disagree"
    assert found["gradient"].verdict == "agree"


def test_a_number_that_does_not_come_out_is_convicted() -> None:
    first, *_ = line.TRAINING.expected
    wrong = replace(SHORT, expected=(replace(first, value=first.value + 1e-5),))
    found = [each for each in checks_of(wrong) if each.quantity == first.quantity]
    assert [each.verdict for each in found] == ["disagree"] * 3
    skipped = replace(wrong, skipped=lambda: "a file is missing")
    found = [each for each in checks_of(skipped) if each.quantity == first.quantity]
    assert [(each.verdict, each.detail) for each in found] == [("skipped", "a file is missing")] * 3


def test_a_run_that_diverges_is_one_line_and_no_warning() -> None:
    wild = replace(SHORT, rule=Momentum(rate=1.0), steps=1_000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (check,) = checks_of(wild)
    assert (check.implementation, check.kind, check.verdict) == ("manual", "free run", "diverged")
    assert "line with manual: the loss is" in check.detail


class Exploding(TorchTrainer):
    """Its rate is too large."""

    name = "exploding"

    def descend(
        self, rule: Rule, parameters: Mapping[str, Native], objective: Objective, steps: int
    ) -> Natives:
        assert isinstance(rule, Momentum)
        return super().descend(replace(rule, rate=10.0), parameters, objective, steps)


def test_one_that_diverges_alone_is_convicted() -> None:
    long = replace(SHORT, steps=500)
    verdicts = {each.kind: each.verdict for each in checks_of(long, trainers=(Exploding(),))}
    assert verdicts["free run"] == "diverged"


class Raising(TorchTrainer):
    """It fails at its first step."""

    name = "raising"

    def descend(self, *_: object) -> Natives:
        raise RuntimeError("no more memory\nfor you")


def test_one_that_raises_is_convicted_in_one_line_and_the_others_are_judged() -> None:
    checks = checks_of(SHORT, trainers=(Raising(), TorchTrainer()))
    (failed,) = [
        each for each in checks if each.implementation == "raising" and each.kind == "free run"
    ]
    assert failed.verdict == "disagree"
    assert failed.detail == "raised RuntimeError: no more memory"
    assert {each.verdict for each in checks if each.implementation == "torch"} == {
        "agree",
        "reported",
    }


def test_twins_of_a_calm_run_stay_together_and_of_a_chaotic_one_part() -> None:
    def widest(training: Training) -> float:
        record = training.record(0)
        path = Path.of(training, record, "float64")
        return float(envelope(training, record, "float64", 0, path).max())

    assert 0 < widest(SHORT) < 1e-13
    assert widest(replace(network.TRAINING, steps=900)) > 1e-9


def test_a_closed_form_is_asked_before_steps_and_at_the_end() -> None:
    asked: list[int] = []

    def closed_form(record: Record, step: int) -> Arrays:
        asked.append(step)
        return line.closed_form(record, step)

    checks_of(replace(SHORT, closed_form=closed_form), trainers=(ManualTrainer(),))
    assert asked[0] == 0
    assert asked[-1] == 40


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


@pytest.mark.parametrize(
    ("trainer", "fault", "quantity"),
    [(Narrow(), "dtype drift", ""), (Boastful(), "", "loss")],
    ids=["dtype", "loss"],
)
def test_the_loss_and_the_dtype_are_looked_at_too(
    trainer: Trainer, fault: str, quantity: str
) -> None:
    (check,) = [each for each in checks_of(SHORT, trainers=(trainer,)) if each.kind == "gradient"]
    assert (check.verdict, check.fault, check.quantity) == ("disagree", fault, quantity)


def test_nan_at_the_end_is_not_where_the_closed_form_leads() -> None:
    right = line.record(0).parameters
    wrong = {name: np.full_like(array, np.nan) for name, array in right.items()}
    check = closed_form_check(SHORT, line.record(0), "manual", {0: right, 40: wrong})
    assert check
    assert (check.verdict, check.step) == ("disagree", 40)


def test_a_number_that_the_run_does_not_have_is_convicted() -> None:
    (first, *_) = line.TRAINING.expected
    asked = replace(SHORT, expected=(replace(first, quantity="no such"),))
    found = [each for each in checks_of(asked) if each.quantity == "no such"]
    assert [each.verdict for each in found] == ["disagree"] * 3


class Hasty(TorchTrainer):
    """It stops early."""

    name = "hasty"

    def descend(
        self, rule: Rule, parameters: Mapping[str, Native], objective: Objective, steps: int
    ) -> Natives:
        return super().descend(rule, parameters, objective, steps - 1)


def test_one_that_stops_early_is_convicted() -> None:
    checks = checks_of(replace(SHORT, closed_form=None), trainers=(Hasty(),))
    free = [each for each in checks if each.kind == "free run"]
    assert [each.verdict for each in free] == ["disagree"]


def test_twins_of_a_rule_that_searches_go_another_way() -> None:
    training = load_training("rosenbrock_bfgs")
    record = training.record(0)
    path = Path.of(training, record, "float64")
    assert envelope(training, record, "float64", 0, path).max() > 1e-12


def test_the_envelope_is_infinite_from_where_a_twin_diverges() -> None:
    calm = replace(SHORT, steps=5)
    record = calm.record(0)
    path = Path.of(calm, record, "float64")
    wild = replace(calm, rule=Momentum(rate=1e200))
    with np.errstate(all="ignore"):
        found = envelope(wild, record, "float64", 0, path)
    assert np.isfinite(found[0])
    assert np.isinf(found[-1])


class Overwriting(ManualTrainer):
    """It follows the rule, and writes into the arrays that it was given."""

    name = "overwriting"

    def loss_and_gradient(
        self, loss: Computation, primals: Mapping[str, Native]
    ) -> tuple[Native, Natives]:
        found = super().loss_and_gradient(loss, primals)
        for name in loss.wrt:
            primals[name][...] = np.nan
        return found


def test_one_that_writes_into_its_arrays_does_not_spoil_the_run_by_hand() -> None:
    checks = checks_of(SHORT, trainers=(Overwriting(), TorchTrainer()))
    assert {each.verdict for each in checks if each.implementation == "torch"} == {
        "agree",
        "reported",
    }


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
