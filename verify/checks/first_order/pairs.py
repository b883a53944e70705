"""Implementations against one another, and which of them that speaks against."""

from collections.abc import Sequence
from itertools import combinations

from verify.checks.case import Result
from verify.checks.check import Check, Verdict, Worst
from verify.checks.compare import worst_entry
from verify.error_model.noise import Noise


def compare_values(results: Sequence[Result], noise: Noise) -> list[Check]:
    """The values of every two implementations, entry by entry."""
    return [
        _judged(
            one,
            "value",
            other,
            worst_entry({"value": one.value}, {"value": other.value}, noise.value),
        )
        for one, other in combinations(results, 2)
    ]


def compare_vjps(results: Sequence[Result], noise: Noise) -> list[Check]:
    """The VJPs of every two implementations, entry by entry."""
    return [
        _judged(
            one,
            "vjp",
            other,
            worst_entry(one.cotangents, other.cotangents, noise.cotangents, noise.quantiles),
        )
        for one, other in combinations(results, 2)
    ]


def suspects(checks: Sequence[Check]) -> set[str]:
    """The implementations that pairwise checks speak against.

    One that differs from all the others, which agree among themselves, is named alone; where no
    two agree, every one that differs from another is.
    """
    pairs = [
        {check.implementation, check.against} for check in checks if check.verdict == "disagree"
    ]
    named = set().union(*pairs)
    odd = {name for name in named if all(name in pair for pair in pairs)}
    return odd if len(odd) == 1 else named


def blamed(checks: Sequence[Check]) -> set[str]:
    """The implementations of a case that disagree: with an oracle, the contract or the others."""
    alone = {
        check.implementation
        for check in checks
        if check.verdict == "disagree" and check.kind not in ("value", "vjp")
    }
    return alone.union(
        *(suspects([check for check in checks if check.kind == kind]) for kind in ("value", "vjp"))
    )


def _judged(one: Result, kind: str, other: Result, worst: Worst) -> Check:
    verdict: Verdict = "agree" if worst.accepted else "disagree"
    return Check(one.name, kind, other.name, verdict, worst=worst)
