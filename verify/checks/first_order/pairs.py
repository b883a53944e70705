"""Implementations against one another, and which of them that speaks against."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from itertools import combinations

from reference_impls.computation import Array, Arrays
from verify.checks.case import Result
from verify.checks.check import Check, Verdict, Worst
from verify.checks.compare import worst_entry
from verify.checks.first_order.appeal import Appeal
from verify.error_model.noise import VALUE, Noise


def compare_values(
    results: Sequence[Result], noise: Noise, appeals: Mapping[str, Appeal]
) -> list[Check]:
    """The values of every two implementations, entry by entry.

    Args:
        results: of the implementations.
        noise: that all of them are allowed.
        appeals: theirs, by name.
    """

    def worst(one: Result, other: Result) -> Worst:
        both = [appeals[each.name] for each in (one, other)]
        return worst_value(one.value, other.value, noise, both)

    return _each_pair(results, "value", worst)


def compare_vjps(
    results: Sequence[Result], noise: Noise, appeals: Mapping[str, Appeal]
) -> list[Check]:
    """The VJPs of every two implementations, entry by entry, as `compare_values`."""

    def worst(one: Result, other: Result) -> Worst:
        both = [appeals[each.name] for each in (one, other)]
        return worst_cotangent(one.cotangents, other.cotangents, noise, both)

    return _each_pair(results, "vjp", worst)


def worst_value(got: Array, expected: Array, noise: Noise, appeals: Sequence[Appeal]) -> Worst:
    """Of f, as `worst_cotangent`."""
    worst = worst_entry({VALUE: got}, {VALUE: expected}, {VALUE: noise.errors[VALUE]})
    if not worst.accepted:
        allowed = _beside_ties({VALUE: noise.errors[VALUE]}, appeals)
        worst = worst_entry({VALUE: got}, {VALUE: expected}, allowed)
    return replace(worst, argument="value")


def worst_cotangent(
    got: Arrays, expected: Arrays, noise: Noise, appeals: Sequence[Appeal]
) -> Worst:
    """The entry with the largest error in units of its tolerance.

    Before it accuses, it is allowed what results jump by at ties that rounding settles.

    Args:
        got: Jᵀu.
        expected: the same, by another, or in another dtype.
        noise: that is allowed.
        appeals: of those whose ties may have been settled otherwise.
    """
    worst = worst_entry(got, expected, noise.cotangents, noise.quantiles)
    if worst.accepted:
        return worst
    allowed = _beside_ties(noise.cotangents, appeals)
    return worst_entry(got, expected, allowed, noise.quantiles)


def _beside_ties(noise: Arrays, appeals: Sequence[Appeal]) -> Arrays:
    return reduce(lambda found, appeal: appeal.beside_ties(found), appeals, noise)


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


def _each_pair(
    results: Sequence[Result], kind: str, worst: Callable[[Result, Result], Worst]
) -> list[Check]:
    return [_judged(one, kind, other, worst(one, other)) for one, other in combinations(results, 2)]


def _judged(one: Result, kind: str, other: Result, worst: Worst) -> Check:
    verdict: Verdict = "agree" if worst.accepted else "disagree"
    return Check(one.name, kind, other.name, verdict, worst=worst)
