"""log Σ eˣ of a vector, as a custom node.

    f(x) = m + log Σᵢ exp(xᵢ - m),  m = max x        x̄ = f̄ · softmax(x) = f̄ · exp(x - f)

Subtracting m leaves f as it is and keeps every exponential at 1 or below. An entry of -∞ adds
nothing. If all entries are -∞, so is f, and it has no gradient; m is then 0, as -∞ - (-∞) is NaN.
"""

from typing import Any

import autograd.numpy as anp
import numpy as np
import torch
from autograd.extend import defjvp, defvjp, primitive

from reference_impls.computation import Array, Arrays, Computation, Vjp


def sample(rng: np.random.Generator, size: int) -> Arrays:
    """Standard normal numbers, as in the tutorial."""
    return {"x": rng.standard_normal(size)}


def shift(x: Array) -> Any:
    """The largest real part; 0 if that is infinite."""
    largest = np.max(np.real(x))
    return np.where(np.isfinite(largest), largest, 0)


@primitive  # type: ignore[untyped-decorator]
def logsumexp_node(x: Any) -> Any:
    """Log-sum-exp as one node of autograd's graph."""
    m = shift(x)
    return m + np.log(np.sum(np.exp(x - m)))


# Written in autograd.numpy, so that both can be differentiated again.
defvjp(logsumexp_node, lambda f, x: lambda g: g * anp.exp(x - f))
defjvp(logsumexp_node, lambda g, f, x: anp.sum(g * anp.exp(x - f)))


def by_autograd(x: Any) -> Any:
    """The custom primitive."""
    return logsumexp_node(x)


def by_torch(x: torch.Tensor) -> torch.Tensor:
    """torch's own node."""
    return torch.logsumexp(x, dim=0)


def by_hand(x: Array) -> tuple[Array, Vjp]:
    """The exponentials of the forward pass, normalised, are the gradient."""
    m = shift(x)
    weights = np.exp(x - m)
    total = np.sum(weights)

    def vjp(g: Array) -> Arrays:
        return {"x": weights * (g / total)}

    return m + np.log(total), vjp


COMPUTATION = Computation(
    name="logsumexp",
    origin="hips_autograd, Modularity: implementing custom gradients",
    sample=sample,
    wrt=("x",),
    sizes=(10, 1_000, 32_768, 1_048_576),
    by_autograd=by_autograd,
    by_torch=by_torch,
    by_hand=by_hand,
    shapes={"x": "N"},
)
