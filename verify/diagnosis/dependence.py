"""Gradients that depend on what they should not, or do not depend on what they should.

The cotangent is ignored if h is the same for another, independent u. A dependency is dropped if
h = 0 and g is not. A gradient is leaked if h is not 0 and ⟨g, v⟩ = 0 for every probe v, and so
g = 0.
"""

import numpy as np

from reference_impls.computation import Array, Vjp
from verify.diagnosis.inquiry import Inquiry
from verify.diagnosis.suspect import PROBES, Finding, Suspect, names_of


def cotangent_ignored(inquiry: Inquiry, cotangent: Array, vjp: Vjp | None) -> Finding | None:
    """The gradient is the same for another random cotangent."""
    if vjp is None:
        return None
    suspects = [suspect for suspect in inquiry.wrong if suspect.got.any()]
    another = inquiry.wrong[0].witness.rng.standard_normal(np.shape(cotangent))
    try:
        again = vjp(np.asarray(another, dtype=np.asarray(cotangent).dtype))
        same = [each for each in suspects if _is_close(again[each.name], each.got, each.unit)]
    except Exception:  # noqa: BLE001 -- what a VJP raises, its contract check reports
        return None
    if not same:
        return None
    predicate = "is the same whatever the cotangent: it is ignored"
    return Finding("cotangent ignored", names_of(same), predicate, same[0])


def _is_close(again: Array, got: Array, unit: float) -> bool:
    again = np.asarray(again, np.float64)
    allowed = 1e3 * unit * float(np.abs(got).max())
    return again.shape == got.shape and bool((np.abs(again - got) <= allowed).all())


def dropped(inquiry: Inquiry) -> Finding | None:
    """Exactly zero where the truth is not."""
    zero = [suspect for suspect in inquiry.wrong if not suspect.got.any()]
    if not zero:
        return None
    predicate = "is zero and should not be"
    return Finding("dropped dependency", names_of(zero), predicate, zero[0])


def leaked(suspect: Suspect) -> Finding | None:
    """h is not zero, and the truth is zero along every probe, and so everywhere."""
    if not is_zero_by_truth(suspect):
        return None
    predicate = "should be zero: the function does not depend on it"
    nothing = np.zeros(suspect.shape)
    return Finding("leaked gradient", [suspect.name], predicate, suspect, corrected=nothing)


def is_zero_by_truth(suspect: Suspect) -> bool:
    """Is the truth zero along every probe, beside the gradient that was returned?"""
    for probe in suspect.probe(PROBES):
        if not abs(probe.truth.value) <= probe.truth.error_bar + 1e-12 * probe.scale:
            return False
        if probe.truth.error_bar > suspect.loose * probe.scale:
            return False
    return True
