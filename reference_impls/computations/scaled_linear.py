"""The tutorial's own layer: a fully connected one, times three.

f(x, W, b) = 3 (x Wᵀ + b)

with g = 3 f̄:    x̄ = g W,    W̄ = gᵀ x,    b̄ = Σ over rows of g
"""

from typing import Any

import autograd.numpy as anp
import numpy as np
import torch

from reference_impls.computation import Array, Arrays, Computation, Vjp
from reference_impls.computations import linear


def sample(rng: np.random.Generator, size: int) -> Arrays:
    """``size`` rows; standard normal weights, as the tutorial's constructor draws them."""
    return {
        "x": rng.standard_normal((size, 3)),
        "W": rng.standard_normal((5, 3)),
        "b": rng.standard_normal(5),
    }


def by_autograd(x: Any, W: Any, b: Any) -> Any:
    """The formula, traced."""
    return 3 * (anp.dot(x, W.T) + b)


def by_torch(x: torch.Tensor, W: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """As the tutorial's module computes it."""
    return 3 * (torch.matmul(x, W.transpose(0, 1)) + b)


def by_hand(x: Array, W: Array, b: Array) -> tuple[Array, Vjp]:
    """The factor goes into the cotangent, and the layer does the rest."""
    value, back = linear.by_hand(x, W, b)

    def vjp(g: Array) -> Arrays:
        return back(3 * g)

    return 3 * value, vjp


COMPUTATION = Computation(
    name="scaled_linear",
    origin="multilayer_perceptron, Model implementation: a layer of our own",
    sample=sample,
    wrt=("x", "W", "b"),
    sizes=(1, 100, 10_000, 100_000),
    by_autograd=by_autograd,
    by_torch=by_torch,
    by_hand=by_hand,
    shapes={"x": "N D", "W": "O D", "b": "O"},
)
