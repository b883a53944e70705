"""Exponential linear unit from primitive operations, elementwise in z, with a scalar α.

    m = min(z, 0),  e = eᵐ,  s = e - 1,  n = α s,  f = z where z > 0, else n

    n̄ = f̄ · [z ≤ 0],  ᾱ = Σ n̄ s,  s̄ = α n̄,  ē = s̄,  m̄ = ē e,  z̄ = f̄ · [z > 0] + m̄

The custom node `elu` is one operation, with a derivative of its own; here the engines derive it
from these. The tutorial's graph has four nodes: Where, Mul, Sub, Exp. Its exponential is that of z
itself: from z = 710 on (88 in float32) e is infinite, the branch that was not selected passes back
0 · ∞, and z̄ is NaN although f is right. Here a fifth node, m, comes before the exponential. Like
the tutorial's, s loses digits where z is a little below 0, which `elu` keeps: f is right to a
rounding of α, not to one of f.

At the kink z = 0 all three implementations answer α, the left derivative, as `elu` does: autograd's
`minimum` would split the tie there, and answer α/2, which lies between no one-sided derivatives.
"""

from typing import Any

import autograd.numpy as anp
import numpy as np
import torch

from reference_impls.computation import Array, Arrays, Computation, Vjp
from reference_impls.computations.elu import sample


def by_autograd(z: Any, alpha: Any) -> Any:
    """The formula, traced; the minimum is a selection, for its derivative at the tie."""
    positive = z > 0
    return anp.where(positive, z, alpha * (anp.exp(anp.where(positive, 0, z)) - 1))


def by_torch(z: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """The tutorial's four nodes, and a clamp before the exponential."""
    return torch.where(z > 0, z, alpha * (torch.exp(z.clamp(max=0)) - 1))


def by_hand(z: Array, alpha: Array) -> tuple[Array, Vjp]:
    """The graph walked backward; z has two children, so its cotangent is a sum."""
    positive = z > 0
    e = np.exp(np.where(positive, 0, z))
    s = e - 1

    def vjp(g: Array) -> Arrays:
        n_bar = np.where(positive, 0, g)
        return {"z": np.where(positive, g, 0) + alpha * n_bar * e, "alpha": np.sum(n_bar * s)}

    return np.where(positive, z, alpha * s), vjp


COMPUTATION = Computation(
    name="composite_elu",
    origin="optimization, Part 1: ELU from primitive operations",
    sample=sample,
    wrt=("z", "alpha"),
    sizes=(6, 1_000, 32_768, 1_048_576),
    by_autograd=by_autograd,
    by_torch=by_torch,
    by_hand=by_hand,
    shapes={"z": "...", "alpha": ""},
)
