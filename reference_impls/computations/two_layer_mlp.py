"""The tutorial's two-layer perceptron from scratch: half squared error plus weight decay.

    Z = x W₁ᵀ + b₁,  A = max(Z, 0),  Ŷ = A W₂ᵀ + b₂
    f = 1/(2N) ‖Ŷ - y‖² + λ/2 (‖W₁‖² + ‖W₂‖²)

    Ŷ̄ = f̄ (Ŷ - y)/N        W̄₂ = Ŷ̄ᵀ A + f̄ λ W₂        b̄₂ = Σ Ŷ̄
    Z̄ = Ŷ̄ W₂ · [Z > 0]      W̄₁ = Z̄ᵀ x + f̄ λ W₁        b̄₁ = Σ Z̄

The loss that the tutorial prints lacks the ½ and the decay; this is the one it descends.
"""

from typing import Any

import autograd.numpy as anp
import numpy as np
import torch

from reference_impls.computation import Array, Arrays, Computation, Vjp

DECAY = 0.5


def sample(rng: np.random.Generator, size: int) -> Arrays:
    """``size`` rows of 10 features, 100 hidden units, 1 output, small initial weights."""
    return {
        "x": rng.standard_normal((size, 10)),
        "y": rng.standard_normal((size, 1)),
        "W1": 0.01 * rng.standard_normal((100, 10)),
        "b1": 0.01 * rng.standard_normal(100) + 0.1,
        "W2": 0.01 * rng.standard_normal((1, 100)),
        "b2": 0.01 * rng.standard_normal(1) + 0.1,
    }


def by_autograd(x: Any, y: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    """The formulas, traced."""
    Z = anp.dot(x, W1.T) + b1
    A = anp.where(Z > 0, Z, 0)
    residual = anp.dot(A, W2.T) + b2 - y
    decay = anp.sum(W1**2) + anp.sum(W2**2)
    return anp.sum(residual**2) / (2 * x.shape[0]) + DECAY / 2 * decay


def by_torch(
    x: torch.Tensor,
    y: torch.Tensor,
    W1: torch.Tensor,
    b1: torch.Tensor,
    W2: torch.Tensor,
    b2: torch.Tensor,
) -> torch.Tensor:
    """torch's layers and losses."""
    hidden = torch.relu(torch.nn.functional.linear(x, W1, b1))
    prediction = torch.nn.functional.linear(hidden, W2, b2)
    error = torch.nn.functional.mse_loss(prediction, y, reduction="sum")
    return error / (2 * x.shape[0]) + DECAY / 2 * (W1.square().sum() + W2.square().sum())


def by_hand(x: Array, y: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> tuple[Array, Vjp]:
    """The formulas above."""
    rows = x.shape[0]
    Z = x @ W1.T + b1
    A = np.maximum(Z, 0)
    residual = A @ W2.T + b2 - y
    loss = (residual * residual).sum() / (2 * rows)
    decay = (W1 * W1).sum() + (W2 * W2).sum()

    def vjp(g: Array) -> Arrays:
        Y_bar = residual * (g / rows)
        Z_bar = np.where(Z > 0, Y_bar @ W2, 0)
        return {
            "W1": Z_bar.T @ x + (g * DECAY) * W1,
            "b1": Z_bar.sum(axis=0),
            "W2": Y_bar.T @ A + (g * DECAY) * W2,
            "b2": Y_bar.sum(axis=0),
        }

    return loss + DECAY / 2 * decay, vjp


COMPUTATION = Computation(
    name="two_layer_mlp",
    origin="multilayer_perceptron, Part 1: two-layer MLP from scratch",
    sample=sample,
    wrt=("W1", "b1", "W2", "b2"),
    sizes=(64, 8, 800, 8_000),
    by_autograd=by_autograd,
    by_torch=by_torch,
    by_hand=by_hand,
    shapes={"x": "N D", "y": "N O", "W1": "H D", "b1": "H", "W2": "O H", "b2": "O"},
)
