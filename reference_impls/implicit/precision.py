"""What floating-point arithmetic asks for."""

from typing import Any

import numpy as np

from reference_impls.computation import Array


def eps(dtype: np.dtype[Any]) -> float:
    """Returns the distance from 1 to the next number."""
    return float(np.finfo(dtype).eps)


def resolution(dtype: np.dtype[Any]) -> float:
    """Returns eps^¾: what is smaller, relative to the whole, counts as zero."""
    return float(eps(dtype) ** 0.75)


def norm(vector: Array) -> float:
    """Returns the Euclidean norm, also where squares overflow or underflow."""
    scale = float(np.abs(vector).max(initial=0.0))
    if not scale or not np.isfinite(scale):
        return scale
    return scale * float(np.linalg.norm(vector / scale))


def largest(matrix: Array) -> float:
    """Returns the largest magnitude of an entry."""
    # Not a norm: waking threads for its sum of squares can take longer than to factorize.
    return float(np.abs(matrix).max())


def searching() -> np.errstate:
    """Returns a context without warnings of overflow: no search stays where F is not finite."""
    return np.errstate(over="ignore", divide="ignore", invalid="ignore")
