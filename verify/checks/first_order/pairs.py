"""Implementations against one another, and which of them that speaks against."""

from collections.abc import Sequence
from itertools import combinations

from verify.checks.case import Case, Result
from verify.checks.check import Check, Verdict
from verify.checks.compare import worst_entry


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


def pairwise_checks(case: Case, results: Sequence[Result], kind: str) -> list[Check]:
    """The values or the VJPs of every two implementations, entry by entry."""
    checks = []
    for one, other in combinations(results, 2):
        if kind == "value":
            worst = worst_entry({"value": one.value}, {"value": other.value}, case.noise.value)
        else:
            worst = worst_entry(one.cotangents, other.cotangents, case.noise.cotangents)
        verdict: Verdict = "agree" if worst.accepted else "disagree"
        checks.append(Check(one.name, kind, other.name, verdict, worst=worst))
    return checks
