"""Hyperbolic tangent, elementwise.

    f(x) = (eˣ - e⁻ˣ)/(eˣ + e⁻ˣ)        x̄ = f̄ (1 - f²)

The tutorials compute this fraction as it stands, which overflows (and one computes tanh(x/2)).
With s = -2|x| and m = eˢ - 1, in (-1, 0], it is ∓m/(2 + m), which cannot overflow.
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
    """The fraction above: autograd's own rule for tanh divides by cosh², which overflows."""
    m = anp.expm1(2 * anp.where(x > 0, -x, x))
    magnitude = -m / (2 + m)
    return anp.where(x > 0, magnitude, -magnitude)


def by_torch(x: torch.Tensor) -> torch.Tensor:
    """torch's own node."""
    return torch.tanh(x)


def by_hand(x: Array) -> tuple[Array, Vjp]:
    """The derivative is a function of the value alone."""
    f = np.tanh(x)

    def vjp(g: Array) -> Arrays:
        return {"x": g * (1 - f * f)}

    return f, vjp


COMPUTATION = Computation(
    name="tanh",
    origin="multilayer_perceptron, Activation functions",
    sample=sample,
    wrt=("x",),
    sizes=(1_024, 32, 32_768, 1_048_576),
    by_autograd=by_autograd,
    by_torch=by_torch,
    by_hand=by_hand,
    shapes={"x": "..."},
)
