"""Batch normalisation in training mode, column by column of an (N, D) batch.

    μ = mean x,  c = x - μ,  v = mean c²,  s = 1/√(v + ε),  n = c s,  f = γ n + β

    β̄ = Σ f̄,    γ̄ = Σ f̄ n,    x̄ = γ s (f̄ - mean f̄ - n · mean(f̄ n))

The two means in x̄ are what flows back through μ and v (Ioffe & Szegedy, 2015, section 3). The
variance is the biased one; ε is 10⁻⁵ as in torch.
"""

from typing import Any

import autograd.numpy as anp
import numpy as np
import torch

from reference_impls.computation import Array, Arrays, Computation, Vjp

EPSILON = 1e-5


def sample(rng: np.random.Generator, size: int) -> Arrays:
    """``size`` rows of 100 columns, as in the two-layer perceptron, whose batch has 64 rows."""
    return {
        "x": rng.normal(0.5, 2.0, (size, 100)),
        "gamma": rng.uniform(0.5, 1.5, 100),
        "beta": rng.standard_normal(100),
    }


def by_autograd(x: Any, gamma: Any, beta: Any) -> Any:
    """The definition, traced."""
    rows = x.shape[0]
    centred = x - anp.sum(x, axis=0) / rows
    variance = anp.sum(centred**2, axis=0) / rows
    return gamma * centred / anp.sqrt(variance + EPSILON) + beta


def by_torch(x: torch.Tensor, gamma: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
    """torch's own node."""
    return torch.nn.functional.batch_norm(x, None, None, gamma, beta, training=True, eps=EPSILON)


def by_hand(x: Array, gamma: Array, beta: Array) -> tuple[Array, Vjp]:
    """The closed form above; the two means in x̄ are β̄ and γ̄ over the number of rows."""
    rows = x.shape[0]
    centred = x - x.sum(axis=0) / rows
    scale = 1 / np.sqrt((centred * centred).sum(axis=0) / rows + EPSILON)
    normalised = centred * scale

    def vjp(g: Array) -> Arrays:
        beta_bar = g.sum(axis=0)
        gamma_bar = (g * normalised).sum(axis=0)
        inner = g - beta_bar / rows - normalised * (gamma_bar / rows)
        return {"x": (gamma * scale) * inner, "gamma": gamma_bar, "beta": beta_bar}

    return gamma * normalised + beta, vjp


COMPUTATION = Computation(
    name="batch_norm",
    origin="optimization, Drawbacks and mitigations",
    sample=sample,
    wrt=("x", "gamma", "beta"),
    sizes=(64, 8, 512, 8_192),
    by_autograd=by_autograd,
    by_torch=by_torch,
    by_hand=by_hand,
    shapes={"x": "N D", "gamma": "D", "beta": "D"},
)
