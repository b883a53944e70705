"""Sizes, scales and places in arrays."""

import numpy as np
import numpy.typing as npt

from reference_impls.computation import Array, Arrays


def root_mean_square(array: Array) -> float:
    """Of all entries, whose squares may be beyond any dtype; 0 if there are none."""
    size = largest(array)
    if size == 0:
        return 0.0
    scaled = np.divide(array, size, dtype=np.float64)
    return size * float(np.sqrt(np.vdot(scaled, scaled) / array.size))


def first_index(mask: Array) -> str:
    """The first true position, as ``[3, 0]``; empty for a scalar."""
    return index_of(int(np.argmax(mask)), mask.shape)


def index_of(flat: int, shape: tuple[int, ...]) -> str:
    """A flat position as ``[3, 0]``; empty for a scalar."""
    if not shape:
        return ""
    return f"[{', '.join(str(int(i)) for i in np.unravel_index(flat, shape))}]"


def pairing_norm(cotangents: Arrays, tangents: Arrays) -> float:
    """The root of the sum of squares of the terms of ⟨Jᵀu, v⟩."""
    terms = (np.multiply(cotangents[name], v, dtype=np.float64) for name, v in tangents.items())
    return float(np.sqrt(sum(np.vdot(term, term) for term in terms)))


def scale_of(primal: Array) -> float:
    """The root mean square of its entries that are finite; 1 if there is none but zeros."""
    return root_mean_square(primal[np.isfinite(primal)]) or 1.0


def pairing_size(second: Arrays, tangents: Arrays) -> float:
    """Of a pairing, or of its terms if those cancel: then the root of their sum of squares."""
    terms = (np.multiply(second[name], v, dtype=np.float64) for name, v in tangents.items())
    together = float(np.sqrt(sum(np.sum(np.square(term)) for term in terms)))
    return max(together, abs(pair(second, tangents)))


def unit_roundoff(dtype: npt.DTypeLike) -> float:
    """Half the spacing of floats at 1: 1.1e-16 in float64, 6.0e-8 in float32."""
    return float(np.finfo(np.dtype(dtype)).eps) / 2


def largest(array: Array) -> float:
    """The size of the largest entry of an array of real numbers; 0 if it is empty."""
    # A gradient may have a million entries: no array is made of their absolute values.
    return float(max(np.max(array, initial=0.0), -np.min(array, initial=0.0)))


def pair(cotangents: Arrays, tangents: Arrays) -> float:
    """⟨Jᵀu, v⟩ in float64, summed pairwise: a BLAS dot product would add an error of its own."""
    return float(
        sum(
            np.sum(np.multiply(cotangents[name], tangent, dtype=np.float64))
            for name, tangent in tangents.items()
        )
    )
