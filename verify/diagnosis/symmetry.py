"""Gradients of a symmetric matrix that are right along symmetric directions, and along no other.

With S(v) = (v + vᵀ)/2, such an h has ⟨h, S v⟩ = ⟨g, S v⟩, and is symmetric, or a triangle. (A
transposed gradient has the first, and not the second.) It is the usual convention where a function
reads one triangle of a symmetric argument, as a Cholesky factorisation does. If the values move
with either triangle, half of the gradient is missing. A triangle that lies where the values do not
read is transposed: whoever moves an entry there moves nothing.
"""

import numpy as np

from reference_impls.computation import Array
from verify.diagnosis.surroundings import Surroundings
from verify.diagnosis.suspect import PROBES, Finding, Suspect
from verify.error_model.arrays import inner, largest, norm

FAULT = "symmetric part only"
"""Its class, by which a check knows what may be excused."""

BOTH, LOWER, UPPER = "both", "lower", "upper"
"""The triangles that a matrix lies in, or that values read."""

NEAR = 2.0**-14
"""Over so small a fraction of the primals, every value changes that depends on them."""


def symmetrised(array: Array) -> Array:
    """(a + aᵀ)/2 of every matrix in an array; the array itself, if its last axes differ."""
    if not _holds_square_matrices(array):
        return array
    return np.asarray((array + np.swapaxes(array, -1, -2)) / 2)


def symmetric_part_only(suspect: Suspect, around: Surroundings | None) -> Finding | None:
    """Right along symmetric directions, and symmetric, or a triangle, itself."""
    got = suspect.got
    if not _holds_square_matrices(got):
        return None
    scale = suspect.loose * largest(got)
    form = _form(got, scale)
    if not form:
        return None
    for _ in range(PROBES - 1):
        tangent = symmetrised(suspect.witness.tangent(suspect.name, suspect.shape))
        truth = suspect.witness.along({suspect.name: tangent})
        size = max(norm(got * tangent), abs(truth.value))
        allowed = truth.error_bar + suspect.loose * size
        if not abs(inner(got, tangent) - truth.value) <= allowed <= 0.1 * size:
            return None
    triangle = _triangle_read(suspect, around) if around else ""
    if triangle and form not in (BOTH, triangle):
        return None
    what = "its symmetric part" if form == BOTH else "one triangle"
    predicate = f"is {what} only: right along symmetric directions"
    if triangle:
        predicate += f"; the values read the {triangle} triangle of {suspect.name} alone"
    return Finding(FAULT, [suspect.name], predicate, suspect, is_excused=bool(triangle))


def _form(got: Array, scale: float) -> str:
    """Symmetric, or the one triangle that it lies in; empty if neither."""
    if largest(got - np.swapaxes(got, -1, -2)) <= scale:
        return BOTH
    if largest(np.triu(got, 1)) <= scale:
        return LOWER
    return UPPER if largest(np.tril(got, -1)) <= scale else ""


def _holds_square_matrices(array: Array) -> bool:
    return array.ndim >= 2 and array.shape[-1] == array.shape[-2] > 1


def _triangle_read(suspect: Suspect, around: Surroundings) -> str:
    """Of a symmetric argument, the one triangle that the values depend on; empty if on both."""
    primal = np.asarray(around.primals[suspect.name])
    if not np.array_equal(primal, np.swapaxes(primal, -1, -2)):
        return ""
    tangent = NEAR * suspect.witness.tangent(suspect.name, suspect.shape)
    here = around.value({})
    halves = {LOWER: np.triu(tangent, 1), UPPER: np.tril(tangent, -1)}
    read = [
        each
        for each, other in halves.items()
        if np.array_equal(here, around.value({suspect.name: other}))
    ]
    return read[0] if len(read) == 1 else ""
