"""Rectified linear unit, elementwise.

    f(x) = max(x, 0)        x̄ = f̄ · [x > 0]

f has no derivative at 0. All three implementations answer 0 there, as the tutorial's code does
(its text says 1): `autograd.numpy.maximum` would split the tie and answer 1/2.
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
    """A selection, whose derivative at the tie is that of the branch taken."""
    return anp.where(x > 0, x, 0)


def by_torch(x: torch.Tensor) -> torch.Tensor:
    """torch's own node."""
    return torch.relu(x)


def by_hand(x: Array) -> tuple[Array, Vjp]:
    """The mask of the forward pass is all the backward pass needs."""
    positive = x > 0

    def vjp(g: Array) -> Arrays:
        return {"x": np.where(positive, g, 0)}

    return np.maximum(x, 0), vjp


COMPUTATION = Computation(
    name="relu",
    origin="multilayer_perceptron, Activation functions",
    sample=sample,
    wrt=("x",),
    sizes=(1_024, 32, 32_768, 1_048_576),
    by_autograd=by_autograd,
    by_torch=by_torch,
    by_hand=by_hand,
    shapes={"x": "..."},
)
