"""A VJP is a linear map of its cotangent."""

from math import ceil, log2

import numpy as np

from reference_impls.computation import Array, Arrays, Vjp, copies
from verify.checks.case import Stream
from verify.checks.check import NOT_LINEAR, Violation
from verify.checks.first_order.appeal import Appeal
from verify.checks.first_order.observation import Call, change
from verify.checks.first_order.second_look import (
    Discrepancy,
    is_alike_in_both,
    shrinks_as_rounding_does,
)
from verify.error_model.arrays import first_index, largest, unit_roundoff
from verify.error_model.noise import INSTABILITY

FACTOR = 2.0
"""Of the cotangents that are combined: a power of two, with which nothing is rounded anew."""


def is_not_linear(call: Call) -> Violation | None:
    """How it is not, if it is not: vjp(u - 2·1), or vjp(-2ᵏ u) of a single u, and vjp(0)."""
    scales_or_adds = _not_homogeneous if call.cotangent.size == 1 else _not_additive
    return scales_or_adds(call) or _not_zero_at_zero(call)


def _not_homogeneous(call: Call) -> Violation | None:
    u = call.case.cotangent
    # So large that clipping shows, and of the other sign, so that an absolute value does.
    factor = -(FACTOR ** max(1, ceil(log2(FACTOR / abs(u.item())))))
    got = copies(call.vjp(np.asarray(factor * u)))
    if not all(np.isfinite(array).all() for array in got.values()):
        # What is so large already may overflow: its sign can be changed.
        factor = -1.0
        got = copies(call.vjp(np.asarray(factor * u)))
    wanted = {name: np.asarray(factor * array) for name, array in call.result.cotangents.items()}
    # What is so small that digits are lost is not scaled exactly.
    lost = float(np.finfo(u.dtype).smallest_subnormal) / unit_roundoff(u.dtype)
    terms = {
        name: abs(factor) * (call.noise.cotangents[name] + lost) + np.abs(array)
        for name, array in wanted.items()
    }
    seen = _unlike(call, terms, got, wanted)
    if not seen:
        return None
    return _nonlinear(call, got, f"vjp({factor:g} u) is not {factor:g} vjp(u): {seen}")


def _not_additive(call: Call) -> Violation | None:
    u, vjp = call.case.cotangent, call.vjp
    ones = np.ones_like(u)
    combined = copies(vjp(np.asarray(u - FACTOR * ones)))
    # As the gradient of a sum has them, all at one place in memory.
    of_expanded = _if_taken(vjp, np.broadcast_to(np.ones((), u.dtype), u.shape))
    if isinstance(of_expanded, Violation):
        return of_expanded
    seen = "" if of_expanded is None else _unlike_sum(call, combined, of_expanded)
    if of_expanded is not None and (not seen or _is_rounding(call)):
        return None
    of_ones = copies(vjp(ones))
    contiguous = _unlike_sum(call, combined, of_ones)
    if contiguous and not _is_rounding(call):
        return _nonlinear(call, of_ones, f"vjp(u - 2) is not vjp(u) - 2 vjp(1): {contiguous}")
    return Violation("strides", f"with a cotangent of stride zero, {seen}") if seen else None


def _is_rounding(call: Call) -> bool:
    """Is what is off for ones no more than rounding?

    Equal terms, added one after the other, may all be rounded the same way. So n of them may be off
    by n roundings, as long as terms of either sign are not. Of few terms, a map that is linear but
    for its rounding may be off by what cancels in it, which the other dtype shows as well, or by
    the last digits of the value's terms.
    """
    if shrinks_as_rounding_does(call, _discrepancies):
        return True
    terms = call.cotangent.size
    if terms > INSTABILITY:
        is_mixed_right = not _unlike_for_signs(call)
        return is_mixed_right and shrinks_as_rounding_does(call, _discrepancies, most=terms)
    return _scales_exactly(call) and (_is_small(call) or is_alike_in_both(call, _discrepancies))


def _scales_exactly(call: Call) -> bool:
    """Is vjp(-4 u) = -4 vjp(u) to the last bit, and so for u - 2?

    Powers of two are not rounded, so whatever its sums lose, a linear map of floating-point numbers
    keeps to that. Hardly anything else does.
    """
    u = call.case.cotangent
    for each in (u, np.asarray(u - np.asarray(FACTOR, u.dtype))):
        once, scaled = (copies(call.vjp(np.asarray(c * each))) for c in (1, -(FACTOR**2)))
        if any(np.any(scaled[name] != -(FACTOR**2) * array) for name, array in once.items()):
            return False
    return True


def _is_small(call: Call) -> bool:
    """Is it less than the last digits of the value's terms, which may cancel in it?"""
    most = INSTABILITY * _larger(call.cotangent) * unit_roundoff(call.case.dtype)
    return all(
        each.error <= most * call.noise.natural[name] for name, each in _discrepancies(call).items()
    )


def _unlike_for_signs(call: Call) -> str:
    """How vjp(u - 2 s) differs from vjp(u) - 2 vjp(s), for random signs s; empty if it does not."""
    u = call.case.cotangent
    signs = call.case.generator(Stream.SIGNS).choice(np.asarray([-1, 1], u.dtype), u.shape)
    combined = copies(call.vjp(np.asarray(u - FACTOR * signs)))
    return _unlike_sum(call, combined, call.vjp(signs))


def _discrepancies(call: Call) -> dict[str, Discrepancy]:
    """How far vjp(u - 2) is from vjp(u) - 2 vjp(1), with ones of stride zero if it takes those."""
    u = call.case.cotangent
    combined = copies(call.vjp(np.asarray(u - np.asarray(FACTOR, u.dtype))))
    expanded = _if_taken(call.vjp, np.broadcast_to(np.ones((), u.dtype), u.shape))
    of_ones = call.vjp(np.ones_like(u)) if isinstance(expanded, Violation | None) else expanded
    first = call.result.cotangents
    return {
        name: Discrepancy(
            error=largest(combined[name] - (array - FACTOR * of_ones[name])),
            size=max(largest(array), FACTOR * largest(of_ones[name])),
        )
        for name, array in first.items()
    }


def _if_taken(vjp: Vjp, expanded: Array) -> Arrays | Violation | None:
    """What it makes of ones of stride zero; None if it does not take them."""
    try:
        return vjp(expanded)
    except Exception as error:  # noqa: BLE001 -- it may take contiguous arrays alone, and say so
        if "read-only" in str(error):
            return Violation("mutation", f"it writes to its cotangent: {error}")
        return None


def _not_zero_at_zero(call: Call) -> Violation | None:
    at_zero = call.vjp(np.zeros_like(call.case.cotangent))
    if fault := call.fault(at_zero):
        return Violation(NOT_LINEAR, f"for a cotangent of zero, {fault}")
    for name, array in at_zero.items():
        if np.any(array != 0):
            where = f"{name}{first_index(np.asarray(array) != 0)}"
            return Violation(NOT_LINEAR, f"the gradient for a cotangent of zero is not: {where}")
    return None


def _unlike_sum(call: Call, combined: Arrays, of_ones: Arrays) -> str:
    """How vjp(u - 2) differs from vjp(u) - 2 vjp(1); empty if it does not."""
    first, noise, u = call.result.cotangents, call.noise.cotangents, call.case.cotangent
    # Noise was measured at u, beside which ones may be large.
    larger = _larger(u)
    if fault := call.fault(of_ones):
        return fault
    wanted = {name: first[name] - FACTOR * of_ones[name] for name in first}
    terms = {
        name: 2 * FACTOR * (larger * noise[name] + np.abs(first[name]) + np.abs(of_ones[name]))
        for name in first
    }
    return _unlike(call, terms, combined, wanted)


def _larger(u: Array) -> float:
    """How many times u ones are, if they are larger."""
    return max(1.0, float(np.sqrt(u.size) / (np.linalg.norm(u) or 1.0)))


def _unlike(call: Call, terms: Arrays, got: Arrays, wanted: Arrays) -> str:
    if fault := call.fault(got):
        return fault
    first = call.result.cotangents
    kept = [name for name in terms if not call.noise.vanishes(name, first[name])]
    kept_wanted = {name: wanted[name] for name in kept}
    seen = change(terms, got, kept_wanted)
    rough = _lost_by_values(call.appeal) if seen else 0.0
    if not rough:
        return seen
    # Where values lose digits, so may cotangents, each by other digits.
    return change(
        {name: terms[name] + rough * largest(terms[name]) for name in terms}, got, kept_wanted
    )


def _lost_by_values(appeal: Appeal) -> float:
    """In units of the dtype: a format loses the same in both, and what cancels as many units."""
    return appeal.rough if appeal.computes_in else appeal.roughness


def _nonlinear(call: Call, other: Arrays, sentence: str) -> Violation:
    first = call.result.cotangents
    if all(np.array_equal(first[name], other[name]) for name in first):
        return Violation("cotangent ignored", "the gradient is the same for every cotangent")
    return Violation(NOT_LINEAR, sentence)
