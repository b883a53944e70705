"""h is the sum or the mean of g over some axes, spread over them again.

Such an h is constant along these axes. For tangents w that are constant there too, ⟨g, w⟩ is the
pairing of the sums of g with w: so h's are the sums, or the means if they are as many times larger.
"""

import numpy as np

from verify.diagnosis.suspect import PROBES, Finding, Suspect
from verify.diagnosis.words import axes_text
from verify.error_model.arrays import inner, norm
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
    if not all(sums) and not all(means):
        return None
    verb = "summed" if all(sums) else "averaged"
    predicate = f"was {verb} over {axes_text(axes, got.shape)}, which the argument has"
    return Finding("over-reduced broadcast", [suspect.name], predicate, suspect)
