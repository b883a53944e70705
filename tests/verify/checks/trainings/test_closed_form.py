"""Runs beside what is known of where they go."""

from dataclasses import replace

import numpy as np

from reference_impls.computation import Arrays
from reference_impls.engines.manual.training import ManualTrainer
from reference_impls.training import Record
from reference_impls.trainings import line
from tests.verify.checks.trainings.shared import SHORT, checks_of
from verify.checks.trainings.closed_form import closed_form_check


def test_a_closed_form_is_asked_before_steps_and_at_the_end() -> None:
    asked: list[int] = []

    def closed_form(record: Record, step: int) -> Arrays:
        asked.append(step)
        return line.closed_form(record, step)

    checks_of(replace(SHORT, closed_form=closed_form), trainers=(ManualTrainer(),))
    assert asked[0] == 0
    assert asked[-1] == 40


def test_nan_at_the_end_is_not_where_the_closed_form_leads() -> None:
    right = line.record(0).parameters
    wrong = {name: np.full_like(array, np.nan) for name, array in right.items()}
    check = closed_form_check(SHORT, line.record(0), "manual", {0: right, 40: wrong})
    assert check
    assert (check.verdict, check.step) == ("disagree", 40)
