"""Pairings ⟨a, b⟩ = Σ a b and norms (Σ a²)^½ that neither cancellation nor overflow spoils."""

import math

import numpy as np

from reference_impls.computation import Array
from verify.error_model.arrays import largest, pair


def dot(one: Array, other: Array) -> float:
    """Σ a b over the entries of two arrays of one shape."""
    return pair({"": one}, {"": other})


def norm(array: Array) -> float:
    """The root of the sum of squares, of numbers whose squares may overflow."""
    size = largest(array)
    if not 0 < size < math.inf:
        return size
    return size * float(np.sqrt(np.sum(np.square(np.asarray(array, np.float64) / size))))
