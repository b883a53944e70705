"""Runs beside the numbers of their recipe."""

from dataclasses import replace

import pytest

from reference_impls.training import Course, Expected
from reference_impls.trainings import line
from tests.verify.checks.trainings.shared import SHORT, checks_of
from verify.checks.trainings.numbers import number_checks


def test_a_number_that_does_not_come_out_is_convicted() -> None:
    first, *_ = line.TRAINING.expected
    wrong = replace(SHORT, expected=(replace(first, value=first.value + 1e-5),))
    found = [each for each in checks_of(wrong) if each.quantity == first.quantity]
    assert [each.verdict for each in found] == ["disagree"] * 3
    skipped = replace(wrong, skipped=lambda: "a file is missing")
    found = [each for each in checks_of(skipped) if each.quantity == first.quantity]
    assert [(each.verdict, each.detail) for each in found] == [("skipped", "a file is missing")] * 3


@pytest.mark.parametrize(
    ("got", "verdict"), [(0.9900001, "agree"), (1.0, "agree"), (0.9899999, "disagree")]
)
def test_what_should_be_at_least_so_much_may_be_more(got: float, verdict: str) -> None:
    least = Expected(quantity="accuracy", value=0.99, tolerance=None)
    training = replace(SHORT, expected=(least,), measures=lambda *_: {"accuracy": got})
    (check,) = number_checks(training, line.record(0), "manual", Course(), 0)
    assert (check.verdict, check.expected, check.tolerance) == (verdict, 0.99, None)


def test_a_number_that_the_run_does_not_have_is_convicted() -> None:
    (first, *_) = line.TRAINING.expected
    asked = replace(SHORT, expected=(replace(first, quantity="no such"),))
    found = [each for each in checks_of(asked) if each.quantity == "no such"]
    assert [each.verdict for each in found] == ["disagree"] * 3
