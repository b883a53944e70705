"""What a check says where its budget ends before it does."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from verify.checks.case import Case
from verify.checks.check import BUDGET, NOT_FINITE, BudgetSpentError, Check, Verdict
from verify.diagnosis.symmetry import symmetrised

TELLING = ("oracle", "kink", "contract", "stability", "precision", "extremes")
"""The kinds of checks of one implementation, those that tell most first."""

OF_PAIRS = ("value", "vjp")
"""Checks of implementations against one another, of which one with a budget has none."""


def left_out(name: str, kind: str, what: Sequence[str], spent: BudgetSpentError) -> Check:
    """Says what of an implementation was not checked.

    A look far from the primals, alone, is not counted; nor is it where code refuses to be looked at
    there.

    Args:
        name: of the implementation.
        kind: of the check that tells most, of those that were not made.
        what: in words.
        spent: why.
    """
    verdict: Verdict = "unsupported" if kind == "extremes" else "inconclusive"
    return Check(name, kind, BUDGET, verdict, f"{spent}; left out: {', '.join(what)}")


def first_of(kinds: Sequence[str]) -> str:
    """The kind of check that tells most."""
    return next(each for each in TELLING if each in kinds)


def unexplained(case: Case, wrong: Check, spent: BudgetSpentError) -> Check:
    """A gradient that an oracle disagrees with, and no budget is left to find out how.

    Of a symmetric matrix it may still be right along symmetric directions, and is then no mistake.
    """
    is_excusable = any(
        symmetrised(case.primals[name]) is not case.primals[name]
        and np.array_equal(symmetrised(case.primals[name]), case.primals[name])
        for name in case.wrt
    )
    if is_excusable:
        detail = f"{spent} before symmetric directions were looked along"
        return replace(wrong, verdict="inconclusive", detail=detail)
    return replace(wrong, detail=f"{spent} before it was known how it is wrong")


def unheard(wrong: Check, sentence: str, spent: BudgetSpentError) -> Check:
    """A gradient that breaks the contract, where the budget ended before an oracle said more.

    Infinite it may be rightly.
    """
    if wrong.fault != NOT_FINITE:
        return wrong
    detail = f"{sentence}; {spent} before it was known whether the derivative is"
    return replace(wrong, verdict="inconclusive", detail=detail, fault="")
