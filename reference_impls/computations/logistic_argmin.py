"""L2-regularised logistic regression as a layer: there is no closed form.

    w*(X, λ) = argmin_w  1/N Σᵢ [log(1 + exp sᵢ) - yᵢ sᵢ] + λ/2 ‖w‖²,    s = X w

    F = Xᵀ e/N + λ w = 0,  e = σ(s) - y        K = Xᵀ D X/N + λ I,  D = diag(σ(1 - σ))

With K u = w̄, and ⟨u, F⟩ differentiated at fixed w,

    X̄ = -(e uᵀ + (D X u) wᵀ)/N,    λ̄ = -uᵀ w.
"""

from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
import numpy as np
import torch

from reference_impls.computation import Array, Arrays, Computation, Optimality, Vjp
from reference_impls.computations import sigmoid
from reference_impls.engines.hips.argmin import autograd_argmin
from reference_impls.engines.pytorch.argmin import torch_argmin
from reference_impls.equations import newton
from reference_impls.equations import solve as solve_system

FEATURES = 20


def sample(rng: np.random.Generator, size: int) -> Arrays:
    """``size`` rows of 20 standard normal features with labels of a noisy logistic model."""
    X = rng.standard_normal((size, FEATURES))
    probability = 1 / (1 + np.exp(-X @ rng.standard_normal(FEATURES)))
    return {
        "X": X,
        "y": (rng.random(size) < probability).astype(np.float64),
        "lam": np.asarray(0.1),
    }


def by_autograd(X: Any, y: Any, lam: Any, *, solve: Callable[..., Any] = autograd_argmin) -> Any:
    """The general operator, told nothing but the objective."""

    def objective(w: Any, X: Any, lam: Any) -> Any:
        s = anp.dot(X, w)
        return anp.sum(anp.logaddexp(0, s) - y * s) / y.size + lam / 2 * anp.sum(w**2)

    return solve(objective, np.zeros(X.shape[1], y.dtype), X, lam)


def by_torch(
    X: torch.Tensor,
    y: torch.Tensor,
    lam: torch.Tensor,
    *,
    solve: Callable[..., Any] = torch_argmin,
) -> Any:
    """The general operator, told nothing but the objective."""

    def objective(w: torch.Tensor, X: torch.Tensor, lam: torch.Tensor) -> torch.Tensor:
        loss = torch.nn.functional.binary_cross_entropy_with_logits(X @ w, y)
        return loss + lam / 2 * w.square().sum()

    return solve(objective, X.new_zeros(X.shape[1]), X, lam)


def by_hand(X: Array, y: Array, lam: Array) -> tuple[Array, Vjp]:
    """Newton's method; then the solve and the two terms above."""
    rows, features = X.shape
    zeros = np.zeros_like(np.real(X[0]))
    identity = np.identity(features, dtype=zeros.dtype, like=zeros)

    def system(w: Array, X: Array, lam: Array) -> tuple[Array, Array]:
        probability, _ = sigmoid.by_hand(X @ w)
        K = (X.T * (probability * (1 - probability))) @ X / rows + lam * identity
        return K, X.T @ (probability - y) / rows + lam * w

    w = newton(system, zeros, X, lam)
    K, _ = system(w, X, lam)
    probability, _ = sigmoid.by_hand(X @ w)
    slope = probability * (1 - probability)

    def vjp(g: Array) -> Arrays:
        u = solve_system(K, g)
        X_bar = np.outer(probability - y, u) + np.outer(slope * (X @ u), w)
        return {"X": -X_bar / rows, "lam": -(u * w).sum()}

    return w, vjp


def condition(X: Array, y: Array, lam: Array) -> Callable[[Array], Array]:
    """F, with σ(s) written as ½ (1 + tanh ½s)."""
    return lambda w: X.T @ ((1 + np.tanh(X @ w / 2)) / 2 - y) / y.size + lam * w


def start(X: Array, y: Array, lam: Array) -> Array:  # noqa: ARG001 -- as in Optimality
    """Zeros."""
    return np.zeros(X.shape[1])


def outcome(w: Array, X: Array, y: Array, lam: Array) -> Array:  # noqa: ARG001 -- as in Optimality
    """The weights themselves."""
    return w


COMPUTATION = Computation(
    name="logistic_argmin",
    origin="optimization, Part 2: differentiable optimization",
    sample=sample,
    wrt=("X", "lam"),
    sizes=(1_000, 10, 100, 10_000),
    by_autograd=by_autograd,
    by_torch=by_torch,
    by_hand=by_hand,
    shapes={"X": "N D", "y": "N", "lam": ""},
    optimality=Optimality(condition, start, outcome),
)
