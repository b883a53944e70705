"""What is said of checks for which a budget had nothing left."""

from dataclasses import replace

import numpy as np
import pytest

from reference_impls.computation import Array
from verify.checks.case import Case, case_at
from verify.checks.check import BudgetSpentError, Check
from verify.checks.first_order.left_out import first_of, left_out, unexplained, unheard

SPENT = BudgetSpentError("the budget of 9 evaluations is spent")

WRONG = Check("f", "oracle", "complex step", "disagree")

SYMMETRIC = np.array([[2.0, 1.0], [1.0, 3.0]])


def at(x: Array) -> Case:
    return case_at("f", ("x",), (x.size, 0), {"x": x}, x.shape)


@pytest.mark.parametrize(
    ("kinds", "kind", "verdict", "counts"),
    [
        (["contract", "oracle", "extremes"], "oracle", "inconclusive", True),
        (["stability", "kink"], "kink", "inconclusive", True),
        (["extremes", "precision"], "precision", "inconclusive", True),
        (["extremes"], "extremes", "unsupported", False),
        (["stability"], "stability", "inconclusive", True),
    ],
)
def test_no_oracle_is_no_agreement(
    kinds: list[str],
    kind: str,
    verdict: str,
    counts: bool,  # noqa: FBT001 -- of a table
) -> None:
    check = left_out("f", first_of(kinds), kinds, SPENT)
    assert (check.kind, check.verdict, check.counts) == (kind, verdict, counts)
    assert check.detail == f"{SPENT}; left out: {', '.join(kinds)}"


@pytest.mark.parametrize(
    ("x", "verdict"),
    [
        (SYMMETRIC, "inconclusive"),
        (np.stack([SYMMETRIC, SYMMETRIC]), "inconclusive"),
        (SYMMETRIC + np.array([[0.0, 1.0], [0.0, 0.0]]), "disagree"),
        (np.ones((2, 3)), "disagree"),
        (np.ones(3), "disagree"),
        (np.ones((1, 1)), "disagree"),
    ],
)
def test_only_symmetric_matrices_may_be_excused_of_what_was_not_looked_into(
    x: Array, verdict: str
) -> None:
    check = unexplained(at(x), WRONG, SPENT)
    assert (check.verdict, check.fault) == (verdict, "")
    assert str(SPENT) in check.detail


def test_what_is_not_finite_may_be_so_rightly_and_what_is_not_linear_may_not() -> None:
    infinite = replace(WRONG, fault="not finite")
    assert unheard(infinite, "x[0] is not finite", SPENT).verdict == "inconclusive"
    bent = replace(WRONG, fault="not linear")
    assert unheard(bent, "vjp(0) is not zero", SPENT) == bent
