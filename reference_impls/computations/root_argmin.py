"""The fixed point of a recurrent layer: the root of a condition that is not symmetric.

    y*(W, x) solves  F(y) = y - tanh(W y + x) = 0

With D = diag(1 - y²), K = ∂F/∂y = I - D W is not symmetric. With Kᵀ u = ȳ,

    x̄ = D u,    W̄ = (D u) yᵀ.
"""

from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
import numpy as np
import torch

from reference_impls.computation import Array, Arrays, Computation, Optimality, Vjp
from reference_impls.computations import tanh
from reference_impls.engines.hips.argmin import autograd_root
from reference_impls.engines.pytorch.argmin import torch_root
from reference_impls.equations import newton
from reference_impls.equations import solve as solve_system


def sample(rng: np.random.Generator, size: int) -> Arrays:
    """``size`` units; W has 2-norm ½, so tanh(W y + x) contracts and the root is unique."""
    W = rng.standard_normal((size, size))
    return {"W": W / (2 * np.linalg.norm(W, 2)), "x": rng.standard_normal(size)}


def by_autograd(W: Any, x: Any, *, solve: Callable[..., Any] = autograd_root) -> Any:
    """The general operator, told nothing but the condition."""

    def fixed_point(y: Any, W: Any, x: Any) -> Any:
        return y - tanh.by_autograd(anp.dot(W, y) + x)

    return solve(fixed_point, np.zeros(x.shape, x.dtype), W, x)


def by_torch(
    W: torch.Tensor, x: torch.Tensor, *, solve: Callable[..., Any] = torch_root
) -> torch.Tensor:
    """The general operator, told nothing but the condition."""

    def fixed_point(y: torch.Tensor, W: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return y - torch.tanh(W @ y + x)

    root: torch.Tensor = solve(fixed_point, torch.zeros_like(x), W, x)
    return root


def by_hand(W: Array, x: Array) -> tuple[Array, Vjp]:
    """Newton's method; then one solve with the transpose."""
    zeros = np.zeros_like(np.real(x))
    identity = np.identity(x.size, dtype=zeros.dtype, like=zeros)

    def system(y: Array, W: Array, x: Array) -> tuple[Array, Array]:
        t = np.tanh(W @ y + x)
        return identity - (1 - t * t)[:, None] * W, y - t

    y = newton(system, zeros, W, x)
    slope = 1 - y * y
    K = identity - slope[:, None] * W

    def vjp(g: Array) -> Arrays:
        x_bar = slope * solve_system(K.T, g)
        return {"W": np.outer(x_bar, y), "x": x_bar}

    return y, vjp


def condition(W: Array, x: Array) -> Callable[[Array], Array]:
    """F."""
    return lambda y: y - np.tanh(W @ y + x)


def start(W: Array, x: Array) -> Array:  # noqa: ARG001 -- as in Optimality
    """Zeros."""
    return np.zeros(x.size)


def outcome(y: Array, W: Array, x: Array) -> Array:  # noqa: ARG001 -- as in Optimality
    """The root itself."""
    return y


COMPUTATION = Computation(
    name="root_argmin",
    origin="optimization, Part 2: the optimality condition as an equation",
    sample=sample,
    wrt=("W", "x"),
    sizes=(20, 2, 60, 200),
    by_autograd=by_autograd,
    by_torch=by_torch,
    by_hand=by_hand,
    shapes={"W": "N N", "x": "N"},
    optimality=Optimality(condition, start, outcome, is_root=True),
)
