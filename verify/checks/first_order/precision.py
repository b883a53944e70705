"""Every entry against the derivation by hand in a wider dtype: how many digits are right."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from reference_impls.computation import Arrays
from verify.checks.case import Case, Result
from verify.checks.check import Check, Verdict
from verify.checks.compare import worst_entry
from verify.oracles.more_digits.ulps import digits_lost
from verify.oracles.more_digits.wider import NotCarried, in_extended_precision

Wanted = Literal["no", "where it can be had", "or why not"]
"""Whether digits are counted; the last is for who asked, and is told what stands in the way."""


def precision_checks(case: Case, results: Sequence[Result], wanted: Wanted) -> list[Check]:
    """Every result against the derivation by hand in a wider dtype, where that can be had."""
    if wanted == "no":
        return []
    computation = case.computation
    exact = in_extended_precision(
        computation.by_hand, case.primals, case.cotangent, computation.wrt
    )
    if isinstance(exact, NotCarried):
        return [_missing(each, exact) for each in results] if wanted == "or why not" else []
    checks = []
    for result in results:
        found = [
            worst_entry({"value": result.value}, {"value": exact.value}, case.noise.value),
            worst_entry(result.cotangents, exact.cotangents, case.noise.cotangents),
        ]
        worst = max(found, key=lambda each: each.in_tolerances)
        verdict: Verdict = "agree" if worst.accepted else "disagree"
        detail = _fewest_digits(result.cotangents, exact.cotangents)
        checks.append(Check(result.name, "precision", exact.carrier, verdict, detail, worst))
    return checks


def _missing(result: Result, why: NotCarried) -> Check:
    return Check(result.name, "precision", "more digits", "unsupported", str(why))


def undecided(check: Check, refused: str) -> Check:
    """Where others refuse the point in this dtype, few digits are left to whoever does not."""
    if not refused or check.verdict != "disagree":
        return check
    detail = f"{check.detail}; others refuse this point: {refused}"
    return replace(check, verdict="inconclusive", detail=detail)


def _fewest_digits(got: Arrays, exact: Arrays) -> str:
    """Where most digits were lost, of all entries."""
    filled = [name for name, array in got.items() if array.size]
    if not filled:
        return ""
    lost = digits_lost({name: got[name] for name in filled}, {name: exact[name] for name in filled})
    fewest = min(lost, key=lambda each: each.digits)
    place = f"{fewest.argument}{list(fewest.index) if fewest.index else ''}"
    return f"fewest right digits {fewest.digits:.1f}, in {place}: {fewest.ulps_at_entry:.3g} ULPs"
