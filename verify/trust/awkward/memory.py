"""Right gradients that share memory: with one another, or with what the VJP was given.

Engines return them all day. They are right until somebody writes to them, which `check` remarks on.
"""

from typing import Any

import numpy as np

from reference_impls.computation import Array, Arrays, Vjp
from verify.trust.awkward.functions import plant
from verify.trust.functions import normal, summed
from verify.trust.planted import ELEMENTWISE, Awkward, rectangle


def one_array_for_two(x: Array, y: Array) -> tuple[Array, Vjp]:
    """f(x, y) = tanh(x + y): both gradients are one array."""
    t, vjp = summed(x, y)

    def one(u: Array) -> Arrays:
        gradient = vjp(u)["x"]
        return {"x": gradient, "y": gradient}

    return t, one


def shifted_by_one(x: Array) -> tuple[Array, Vjp]:
    """f(x) = x + 1: the gradient is the cotangent itself."""
    return x + 1, lambda u: {"x": u}


def turned(X: Array) -> tuple[Array, Vjp]:
    """f(X) = Xᵀ: the gradient is a view of the cotangent."""
    return X.T.copy(), lambda u: {"X": u.T}


def total(x: Array) -> tuple[Array, Vjp]:
    """f(x) = Σ x, a scalar: all entries of the gradient are one number in memory, read-only."""
    return np.asarray(x.sum()), lambda u: {"x": np.broadcast_to(u, x.shape)}


def _matrix(rng: np.random.Generator, size: int) -> dict[str, Any]:
    return {"X": rng.standard_normal(rectangle(size))}


AWKWARD_MEMORY = (
    Awkward(
        name="one array for two gradients",
        story="Both summands of x + y get one array, as from an engine that adds no copies: who "
        "scales the gradient of x in place, as clipping does, scales that of y.",
        sizes=ELEMENTWISE,
        plant=plant(normal("x", "y"), one_array_for_two, "x", "y", true=summed),
    ),
    Awkward(
        name="gradient is the cotangent",
        story="The identity returns what it was given, and not a copy.",
        sizes=ELEMENTWISE,
        plant=plant(normal("x"), shifted_by_one, "x"),
    ),
    Awkward(
        name="gradient is a view of the cotangent",
        story="A transpose, or a reshape, gives back a view.",
        sizes=ELEMENTWISE,
        plant=plant(_matrix, turned, "X"),
    ),
    Awkward(
        name="gradient is one number spread out",
        story="np.broadcast_to for the gradient of a sum: read-only, and all entries are one.",
        sizes=ELEMENTWISE,
        plant=plant(normal("x"), total, "x"),
    ),
)
