"""The one-parameter loss that the training tutorial descends, elementwise over starting points.

f(w) = e^{w z}        w̄ = f̄ z f
"""

from typing import Any

import autograd.numpy as anp
import numpy as np
import torch

from reference_impls.computation import Array, Arrays, Computation, Vjp


def sample(rng: np.random.Generator, size: int) -> Arrays:
    """The tutorial's z = -1, and ``size`` parameters in the interval [0, 10] that it plots."""
    return {"w": rng.uniform(0.0, 10.0, size), "z": np.full(1, -1.0)}


def by_autograd(w: Any, z: Any) -> Any:
    """The formula, traced."""
    return anp.exp(w * z)


def by_torch(w: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """The formula, traced."""
    return (w * z).exp()


def by_hand(w: Array, z: Array) -> tuple[Array, Vjp]:
    """The exponential is its own derivative."""
    f = np.exp(w * z)

    def vjp(g: Array) -> Arrays:
        return {"w": g * z * f}

    return f, vjp


COMPUTATION = Computation(
    name="exponential_loss",
    origin="training_the_neural_network, A simple implementation of gradient descent",
    sample=sample,
    wrt=("w",),
    sizes=(1, 100, 10_000, 1_000_000),
    by_autograd=by_autograd,
    by_torch=by_torch,
    by_hand=by_hand,
    shapes={"w": "N", "z": "1"},
)
