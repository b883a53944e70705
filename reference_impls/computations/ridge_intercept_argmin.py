"""Ridge regression with an intercept that is not penalised: an argmin over two unknowns.

    (W*, b*)(x, y, λ) = argmin_{W, b}  mean((x Wᵀ + b - y)²) + λ mean(W²)

With x (M, p) and y (M, q), the unknowns W (q, p) and b (q,) differ in shape and in units. With
S = [x 1], Z = [W b] and D the identity but for a last entry of zero, both gradients are zero where

    Z A = yᵀ S,    A = Sᵀ S + (λ M/p) D        (A is symmetric)

so that, for the cotangent Z̄ of Z, with V = Z̄ A⁻¹ and the residual E = y - S Zᵀ,

    ȳ = S Vᵀ,    x̄ = E V - S Vᵀ Z without the last column,    λ̄ = -(M/p) Σ V D · Z.

The value is Z: values are single arrays, so b is a column beside those of W.
"""

from collections.abc import Callable
from math import prod
from typing import Any

import autograd.numpy as anp
import numpy as np
import torch

from reference_impls.computation import Array, Arrays, Computation, Optimality, Vjp
from reference_impls.engines.hips.argmin import autograd_argmin
from reference_impls.engines.pytorch.argmin import torch_argmin
from reference_impls.equations import solve as solve_system

FEATURES, TARGETS = 20, 3


def sample(rng: np.random.Generator, size: int) -> Arrays:
    """``size`` rows of features and of targets, neither of mean zero, and λ = 1."""
    return {
        "x": 1 + rng.standard_normal((size, FEATURES)),
        "y": 2 + rng.standard_normal((size, TARGETS)),
        "lam": np.asarray(1.0),
    }


def objective(unknowns: Any, x: Any, y: Any, lam: Any) -> Any:
    """What W and b minimise, in operations that arrays of both engines have."""
    W, b = unknowns["W"], unknowns["b"]
    residual = x @ W.T + b - y
    return (residual**2).sum() / prod(y.shape) + lam * (W**2).sum() / prod(W.shape)


def by_autograd(x: Any, y: Any, lam: Any, *, solve: Callable[..., Any] = autograd_argmin) -> Any:
    """The general operator, told the objective and both unknowns' shapes."""
    (_, p), (_, q) = x.shape, y.shape
    found = solve(objective, {"W": np.zeros((q, p), x.dtype), "b": np.zeros(q, x.dtype)}, x, y, lam)
    return anp.concatenate([found["W"], found["b"][:, None]], axis=1)


def by_torch(
    x: torch.Tensor,
    y: torch.Tensor,
    lam: torch.Tensor,
    *,
    solve: Callable[..., Any] = torch_argmin,
) -> torch.Tensor:
    """The general operator, told the objective and both unknowns' shapes."""
    (_, p), (_, q) = x.shape, y.shape
    found = solve(objective, {"W": x.new_zeros((q, p)), "b": x.new_zeros(q)}, x, y, lam)
    return torch.cat([found["W"], found["b"][:, None]], dim=1)


def by_hand(x: Array, y: Array, lam: Array) -> tuple[Array, Vjp]:
    """The closed form: one matrix, solved with once for Z and once for its cotangent."""
    rows, p = x.shape
    S = np.concatenate([x, np.ones_like(x[:, :1])], axis=1)
    D = np.concatenate([np.ones_like(S[0, :p]), np.zeros_like(S[0, p:])])
    weights = lam * (rows / p) * D
    A = S.T @ S + weights * np.identity(p + 1, dtype=S.dtype, like=S)
    Z = solve_system(A, S.T @ y).T
    # With hardly more rows than features, A lacks digits that S still has. So each solution is
    # refined once, by solving for its residual, which is computed from S.
    Z = Z + solve_system(A, S.T @ (y - S @ Z.T) - (weights * Z).T).T

    def vjp(g: Array) -> Arrays:
        V = solve_system(A, g.T).T
        V = V + solve_system(A, g.T - S.T @ (S @ V.T) - (weights * V).T).T
        y_bar = S @ V.T
        S_bar = (y - S @ Z.T) @ V - y_bar @ Z
        return {"x": S_bar[:, :p], "y": y_bar, "lam": -(rows / p) * (V * D * Z).sum()}

    return Z, vjp


def condition(x: Array, y: Array, lam: Array) -> Callable[[Array], Array]:
    """Both gradients, side by side as W and b are in Z, with Z and them as vectors."""
    (rows, p), (_, q) = x.shape, y.shape
    # With the ones, b's gradient comes of the same product as W's. NumPy's sum over the rows would
    # add them up one by one, and lose three digits of 16,000.
    S = np.concatenate([x, np.ones((rows, 1))], axis=1)
    D = np.append(np.ones(p), 0)

    def gradients(z: Array) -> Array:
        Z = z.reshape(q, p + 1)
        of_fit = (2 / y.size) * ((S @ Z.T - y).T @ S)
        return np.asarray(of_fit + (2 / (p * q)) * lam * Z * D).ravel()

    return gradients


def start(x: Array, y: Array, lam: Array) -> Array:  # noqa: ARG001 -- as in Optimality
    """Zeros, as many as W and b have entries."""
    return np.zeros(y.shape[1] * (x.shape[1] + 1))


def outcome(z: Array, x: Array, y: Array, lam: Array) -> Array:  # noqa: ARG001 -- as in Optimality
    """Z from its vector."""
    return z.reshape(y.shape[1], x.shape[1] + 1)


COMPUTATION = Computation(
    name="ridge_intercept_argmin",
    origin="optimization, Part 2: several variable tensors",
    sample=sample,
    wrt=("x", "y", "lam"),
    sizes=(128, 16, 1_600, 16_000),
    by_autograd=by_autograd,
    by_torch=by_torch,
    by_hand=by_hand,
    shapes={"x": "M P", "y": "M Q", "lam": ""},
    optimality=Optimality(condition, start, outcome),
)
