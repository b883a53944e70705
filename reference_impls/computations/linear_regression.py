"""Cost of a straight line through N points.

r = w x + b - t        f = 1/(2N) Σ r²

w̄ = f̄/N Σ r x,    b̄ = f̄/N Σ r
"""

from typing import Any

import autograd.numpy as anp
import numpy as np
import torch

from reference_impls.computation import Array, Arrays, Computation, Vjp


def sample(rng: np.random.Generator, size: int) -> Arrays:
    """The tutorial's line t = 4x + 10, with noise of standard deviation 2 (it says variance)."""
    x = np.linspace(0.0, 10.0, size)
    return {
        "w": np.asarray(rng.standard_normal()),
        "b": np.asarray(rng.standard_normal()),
        "x": x,
        "t": 4 * x + 10 + rng.normal(0, 2, size),
    }


def by_autograd(w: Any, b: Any, x: Any, t: Any) -> Any:
    """The formula, traced."""
    return anp.sum(anp.square(w * x + b - t)) / (2 * x.size)


def by_torch(w: torch.Tensor, b: torch.Tensor, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Half of torch's mean squared error."""
    return torch.nn.functional.mse_loss(w * x + b, t) / 2


def by_hand(w: Array, b: Array, x: Array, t: Array) -> tuple[Array, Vjp]:
    """Inner products of the residual."""
    residual = w * x + b - t

    def vjp(g: Array) -> Arrays:
        scale = g / x.size
        return {"w": scale * (residual @ x), "b": scale * residual.sum()}

    return (residual @ residual) / (2 * x.size), vjp


COMPUTATION = Computation(
    name="linear_regression",
    origin="hips_autograd, Linear regression",
    sample=sample,
    wrt=("w", "b"),
    sizes=(100, 10, 10_000, 1_000_000),
    by_autograd=by_autograd,
    by_torch=by_torch,
    by_hand=by_hand,
    shapes={"w": "", "b": "", "x": "N", "t": "N"},
)
