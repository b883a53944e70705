"""The hypotheses about a wrong gradient, from what is plainest to what is left.

First those that all wrong arguments share, then those about one of the worst by itself, then where
in it the fault is. The first that explains the residual is the finding.
"""

from collections.abc import Mapping

import numpy as np

from reference_impls.computation import Array, Arrays, Vjp
from verify.diagnosis.addition import additive
from verify.diagnosis.conclusion import not_finite, nothing_found, report, unrecognised
from verify.diagnosis.dependence import cotangent_ignored, dropped, leaked
from verify.diagnosis.inquiry import Inquiry
from verify.diagnosis.places import located
from verify.diagnosis.rearrangement import rearranged, swapped
from verify.diagnosis.reduction import over_reduced
from verify.diagnosis.rounding import rounded
from verify.diagnosis.scaling import factor_of_all, factor_of_one, lengths_of
from verify.diagnosis.suspect import Finding
from verify.diagnosis.witness import Derivative, Witness
from verify.diagnosis.words import Diagnosis


def diagnose(
    got: Arrays,
    truth: Derivative,
    *,
    cotangent: Array,
    vjp: Vjp | None,
    dtype: str,
    rng: np.random.Generator,
    primals: Arrays,
) -> Diagnosis:
    """The class of the fault in a gradient that is known to be wrong.

    Args:
        got: what the implementation returned, by argument: real arrays of the primals' shapes.
        truth: ⟨u, J v⟩ for tangents v that are float64 arrays by argument. It may raise, or give
            NaN or an infinite error bar, where the oracle is of no use.
        cotangent: u.
        vjp: the implementation's own VJP, to see whether it depends on u; it may raise.
        dtype: of the computation, ``float64`` or ``float32``.
        rng: for tangents and samples.
        primals: the arguments, by name, and possibly others.

    Returns:
        A diagnosis, "unknown" if nothing is recognised or the oracle is too blunt.

    Raises:
        ValueError: there is no argument with an entry.
    """
    wide = {name: np.asarray(array, np.float64) for name, array in got.items() if np.size(array)}
    if not wide:
        raise ValueError("diagnose was given no gradient with an entry, and needs one")
    witness = Witness(truth, primals, rng)
    broken = [name for name, array in wide.items() if not np.isfinite(array).all()]
    if broken:
        return not_finite(broken[0], wide[broken[0]], witness)
    inquiry = Inquiry.open(wide, witness, dtype)
    if not inquiry.wrong:
        return nothing_found(inquiry)
    lengths = lengths_of(primals, cotangent)
    finding = (
        cotangent_ignored(inquiry, cotangent, vjp)
        or dropped(inquiry)
        or factor_of_all(inquiry, lengths)
        or swapped(inquiry)
        or _alone(inquiry, lengths, cotangent if vjp is None else None)
        or located(inquiry.wrong[0])
        or unrecognised(inquiry)
    )
    return report(finding, inquiry)


def _alone(inquiry: Inquiry, lengths: Mapping[int, str], cotangent: Array | None) -> Finding | None:
    """One argument by itself: every hypothesis that costs a handful of calls."""
    for suspect in inquiry.wrong[:3]:
        finding = (
            leaked(suspect)
            or factor_of_one(suspect, lengths, cotangent)
            or over_reduced(suspect)
            or additive(suspect)
            or rearranged(suspect)
            or rounded(suspect)
        )
        if finding:
            return finding
    return None
