"""A quadratic form, which every smooth loss looks like near its minimum.

f(x) = ½ xᵀ A x        x̄ = f̄ ½ (A + Aᵀ) x

Its Hessian is ½ (A + Aᵀ). Where that has one large and one small eigenvalue, the level lines are
narrow ellipses: the ravine in which gradient descent zigzags.
"""

from typing import Any

import autograd.numpy as anp
import numpy as np
import torch

from reference_impls.computation import Array, Arrays, Computation, Vjp


def sample(rng: np.random.Generator, size: int) -> Arrays:
    """``size`` unknowns, and a symmetric A with eigenvalues of about 1 to 5."""
    root = rng.standard_normal((size, size)) / np.sqrt(size)
    return {"x": rng.standard_normal(size), "A": root @ root.T + np.eye(size)}


def by_autograd(x: Any, A: Any) -> Any:
    """The formula, traced."""
    return anp.dot(x, anp.dot(A, x)) / 2


def by_torch(x: torch.Tensor, A: torch.Tensor) -> torch.Tensor:
    """The formula, traced."""
    return x @ (A @ x) / 2


def by_hand(x: Array, A: Array) -> tuple[Array, Vjp]:
    """Both of x's places pass a cotangent back."""
    Ax = A @ x

    def vjp(g: Array) -> Arrays:
        return {"x": (Ax + x @ A) * (g / 2)}

    return (x @ Ax) / 2, vjp


COMPUTATION = Computation(
    name="quadratic",
    origin="optimization, Drawbacks and mitigations: a ravine",
    sample=sample,
    wrt=("x",),
    sizes=(2, 20, 200, 1_000),
    by_autograd=by_autograd,
    by_torch=by_torch,
    by_hand=by_hand,
    shapes={"x": "N", "A": "N N"},
)
