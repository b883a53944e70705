"""Everything that comes of a training, whoever fails in it."""

import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from reference_impls.computation import Computation, Native
from reference_impls.computations import timeseries_net
from reference_impls.descent import Momentum, Natives, Objective, Rule
from reference_impls.engines.manual.training import ManualTrainer
from reference_impls.engines.pytorch.training import TorchTrainer
from reference_impls.implicit.errors import SingularError
from tests.verify.checks.trainings.shared import SHORT, checks_of, events_of
from verify.checks.trainings.judge import Drawn, Seen, log_spaced


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


class Singular(TorchTrainer):
    """It claims that an argmin layer has too few digits."""

    name = "singular"

    def descend(self, *_: object) -> Natives:
        raise SingularError("K is singular")


@pytest.mark.parametrize(
    ("solves", "dtype", "verdict"),
    [
        (True, "float32", "skipped"),
        (True, "float64", "disagree"),
        (False, "float32", "disagree"),
    ],
)
def test_only_an_argmin_layer_may_refuse_and_only_for_want_of_digits(
    solves: bool,  # noqa: FBT001 -- one of the cases
    dtype: str,
    verdict: str,
) -> None:
    optimality = timeseries_net.COMPUTATION.optimality if solves else None
    training = replace(SHORT, loss=replace(SHORT.loss, optimality=optimality))
    checks = checks_of(training, dtype, (Singular(),))
    assert [each.verdict for each in checks if each.kind == "free run"] == [verdict]
