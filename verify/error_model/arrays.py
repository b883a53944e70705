"""Sizes of arrays, pairings of two, and places in them."""

import math

import numpy as np
import numpy.typing as npt

from reference_impls.computation import Array, Arrays


def unit_roundoff(dtype: npt.DTypeLike) -> float:
    """Half the spacing of floats at 1: 1.1e-16 in float64, 6.0e-8 in float32."""
    return float(np.finfo(np.dtype(dtype)).eps) / 2


def largest(array: Array) -> float:
    """The size of the largest entry of an array of real numbers; 0 if it is empty."""
    # A gradient may have a million entries: no array is made of their absolute values.
    return float(max(np.max(array, initial=0.0), -np.min(array, initial=0.0)))


def norm(array: Array) -> float:
    """(Σ a²)^½, of entries whose squares may be beyond any dtype; 0 if there are none."""
    size = largest(array)
    if not 0 < size < math.inf:
        return size
    scaled = np.divide(array, size, dtype=np.float64)
    return size * float(np.sqrt(np.vdot(scaled, scaled)))


def root_mean_square(array: Array) -> float:
    """(Σ a²/n)^½, of entries whose squares may be beyond any dtype; 0 if there are none."""
    return norm(array) / math.sqrt(array.size or 1)


def scale_of(primal: Array) -> float:
    """The root mean square of the entries that are finite; 1 if those are all zero."""
    return root_mean_square(primal[np.isfinite(primal)]) or 1.0


def inner(one: Array, other: Array) -> float:
    """Σ a b in float64, summed pairwise: a BLAS dot product would add an error of its own."""
    return float(np.sum(np.multiply(one, other, dtype=np.float64)))


def pair(cotangents: Arrays, tangents: Arrays) -> float:
    """⟨Jᵀu, v⟩, over the arguments that v has."""
    return float(sum(inner(cotangents[name], v) for name, v in tangents.items()))


def pairing_norm(cotangents: Arrays, tangents: Arrays) -> float:
    """The root of the sum of squares of the terms of ⟨Jᵀu, v⟩."""
    terms = (np.multiply(cotangents[name], v, dtype=np.float64) for name, v in tangents.items())
    return float(np.sqrt(sum(np.vdot(term, term) for term in terms)))


def pairing_size(cotangents: Arrays, tangents: Arrays) -> float:
    """|⟨Jᵀu, v⟩|, or the `pairing_norm` where that is larger because the terms cancel."""
    return max(pairing_norm(cotangents, tangents), abs(pair(cotangents, tangents)))


def first_index(mask: Array) -> str:
    """The first true position, as ``[3, 0]``; empty for a scalar."""
    return index_of(int(np.argmax(mask)), mask.shape)


def index_of(flat: int, shape: tuple[int, ...]) -> str:
    """A flat position as ``[3, 0]``; empty for a scalar."""
    if not shape:
        return ""
    return f"[{', '.join(str(int(i)) for i in np.unravel_index(flat, shape))}]"
