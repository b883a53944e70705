from itertools import product
from typing import get_args

from results.tables import UNCOUNTED
from verify.checks.check import Check, Verdict, overall


def test_the_same_checks_count_here_and_in_the_report() -> None:
    for kind, verdict in product(("extremes", "oracle"), get_args(Verdict)):
        assert Check("torch", kind, "all", verdict).counts == ((kind, verdict) != UNCOUNTED)


def test_a_refusal_far_away_does_not_count() -> None:
    right = Check("torch", "oracle", "complex step", "agree")
    assert overall([right, Check("torch", "extremes", "far away", "unsupported")]) == "agree"
    assert overall([right, Check("torch", "extremes", "far away", "disagree")]) == "disagree"
    assert (
        overall([right, Check("torch", "contract", "the primals", "unsupported")]) == "unsupported"
    )
