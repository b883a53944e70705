"""Mistakes in an optimizer are told from one another."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pytest

from reference_impls.computation import Native
from reference_impls.descent import Adam, Momentum, Natives, Objective, Rated, Rule, Schedule
from reference_impls.engines.manual.training import ManualTrainer, begin
from reference_impls.engines.pytorch.training import TorchTrainer
from reference_impls.engines.trainers import TRAINERS
from reference_impls.training import Training
from reference_impls.trainings import divergence
from verify.checks.trainings.by_hand import RunByHand
from verify.checks.trainings.forcing import Forced
from verify.checks.trainings.recognition import Mistake, mistakes

SCHEDULE = Schedule(every=10, factor=0.5)
MOMENTUM = Momentum(rate=0.01, mass=0.9, decay=0.1, schedule=SCHEDULE)
ADAM = Adam(rate=1e-3, decay=0.1, schedule=SCHEDULE)


@dataclass(frozen=True)
class Mistaken(ManualTrainer):
    """By hand, with one mistake in the rule."""

    mistake: Mistake

    def descend(
        self, rule: Rule, parameters: Mapping[str, Native], objective: Objective, steps: int
    ) -> Natives:
        assert isinstance(rule, Rated)
        state = begin(rule, parameters)
        for step in range(steps):
            state = self.mistake.advance(state, objective.gradient(state.theta, step))
        return state.theta


def training_with(rule: Rated) -> Training:
    return replace(divergence.TRAINING, rule=rule, steps=30)


def forced(training: Training, dtype: str) -> Forced:
    record = training.record(0)
    return Forced(training, record, dtype, RunByHand.of(training, record, dtype), ())


EACH_MISTAKE = [
    pytest.param(rule, each, id=f"{type(rule).__name__}-{each.name}")
    for rule in (MOMENTUM, ADAM)
    for each in mistakes(rule, factor=3.0)
]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("rule", "mistake"), EACH_MISTAKE)
def test_a_mistake_is_convicted_and_named(rule: Rated, mistake: Mistake, dtype: str) -> None:
    check = forced(training_with(rule), dtype).update_check(Mistaken(mistake))
    assert check
    assert (check.verdict, check.fault) == ("disagree", mistake.name)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("rule", [MOMENTUM, ADAM])
def test_every_trainer_follows_a_rule_with_all_that_it_can_have(rule: Rated, dtype: str) -> None:
    look = forced(training_with(rule), dtype)
    for trainer in TRAINERS:
        check = look.update_check(trainer)
        assert check
        assert check.verdict == "agree"


def test_the_mistake_that_leaves_the_least_is_named_at_a_small_rate() -> None:
    # Decay apart from the gradient is then nearly none, and none would do as an explanation.
    rule = Adam(rate=1e-5, decay=1e-3)
    apart = next(each for each in mistakes(rule, 3.0) if each.name.startswith("decay apart"))
    check = forced(training_with(rule), "float64").update_check(Mistaken(apart))
    assert check
    assert check.fault == "decay apart from the gradient"


class Exempt(TorchTrainer):
    """It says that its library lacks the rule, and goes twice as far."""

    name = "exempt"

    def has_rule(self, _: Rule) -> bool:
        return False

    def descend(
        self, rule: Rule, parameters: Mapping[str, Native], objective: Objective, steps: int
    ) -> Natives:
        assert isinstance(rule, Rated)
        return super().descend(replace(rule, rate=2 * rule.rate), parameters, objective, steps)


def test_nobody_is_excused_for_want_of_a_rule() -> None:
    check = forced(training_with(MOMENTUM), "float64").update_check(Exempt())
    assert check
    assert (check.verdict, check.fault) == ("disagree", "a rate of 0.02 in place of 0.01")


def test_a_mistake_that_nobody_knows_is_convicted_without_a_name() -> None:
    unknown = Mistake(
        "",
        lambda state, g: replace(
            state,
            step=state.step + 1,
            theta={name: array - 0.01 * np.sign(g[name]) for name, array in state.theta.items()},
        ),
    )
    check = forced(training_with(MOMENTUM), "float64").update_check(Mistaken(unknown))
    assert check
    assert (check.verdict, check.fault) == ("disagree", "")
