"""One linear layer and the sigmoid cross-entropy of its logits.

    z = x W + b        f = mean over outputs of  log(1 + eᶻ) - y z

    z̄ = f̄ (σ(z) - y)/K,    x̄ = W z̄,    W̄ = x z̄ᵀ,    b̄ = z̄

log(1 + eᶻ) is taken as max(z, 0) + log(1 + e^-|z|), and σ(z) from the same exponential.
"""

from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
import numpy as np
import torch

from reference_impls.computation import Array, Arrays, Computation, Vjp


def sample(rng: np.random.Generator, size: int) -> Arrays:
    """``size`` inputs (the tutorial has 5, all ones) to 3 outputs with targets 0 or 1."""
    return {
        "x": rng.standard_normal(size),
        "W": rng.standard_normal((size, 3)) / np.sqrt(size),
        "b": rng.standard_normal(3),
        "y": rng.integers(0, 2, 3).astype(np.float64),
    }


def by_autograd(x: Any, W: Any, b: Any, y: Any) -> Any:
    """log(e⁰ + eᶻ) - y z, traced."""
    z = anp.dot(x, W) + b
    return anp.sum(anp.logaddexp(0, z) - y * z) / y.size


def by_torch(x: torch.Tensor, W: torch.Tensor, b: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """torch's own loss on the logits."""
    return torch.nn.functional.binary_cross_entropy_with_logits(torch.matmul(x, W) + b, y)


def by_hand(x: Array, W: Array, b: Array, y: Array) -> tuple[Array, Vjp]:
    """The slope of the loss, through the layer."""
    losses, slope = cross_entropy_and_slope(x @ W + b, y)

    def vjp(g: Array) -> Arrays:
        z_bar = g * slope() / y.size
        return {"x": W @ z_bar, "W": x[:, None] * z_bar, "b": z_bar}

    return losses.sum() / y.size, vjp


def cross_entropy_and_slope(z: Array, y: Array) -> tuple[Array, Callable[[], Array]]:
    """log(1 + eᶻ) - y z, and what returns σ(z) - y; one exponential serves both, elementwise."""
    positive = z > 0
    exponential = np.exp(np.where(positive, -z, z))

    def slope() -> Array:
        probability: Array = np.where(positive, 1, exponential) / (1 + exponential)
        return probability - y

    return np.maximum(z, 0) + np.log1p(exponential) - y * z, slope


COMPUTATION = Computation(
    name="linear_bce",
    origin="torch_autograd, Automatic differentiation with torch.autograd",
    sample=sample,
    wrt=("x", "W", "b"),
    sizes=(5, 50, 500, 50_000),
    by_autograd=by_autograd,
    by_torch=by_torch,
    by_hand=by_hand,
    shapes={"x": "D", "W": "D K", "b": "K", "y": "K"},
)
