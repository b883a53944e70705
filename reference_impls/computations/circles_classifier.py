"""Points of the plane told apart by one hidden layer of tanh and a logit.

h = tanh(x W₁ᵀ + b₁),  z = h W₂ᵀ + b₂        f = 1/N Σ log(1 + eᶻ) - y z

z̄ = f̄ (σ(z) - y)/N        W̄₂ = z̄ᵀ h,    b̄₂ = Σ z̄,    h̄ = z̄ W₂
z̄₁ = h̄ (1 - h²)           W̄₁ = z̄₁ᵀ x,   b̄₁ = Σ z̄₁
"""

from typing import Any

import autograd.numpy as anp
import numpy as np
import torch

from reference_impls.computation import Array, Arrays, Computation, Vjp
from reference_impls.computations import linear, tanh
from reference_impls.computations.linear_bce import cross_entropy_and_slope
from reference_impls.datasets import circles

HIDDEN = 3


def sample(rng: np.random.Generator, size: int) -> Arrays:
    """``size`` points of two circles; weights and biases as nn.Linear draws them."""
    x, y = circles(rng, size)
    return {"x": x, "y": y} | linear.initial_layers(rng, (2, HIDDEN, 1))


def by_autograd(x: Any, y: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    """log(e⁰ + eᶻ) - y z, traced."""
    hidden = tanh.by_autograd(anp.dot(x, W1.T) + b1)
    z = (anp.dot(hidden, W2.T) + b2)[:, 0]
    return anp.sum(anp.logaddexp(0, z) - y * z) / y.size


def by_torch(
    x: torch.Tensor,
    y: torch.Tensor,
    W1: torch.Tensor,
    b1: torch.Tensor,
    W2: torch.Tensor,
    b2: torch.Tensor,
) -> torch.Tensor:
    """torch's layers, and its own loss on the logits."""
    hidden = torch.tanh(torch.nn.functional.linear(x, W1, b1))
    logits = torch.nn.functional.linear(hidden, W2, b2).squeeze(1)
    return torch.nn.functional.binary_cross_entropy_with_logits(logits, y)


def by_hand(x: Array, y: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> tuple[Array, Vjp]:
    """The formulas above."""
    affine, back1 = linear.by_hand(x, W1, b1)
    hidden, back_tanh = tanh.by_hand(affine)
    logits, back2 = linear.by_hand(hidden, W2, b2)
    losses, slope = cross_entropy_and_slope(logits[:, 0], y)

    def vjp(g: Array) -> Arrays:
        second = back2((slope() * (g / y.size))[:, None])
        first = back1(back_tanh(second["x"])["x"])
        return {"W1": first["W"], "b1": first["b"], "W2": second["W"], "b2": second["b"]}

    return losses.sum() / y.size, vjp


COMPUTATION = Computation(
    name="circles_classifier",
    origin="multilayer_perceptron, Visualization of hand-crafted features vs. MLP",
    sample=sample,
    wrt=("W1", "b1", "W2", "b2"),
    sizes=(500, 10, 100, 100_000),
    by_autograd=by_autograd,
    by_torch=by_torch,
    by_hand=by_hand,
    shapes={"x": "N D", "y": "N", "W1": "H D", "b1": "H", "W2": "1 H", "b2": "1"},
)
