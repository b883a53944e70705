"""Right gradients at points where neither a ray nor a step of any usual length shows what f is."""

from typing import Any

import numpy as np

from reference_impls.computation import Array, Arrays, Vjp
from verify.trust.awkward.functions import plant
from verify.trust.planted import ELEMENTWISE, Awkward

GUARD = 1e-10


def median_of_rows(X: Array) -> tuple[Array, Vjp]:
    """f(X) = the median of every row of an odd number; all of the gradient goes to one entry."""
    middle = np.argsort(X.real, axis=1, kind="stable")[:, [X.shape[1] // 2]]

    def vjp(u: Array) -> Arrays:
        gradient = np.zeros(X.shape, u.dtype)
        np.put_along_axis(gradient, middle, u[:, None], axis=1)
        return {"X": gradient}

    return np.take_along_axis(X, middle, axis=1)[:, 0], vjp


def guarded_direction(X: Array) -> tuple[Array, Vjp]:
    """f(X) = row / max(|row|, 10⁻¹⁰) of every row (r, c)."""
    length = np.sqrt((X * X).sum(axis=1, keepdims=True))
    is_long = length.real > GUARD
    scale = np.where(is_long, length, np.asarray(GUARD, X.real.dtype))
    direction = X / scale

    def vjp(u: Array) -> Arrays:
        along = np.where(is_long, (u * direction).sum(axis=1, keepdims=True), 0)
        return {"X": ((u - along * direction) / scale).astype(u.dtype)}

    return direction, vjp


def _three_in_the_middle(rng: np.random.Generator, size: int) -> dict[str, Any]:
    """Rows of five, of which three are equal, one is less and one more."""
    X = np.tile([2.0, 1.0, 2.0, 3.0, 2.0], (size // 5, 1))
    return {"X": rng.permuted(X, axis=1)}


def _rows_of_zeros(rng: np.random.Generator, size: int) -> dict[str, Any]:
    """Every other row of five is zero."""
    X = rng.standard_normal((size // 5, 5))
    X[::2] = 0
    return {"X": X}


AWKWARD_DECEPTIVE = (
    Awkward(
        name="median of three that are equal",
        story="Any of the three may have the gradient. Both sides of any ray have one derivative, "
        "that of another entry on another ray: no difference shows the kink.",
        sizes=ELEMENTWISE,
        plant=plant(_three_in_the_middle, median_of_rows, "X"),
    ),
    Awkward(
        name="direction of zero, guarded",
        story="x / max(|x|, 1e-10) at 0: its derivative is 1e10, and beyond 1e-10 the function is "
        "another.",
        sizes=ELEMENTWISE,
        plant=plant(_rows_of_zeros, guarded_direction, "X"),
    ),
)
