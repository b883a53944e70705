"""Gradients that were rounded to a narrower dtype on the way, of unit roundoff w.

Either every entry of h is still a number of that dtype, and the residuals are no larger than w
explains; or h was computed with more digits afterwards, and its entries differ from the true ones
by about w, relative to their own size or to the typical one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reference_impls.computation import Array
from verify.diagnosis.suspect import PROBES, Finding, Suspect
from verify.oracles.estimate import Estimate

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
    for each in _narrower(suspect.unit):
        if not all(error <= 16 * each.unit for error in errors) or max(errors) < each.unit / 64:
            continue
        with np.errstate(over="ignore"):
            cut = np.asarray(each.rounding(suspect.got), np.float64)
        if np.array_equal(cut, suspect.got):
            predicate = f"was rounded to {each.name}: every entry is a {each.name} number"
            return Finding("dtype downcast", [suspect.name], predicate, suspect)
    return None


def of_rounding(
    suspect: Suspect, samples: Mapping[int, Estimate], wrong: Sequence[int]
) -> Finding | None:
    """The errors are as large as those of float32, though the entries have more digits.

    Narrower dtypes are not looked for: an error of 10⁻³ has too many other causes.
    """
    if suspect.unit >= FLOAT32:
        return None
    off = {flat: abs(suspect.got.flat[flat] - samples[flat].value) for flat in wrong}
    by_entry = [error / (abs(samples[flat].value) or np.inf) for flat, error in off.items()]
    by_array = [error / suspect.typical for error in off.values()]
    for errors, of_what in ((by_entry, "of an entry"), (by_array, "of a typical entry")):
        if len(errors) >= 3 and np.median(errors) >= FLOAT32 / 32 and max(errors) <= 32 * FLOAT32:
            predicate = f"has errors the size of float32 rounding, {max(errors):.0e} {of_what}"
            return Finding("dtype downcast", [suspect.name], predicate, suspect)
    return None


def _narrower(unit: float) -> list[Format]:
    """The formats with a larger unit roundoff than this one, the narrowest first."""
    formats = (
        Format("bfloat16", 2.0**-8, _to_bfloat16),
        Format("float16", 2.0**-11, lambda array: array.astype(np.float16)),
        Format("float32", FLOAT32, lambda array: array.astype(np.float32)),
    )
    return [each for each in formats if each.unit > unit]


def _to_bfloat16(array: Array) -> Array:
    """Cut to the upper half of a float32, exact for what is bfloat16 already."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    return np.asarray((bits & np.uint32(0xFFFF0000)).view(np.float32).reshape(array.shape))
