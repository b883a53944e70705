"""Gradients that were rounded to a narrower dtype, of unit roundoff w.

Every entry of h is then a number of that dtype, and the residuals are no larger than w explains. If
h was computed with more digits afterwards, that is not seen: it has lost digits (`digits`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reference_impls.computation import Array
from verify.diagnosis.suspect import PROBES, Finding, Suspect

FAULT = "dtype downcast"
"""The class."""

FLOAT32 = 2.0**-24
"""Its unit roundoff."""


@dataclass(frozen=True)
class Format:
    """A floating-point format, its unit roundoff, and how to round to it."""

    name: str
    unit: float
    rounding: Callable[[Array], Array]


def rounded(suspect: Suspect) -> Finding | None:
    """Every entry is a number of a narrower dtype, and the error no larger than that explains."""
    errors = [abs(probe.residual) / probe.size for probe in suspect.probe(PROBES)]
    for each in narrower_than(suspect.unit):
        if not all(error <= 16 * each.unit for error in errors) or max(errors) < each.unit / 64:
            continue
        with np.errstate(over="ignore"):
            cut = np.asarray(each.rounding(suspect.got), np.float64)
        if np.array_equal(cut, suspect.got):
            predicate = f"was rounded to {each.name}: every entry is a {each.name} number"
            return Finding(FAULT, [suspect.name], predicate, suspect)
    return None


def narrower_than(unit: float) -> list[Format]:
    """The formats with a larger unit roundoff than this one, the narrowest first."""
    formats = (
        Format("bfloat16", 2.0**-8, _to_bfloat16),
        Format("float16", 2.0**-11, lambda array: array.astype(np.float16)),
        Format("float32", FLOAT32, lambda array: array.astype(np.float32)),
    )
    return [each for each in formats if each.unit > unit]


def _to_bfloat16(array: Array) -> Array:
    """The upper half of a float32, to the nearest, and to an even one of two."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    half = np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return np.asarray(((bits + half) & np.uint32(0xFFFF0000)).view(np.float32).reshape(array.shape))
