"""Rosenbrock's banana, in any number of dimensions from 2.

With the front a = (x₁ ... xₙ₋₁), the back b = (x₂ ... xₙ) and the residual r = b - a²,

    f(x) = Σ 100 r² + (1 - a)²

    b̄ = 200 f̄ r,    ā = -2 a b̄ - 2 f̄ (1 - a),    and x̄ is the sum of the two in their places.

The minimum is 0, at ones, in a curved valley with steep sides. From four dimensions on there is a
second minimum near (-1, 1, ..., 1). (Rosenbrock, *An automatic method for finding the greatest or
least value of a function*, 1960.)
"""

from typing import Any

import numpy as np
import torch

from reference_impls.computation import Array, Arrays, Computation, Vjp


def sample(rng: np.random.Generator, size: int) -> Arrays:
    """``size`` coordinates in [-2, 2], where the usual start, (-1.2, 1), lies too."""
    return {"x": rng.uniform(-2.0, 2.0, size)}


def by_autograd(x: Any) -> Any:
    """The formula, traced."""
    front, back = x[:-1], x[1:]
    return (100 * (back - front**2) ** 2 + (1 - front) ** 2).sum()


def by_torch(x: torch.Tensor) -> torch.Tensor:
    """The formula, traced."""
    front, back = x[:-1], x[1:]
    value: torch.Tensor = 100 * (back - front.square()).square().sum() + (1 - front).square().sum()
    return value


def by_hand(x: Array) -> tuple[Array, Vjp]:
    """Padded with a zero, the two cotangents are added up where they overlap."""
    front, back = x[:-1], x[1:]
    residual, rest = back - front * front, 1 - front

    def vjp(g: Array) -> Arrays:
        back_bar = (200 * g) * residual
        front_bar = -2 * front * back_bar - (2 * g) * rest
        return {"x": np.pad(front_bar, (0, 1)) + np.pad(back_bar, (1, 0))}

    return 100 * (residual * residual).sum() + (rest * rest).sum(), vjp


COMPUTATION = Computation(
    name="rosenbrock",
    origin="optimization, Newton's method",
    sample=sample,
    wrt=("x",),
    sizes=(2, 4, 1_000, 100_000),
    by_autograd=by_autograd,
    by_torch=by_torch,
    by_hand=by_hand,
    shapes={"x": "N"},
)
