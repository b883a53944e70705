"""The "postdiction" layer: ridge regression of one part of an embedding on another.

    W*(x, y, λ) = argmin_W  mean((x Wᵀ - y)²) + λ mean(W²)

With S = x as (M, p) and Y = y as (M, q), the gradient is F = 2/(Mq) (S Wᵀ - Y)ᵀ S + 2λ/(pq) W,
and zero where

    W A = Yᵀ S,    A = Sᵀ S + (λ M/p) I        (A is symmetric)

so that, for the cotangent W̄ of W, with V = W̄ A⁻¹ and the residual E = Y - S Wᵀ,

    Ȳ = S Vᵀ,    S̄ = E V - S Vᵀ W,    λ̄ = -(M/p) Σ V · W.
"""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import torch

from reference_impls.computation import Array, Arrays, Computation, Optimality, Vjp
from reference_impls.engines.hips.argmin import autograd_argmin
from reference_impls.engines.pytorch.argmin import torch_argmin
from reference_impls.equations import solve as solve_system

CHANNELS, FEATURES, TARGETS = 16, 20, 10


def sample(rng: np.random.Generator, size: int) -> Arrays:
    """``size`` embeddings of 20 days to learn from and of 10 days to predict, and λ = 1."""
    return {
        "x": rng.standard_normal((size, CHANNELS, FEATURES)),
        "y": rng.standard_normal((size, CHANNELS, TARGETS)),
        "lam": np.asarray(1.0),
    }


def objective(W: Any, x: Any, y: Any, lam: Any) -> Any:
    """What W minimises, in operations that arrays of both engines have."""
    residual = x @ W.T - y
    return (residual**2).sum() / prod(y.shape) + lam * (W**2).sum() / prod(W.shape)


def by_autograd(x: Any, y: Any, lam: Any, *, solve: Callable[..., Any] = autograd_argmin) -> Any:
    """The general operator, told nothing but the objective."""
    initial = np.zeros((y.shape[-1], x.shape[-1]), x.dtype)
    return solve(objective, initial, x, y, lam)


def by_torch(
    x: torch.Tensor,
    y: torch.Tensor,
    lam: torch.Tensor,
    *,
    solve: Callable[..., Any] = torch_argmin,
) -> Any:
    """The general operator, told nothing but the objective."""
    return solve(objective, x.new_zeros((y.shape[-1], x.shape[-1])), x, y, lam)


def by_hand(x: Array, y: Array, lam: Array) -> tuple[Array, Vjp]:
    """The closed form: one matrix, solved with once for W and once for its cotangent."""
    S, Y = _as_matrix(x), _as_matrix(y)
    rows, features = S.shape
    weight = lam * (rows / features)
    A = S.T @ S + weight * np.identity(features, dtype=S.dtype, like=S)
    W = solve_system(A, S.T @ Y).T
    # Where the features are nearly dependent, A lacks digits that S still has. So each solution is
    # refined once, by solving for its residual, which is computed from S.
    W = W + solve_system(A, S.T @ (Y - S @ W.T) - weight * W.T).T

    def vjp(g: Array) -> Arrays:
        V = solve_system(A, g.T).T
        V = V + solve_system(A, g.T - S.T @ (S @ V.T) - weight * V.T).T
        Y_bar = S @ V.T
        S_bar = (Y - S @ W.T) @ V - Y_bar @ W
        return {
            "x": S_bar.reshape(x.shape),
            "y": Y_bar.reshape(y.shape),
            "lam": -(rows / features) * (V * W).sum(),
        }

    return W, vjp


def _as_matrix(batch: Array) -> Array:
    return batch.reshape(-1, batch.shape[-1])


def condition(x: Array, y: Array, lam: Array) -> Callable[[Array], Array]:
    """F, with W and F as vectors."""
    S, Y = _as_matrix(x), _as_matrix(y)

    def gradient(w: Array) -> Array:
        W = w.reshape(Y.shape[1], S.shape[1])
        residual = S @ W.T - Y
        return ((2 / Y.size) * (residual.T @ S) + (2 / W.size) * lam * W).ravel()

    return gradient


def start(x: Array, y: Array, lam: Array) -> Array:  # noqa: ARG001 -- as in Optimality
    """Zeros, as many as W has entries."""
    return np.zeros(y.shape[-1] * x.shape[-1])


def outcome(w: Array, x: Array, y: Array, lam: Array) -> Array:  # noqa: ARG001 -- as in Optimality
    """W from its vector."""
    return w.reshape(y.shape[-1], x.shape[-1])


COMPUTATION = Computation(
    name="ridge_argmin",
    origin="optimization, Part 2: differentiable optimization",
    sample=sample,
    wrt=("x", "y", "lam"),
    sizes=(8, 1, 100, 1_000),
    by_autograd=by_autograd,
    by_torch=by_torch,
    by_hand=by_hand,
    shapes={"x": "B C P", "y": "B C Q", "lam": ""},
    optimality=Optimality(condition, start, outcome),
)
