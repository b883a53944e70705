"""Runs beside their twins."""

from collections.abc import Mapping
from dataclasses import replace

from reference_impls.computation import Native
from reference_impls.descent import Momentum, Natives, Objective, Rule
from reference_impls.engines.pytorch.training import TorchTrainer
from tests.verify.checks.trainings.shared import SHORT, checks_of


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
