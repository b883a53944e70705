"""What one dtype shows by itself: is it rounding, or would the other dtype show as much?

Sums of a hundred thousand numbers of one sign, or in another order, are off by more than was
measured at the cotangent u. Whether that is rounding is seen in the other dtype: a rounding error
of float32 is 2²⁹ times one of float64, and a mistake is as large in either.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from verify.checks.check import Violation
from verify.checks.first_order.observation import Call
from verify.error_model.arrays import largest, unit_roundoff
from verify.error_model.noise import INSTABILITY, SAFETY


@dataclass(frozen=True)
class Discrepancy:
    """How far two answers are apart that should be the same.

    Attributes:
        error: the largest difference of two entries.
        size: the largest of the terms that they were computed from.
    """

    error: float
    size: float


Measure = Callable[[Call], dict[str, Discrepancy]]
"""From a call to its discrepancies, by argument."""


def shrinks_as_rounding_does(call: Call, measure: Measure, most: float = INSTABILITY) -> bool:
    """Is a discrepancy that was seen in one dtype no more than rounding, by that of the other?

    Args:
        call: in which it was seen.
        measure: of the discrepancy, in whatever dtype.
        most: that it may be in float32, in units of the roundoff of its terms.
    """
    both = _in_both(call, measure)
    return bool(both) and all(
        _is_rounding(both["float64"][name], single, most * max(single.size, _allowed(call, name)))
        for name, single in both["float32"].items()
    )


def is_alike_in_both(call: Call, measure: Measure) -> bool:
    """Is a discrepancy as many units in either dtype, however large it is?

    Args:
        call: in which it was seen.
        measure: of the discrepancy, in whatever dtype.
    """
    both = _in_both(call, measure)
    if not both:
        return False
    units = [{n: _units(each, dtype) for n, each in both[dtype].items()} for dtype in both]
    one, other = units
    return all(max(one[name], other[name]) <= SAFETY * min(one[name], other[name]) for name in one)


def _in_both(call: Call, measure: Measure) -> dict[str, dict[str, Discrepancy]]:
    """By dtype; nothing if it computes in one alone."""
    try:
        there = Call.of(call.case.in_dtype(_other(call.case.dtype)), call.noise, call.function)
        if isinstance(there, Violation):
            return {}
        return {each.case.dtype: measure(each) for each in (call, there)}
    except Exception:  # noqa: BLE001 -- whatever it raises there
        return {}


def _units(each: Discrepancy, dtype: str) -> float:
    """In units of the roundoff of its terms, which are each rounded."""
    return each.error / unit_roundoff(dtype) + each.size


def _allowed(call: Call, name: str) -> float:
    """What its terms may be of the size of, if they cancel: its conditioning, and the value's."""
    conditioning = call.appeal.conditioning.get(name)
    moved = 0.0 if conditioning is None else largest(conditioning)
    return max(moved, call.noise.natural.get(name, 0.0))


def _is_rounding(double: Discrepancy, single: Discrepancy, most: float) -> bool:
    in_double, in_single = (
        each.error / unit_roundoff(dtype)
        for each, dtype in ((double, np.float64), (single, np.float32))
    )
    # A mistake in float32 alone is no rounding because float64 has none of it.
    return in_single <= most and in_double <= SAFETY * max(in_single, double.size)


def _other(dtype: str) -> str:
    return "float32" if dtype == "float64" else "float64"
