"""Every entry against the derivation by hand in a wider dtype: how many digits are right."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from reference_impls.computation import Arrays
from verify.checks.case import Case, Result
from verify.checks.check import Check, Verdict
from verify.checks.compare import worst_entry
from verify.error_model.noise import Noise
from verify.oracles.more_digits.ulps import digits_lost
from verify.oracles.more_digits.wider import in_extended_precision

ByHand = Callable[..., tuple[Any, Callable[[Any], dict[str, Any]]]]
"""A derivation by hand, ``by_hand(**primals) -> (value, vjp)``, in plain NumPy functions."""


def precision_checks(
    case: Case, by_hand: ByHand, results: Sequence[Result], noise: Noise
) -> list[Check]:
    """Every result against the derivation by hand in a wider dtype, where that can be had."""
    exact = in_extended_precision(by_hand, case.primals, case.cotangent, case.wrt)
    if exact is None:
        return []
    checks = []
    for result in results:
        found = [
            worst_entry({"value": result.value}, {"value": exact.value}, noise.value),
            worst_entry(result.cotangents, exact.cotangents, noise.cotangents),
        ]
        worst = max(found, key=lambda each: each.error / each.tolerance)
        verdict: Verdict = "agree" if worst.accepted else "disagree"
        detail = _fewest_digits(result.cotangents, exact.cotangents)
        checks.append(Check(result.name, "precision", exact.carrier, verdict, detail, worst))
    return checks


def undecided(check: Check, refused: str) -> Check:
    """Where others refuse the point in this dtype, few digits are left to whoever does not."""
    if check.verdict != "disagree":
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
