"""Logistic function, elementwise, with the staged gradient of the HIPS tutorial.

    a = -x,  b = eᵃ,  c = 1 + b,  f = 1/c

    f̄ → c̄ = -f̄/c²,  b̄ = c̄,  ā = b̄ eᵃ,  x̄ = -ā      so      x̄ = f̄ b/c²

b overflows for large negative x. There the stages run on a = x instead, with f = b/c: b/c² is the
same for x and -x, so one backward pass serves both.
"""

from typing import Any

import autograd.numpy as anp
import numpy as np
import torch

from reference_impls.computation import Array, Arrays, Computation, Vjp


def sample(rng: np.random.Generator, size: int) -> Arrays:
    """``size`` random points of the tutorial's interval [-4, 4]."""
    return {"x": rng.uniform(-4.0, 4.0, size)}


def by_autograd(x: Any) -> Any:
    """exp(-log(1 + e⁻ˣ)), whose logarithm autograd differentiates without overflow."""
    return anp.exp(-anp.logaddexp(0, -x))


def by_torch(x: torch.Tensor) -> torch.Tensor:
    """torch's own node."""
    return torch.sigmoid(x)


def by_hand(x: Array) -> tuple[Array, Vjp]:
    """The stages, on the side where the exponential cannot overflow."""
    b = np.exp(np.where(x > 0, -x, x))
    c = 1 + b

    def vjp(g: Array) -> Arrays:
        return {"x": g * b / (c * c)}

    return np.where(x > 0, 1, b) / c, vjp


COMPUTATION = Computation(
    name="sigmoid",
    origin="hips_autograd, Manual gradients via staged computation",
    sample=sample,
    wrt=("x",),
    sizes=(1_024, 32, 32_768, 1_048_576),
    by_autograd=by_autograd,
    by_torch=by_torch,
    by_hand=by_hand,
    shapes={"x": "..."},
)
