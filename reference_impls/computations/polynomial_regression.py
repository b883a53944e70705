"""Cost of a polynomial through N points: linear regression on a feature map.

Φᵢⱼ = xᵢʲ, j = 0..M        r = Φ w - t        f = 1/(2N) Σ r²

w̄ = f̄/N Φᵀ r
"""

from typing import Any

import autograd.numpy as anp
import numpy as np
import torch

from reference_impls.computation import Array, Arrays, Computation, Vjp

DEGREE = 4


def sample(rng: np.random.Generator, size: int) -> Arrays:
    """The tutorial's quartic on [-3, 3]; as there, the features are computed beforehand.

    There are at most 10,000 points, because the gradient's terms cancel: float32 sums of a million
    of them, added in different orders, no longer agree to 2e-5.
    """
    x = np.linspace(-3.0, 3.0, size)
    return {
        "w": rng.standard_normal(DEGREE + 1),
        "features": np.vander(x, DEGREE + 1, increasing=True),
        "t": x**4 - 10 * x**2 + 10 * x + rng.normal(0, 4, size),
    }


def by_autograd(w: Any, features: Any, t: Any) -> Any:
    """The formula, traced."""
    return anp.sum(0.5 * anp.square(anp.dot(features, w) - t)) / t.size


def by_torch(w: torch.Tensor, features: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Half of torch's mean squared error."""
    return torch.nn.functional.mse_loss(torch.mv(features, w), t) / 2


def by_hand(w: Array, features: Array, t: Array) -> tuple[Array, Vjp]:
    """The normal equations' residual."""
    residual = features @ w - t

    def vjp(g: Array) -> Arrays:
        return {"w": (residual @ features) * (g / t.size)}

    return (residual @ residual) / (2 * t.size), vjp


COMPUTATION = Computation(
    name="polynomial_regression",
    origin="hips_autograd, Linear regression with a feature mapping",
    sample=sample,
    wrt=("w",),
    sizes=(100, 10, 1_000, 10_000),
    by_autograd=by_autograd,
    by_torch=by_torch,
    by_hand=by_hand,
    shapes={"w": "M", "features": "N M", "t": "N"},
)
