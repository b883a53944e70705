"""h is the sum or the mean of g over some axes, spread over them again.

Such an h is constant along these axes. For tangents w that are constant there too, ⟨g, w⟩ pairs w
with the sums of g. So h holds the sums if its numbers give the same pairing, and the means if
they do after multiplication by the number of entries summed. A sum has more than one term: where
all but one entry of g are zero, as where the last of several writers wins, nothing was summed.
"""

import numpy as np

from verify.diagnosis.suspect import PROBES, SAMPLES, SMALL, Finding, Suspect
from verify.diagnosis.words import axes_text
from verify.error_model.arrays import inner, largest, norm
from verify.error_model.noise import SAFETY


def over_reduced(suspect: Suspect) -> Finding | None:
    """h is the sum or the mean of g over some axes, spread over them again."""
    got = suspect.got
    flat = SAFETY * suspect.unit * float(np.abs(got).max())
    axes = tuple(
        axis
        for axis, length in enumerate(got.shape)
        if length > 1 and float(np.ptp(got, axis=axis).max()) <= flat
    )
    if not axes:
        return None
    narrow = got.mean(axis=axes, keepdims=True)
    count = got.size // narrow.size
    sums, means = [], []
    for _ in range(PROBES - 1):
        tangent = suspect.witness.tangent(suspect.name, narrow.shape)
        truth = suspect.witness.along({suspect.name: np.broadcast_to(tangent, got.shape).copy()})
        here = inner(narrow, tangent)
        size = norm(narrow * tangent)
        allowed = truth.error_bar + suspect.loose * size
        sums.append(abs(here - truth.value) <= allowed <= 0.1 * size)
        means.append(abs(count * here - truth.value) <= truth.error_bar + allowed * count)
    if not (all(sums) or all(means)) or not _has_terms(suspect, axes):
        return None
    verb = "summed" if all(sums) else "averaged"
    predicate = f"was {verb} over {axes_text(axes, got.shape)}, which the argument has"
    return Finding("over-reduced broadcast", [suspect.name], predicate, suspect)


def _has_terms(suspect: Suspect, axes: tuple[int, ...]) -> bool:
    """Where h is largest: are two or more of the true entries along the axes not zero?"""
    at = np.unravel_index(int(np.argmax(np.abs(suspect.got))), suspect.shape)
    along = tuple(slice(None) if axis in axes else at[axis] for axis in range(suspect.got.ndim))
    places = np.arange(suspect.got.size).reshape(suspect.shape)[along].ravel()
    if len(places) > SMALL:
        places = suspect.witness.rng.choice(places, SAMPLES, replace=False)
    negligible = suspect.loose * largest(suspect.got)
    terms = 0
    for flat in map(int, places):
        known = suspect.entry(flat)
        terms += abs(known.value) > known.error_bar + negligible / len(places)
        if terms > 1:
            return True
    return False
