"""Runs beside their twins."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from reference_impls.computation import Native
from reference_impls.descent import Armijo, Momentum, Natives, Objective, Rule, SteepestDescent
from reference_impls.engines.pytorch.training import TorchTrainer
from reference_impls.training import Course
from tests.verify.checks.trainings.shared import SHORT, checks_of
from verify.checks.trainings.by_hand import RunByHand
from verify.checks.trainings.check import TrainingCheck
from verify.checks.trainings.free_run import FreeRun, parting_check
from verify.error_model.noise import FUNCTIONAL, Noise


@dataclass(frozen=True)
class Drifting(TorchTrainer):
    """Its steps are too long by a little."""

    part: float

    name = "drifting"

    def descend(
        self, rule: Rule, parameters: Mapping[str, Native], objective: Objective, steps: int
    ) -> Natives:
        assert isinstance(rule, Momentum)
        longer = replace(rule, rate=rule.rate * (1 + self.part))
        return super().descend(longer, parameters, objective, steps)


def kinds(trainer: TorchTrainer, dtype: str = "float64") -> dict[str, TrainingCheck]:
    checks = checks_of(SHORT, dtype, trainers=(trainer,))
    return {each.kind: each for each in checks if each.kind != "number"}


def test_a_run_that_leaves_its_twins_by_a_little_has_parted() -> None:
    found = kinds(Drifting(1e-12))
    assert (found["free run"].verdict, found["free run"].fault) == ("parted", "")


def test_in_float32_no_envelope_is_tight() -> None:
    assert kinds(Drifting(1e-3), "float32")["free run"].verdict == "parted"


def test_a_run_that_leaves_twins_who_stay_together_for_good_is_convicted() -> None:
    found = kinds(Drifting(1e-6))
    assert found["free run"].verdict == "disagree"
    assert found["free run"].fault == "left a tight envelope"
    assert found["update"].verdict == "disagree"
    assert found["update"].fault == "a rate of 0.01000001 in place of 0.01"
    assert found["closed form"].verdict == "disagree"
    assert found["gradient"].verdict == "agree"


def test_a_search_that_decides_otherwise_has_only_parted() -> None:
    by_hand = RunByHand(course=Course(losses=[2.0, 1.0]))
    run = FreeRun(course=Course(losses=[2.0, 1.5]))
    noise = Noise.silent({FUNCTIONAL: ()})

    def verdict(rule: Rule) -> str:
        return parting_check("", rule, run, by_hand, np.zeros(2), noise, "float64").verdict

    assert verdict(SteepestDescent(search=Armijo())) == "parted"
    assert verdict(Momentum(rate=0.1)) == "disagree"


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
