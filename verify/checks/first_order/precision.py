"""Every entry against the derivation by hand in a wider dtype: how many digits are right."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reference_impls.computation import Arrays
from verify.checks.case import Case, Result
from verify.checks.check import Check, Verdict
from verify.checks.first_order.appeal import Appeal
from verify.checks.first_order.pairs import worst_cotangent, worst_value
from verify.error_model.noise import Noise
from verify.oracles.more_digits.ulps import digits_lost
from verify.oracles.more_digits.wider import NotCarried, in_extended_precision

Body = Callable[..., tuple[Any, Callable[[Any], dict[str, Any]]]]
"""``body(**primals) -> (value, vjp)``, in plain NumPy functions."""


@dataclass(frozen=True)
class ByHand:
    """The derivation that is carried out with more digits.

    Attributes:
        body: the derivation.
        is_asked_for: did somebody ask for the digits? Then what stands in the way is told.
    """

    body: Body
    is_asked_for: bool = False


def precision_checks(
    case: Case,
    by_hand: ByHand,
    results: Sequence[Result],
    noise: Noise,
    appeals: Mapping[str, Appeal],
) -> list[Check]:
    """Every result against the derivation by hand in a wider dtype, where that can be had.

    Args:
        case: the point and the cotangent.
        by_hand: the derivation.
        results: of the implementations.
        noise: that all of them are allowed.
        appeals: theirs, by name.
    """
    exact = in_extended_precision(by_hand.body, case.primals, case.cotangent, case.wrt)
    if isinstance(exact, NotCarried):
        return [_uncounted(each, str(exact)) for each in results] if by_hand.is_asked_for else []
    checks = []
    for result in results:
        own = appeals[result.name]
        found = [
            worst_value(result.value, exact.value, noise, [own]),
            worst_cotangent(result.cotangents, exact.cotangents, noise, [own]),
        ]
        worst = max(found, key=lambda each: each.in_tolerances)
        verdict: Verdict = "agree" if worst.accepted else "disagree"
        detail = _fewest_digits(result.cotangents, exact.cotangents)
        checks.append(Check(result.name, "precision", exact.carrier, verdict, detail, worst))
    return checks


def precision_at_kink(by_hand: ByHand, results: Sequence[Result]) -> list[Check]:
    """Digits are counted of the one right gradient, and at a kink there are many."""
    detail = "there is a kink here, and so no one gradient to count digits of"
    return [_uncounted(each, detail) for each in results] if by_hand.is_asked_for else []


def _uncounted(result: Result, why: str) -> Check:
    return Check(result.name, "precision", "more digits", "unsupported", why)


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
