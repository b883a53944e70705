"""Elastic-net regression as a layer whose inputs are its two penalties.

    w*(l₁, l₂) = argmin_w  1/N ‖X w - y‖² + l₁ mean|w| + l₂ mean w²        (n features)

On the active set a = {j : wⱼ ≠ 0}, with signs s, the objective is smooth and

    A w_a = (2/N) X_aᵀ y - (l₁/n) s,    A = (2/N) X_aᵀ X_a + (2 l₂/n) I.

Off it, w stays zero as long as the slope of the other terms is below l₁/n, so its derivative is
zero. With A u = w̄_a,

    l̄₁ = -sᵀ u/n,    l̄₂ = -2 w_aᵀ u/n.

At a penalty where a weight enters or leaves the set there are only one-sided derivatives. All
three implementations are told the active set; each finds the weights on it for itself.
"""

from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
import numpy as np
import torch
from autograd.tracer import getval

from reference_impls.computation import Array, Arrays, Computation, Optimality, Vjp
from reference_impls.datasets import regression
from reference_impls.engines.hips.argmin import autograd_argmin
from reference_impls.engines.pytorch.argmin import torch_argmin
from reference_impls.equations import solve as solve_system
from reference_impls.implicit import NotConvergedError

FEATURES = 20
SWEEPS = 10_000
ROUNDING = 16 * float(np.finfo(np.float64).eps)
"""A relative change of a weight that is rounding, and may go on for ever."""


def sample(rng: np.random.Generator, size: int) -> Arrays:
    """The tutorial's standardised regression, with penalties that leave some weights at zero."""
    X, y = regression(rng, size, FEATURES)
    return {"X": X, "y": y, "l1": np.asarray(200.0), "l2": np.asarray(1.0)}


def by_autograd(
    X: Any, y: Any, l1: Any, l2: Any, *, solve: Callable[..., Any] = autograd_argmin
) -> Any:
    """The general operator on the active weights, scattered into all of them."""
    signs = active_signs(X, y, getval(l1), getval(l2))
    active = np.flatnonzero(signs)
    if not active.size:
        return np.zeros(signs.size, X.dtype) * l1 * l2
    objective = objective_on(X[:, active], y, signs[active].astype(X.dtype), signs.size)
    w = solve(objective, np.zeros(active.size, X.dtype), l1, l2)
    return anp.dot(np.eye(signs.size, dtype=X.dtype)[:, active], w)


def by_torch(
    X: torch.Tensor,
    y: torch.Tensor,
    l1: torch.Tensor,
    l2: torch.Tensor,
    *,
    solve: Callable[..., Any] = torch_argmin,
) -> torch.Tensor:
    """The general operator on the active weights, scattered into all of them."""
    arrays = (tensor.detach().cpu().numpy() for tensor in (X, y, l1, l2))
    signs = torch.as_tensor(active_signs(*arrays), dtype=X.dtype, device=X.device)
    active = signs.nonzero()[:, 0]
    weights = X.new_zeros(signs.numel())
    if not active.numel():
        return weights * l1 * l2
    objective = objective_on(X[:, active], y, signs[active], signs.numel())
    return weights.index_add(0, active, solve(objective, weights[active], l1, l2))


def by_hand(X: Array, y: Array, l1: Array, l2: Array) -> tuple[Array, Vjp]:
    """The linear system on the active set, solved once for w and once for its cotangent."""
    signs = active_signs(X, y, l1, l2)
    n, rows = signs.size, y.size
    active = np.flatnonzero(signs).tolist()
    s = np.asarray(signs[active].tolist(), dtype=X.dtype, like=X)
    identity = np.identity(n, dtype=X.dtype, like=X)
    scatter, X_a = identity[:, active], X[:, active]
    A = (2 / rows) * (X_a.T @ X_a) + (2 / n) * l2 * identity[active][:, active]
    w = solve_system(A, (2 / rows) * (X_a.T @ y) - (l1 / n) * s)

    def vjp(g: Array) -> Arrays:
        u = solve_system(A, g[active])
        return {"l1": -(s * u).sum() / n, "l2": -2 * (w * u).sum() / n}

    return scatter @ w, vjp


def active_signs(X: Array, y: Array, l1: Array, l2: Array) -> Array:
    """The sign of every weight at the minimum, (n,), each -1, 0 or 1, as a NumPy array."""
    return np.sign(coordinate_descent(ROUNDING, X, y, l1, l2))


def coordinate_descent(tolerance: float, X: Array, y: Array, l1: Array, l2: Array) -> Array:
    """Finds the minimum in float64 on the host; the primals may be CuPy's, narrow or complex.

    Minimises in one weight after the other by soft thresholding (Friedman, Hastie & Tibshirani,
    *Regularization paths for generalized linear models via coordinate descent*, 2010).

    Args:
        tolerance: on the largest change of a weight in one sweep, relative to the largest weight.
        X: features, (N, n).
        y: targets, (N,).
        l1: penalty on the mean absolute weight, not negative.
        l2: penalty on the mean squared weight, not negative.

    Raises:
        ValueError: a penalty is negative: the objective is then not convex.
        NotConvergedError: the weights still change after `SWEEPS` sweeps.
    """
    X, y = np.real(X).astype(np.float64), np.real(y).astype(np.float64)
    (rows, n), gram, moments = X.shape, np.array((X.T @ X).tolist()), np.array((X.T @ y).tolist())
    gram, moments = 2 / rows * gram, 2 / rows * moments
    lasso, ridge = (float(np.real(penalty)) / n for penalty in (l1, l2))
    if min(lasso, ridge) < 0:
        raise ValueError(
            f"got penalties l1 {lasso * n:g} and l2 {ridge * n:g}, wanted none below 0"
        )
    curvature = np.diag(gram) + 2 * ridge
    if not (curvature > 0).all():
        flat = int(np.argmin(curvature))
        raise ValueError(f"feature {flat} is zero everywhere, and l2 is 0: any weight will do")
    w = np.zeros(n)
    for _ in range(SWEEPS):
        before = w.copy()
        for j in range(n):
            pull = moments[j] - gram[j] @ w + gram[j, j] * w[j]
            w[j] = np.sign(pull) * max(abs(pull) - lasso, 0) / curvature[j]
        if np.abs(w - before).max() <= tolerance * np.abs(w).max():
            return w
    raise NotConvergedError(
        f"elastic net: not converged after {SWEEPS} sweeps; the features are nearly dependent: "
        "raise l2"
    )


def objective_on(X: Any, y: Any, signs: Any, n: int) -> Callable[[Any, Any, Any], Any]:
    """The objective as long as the active weights keep their signs: smooth, for both engines."""

    def objective(w: Any, l1: Any, l2: Any) -> Any:
        residual = X @ w - y
        penalty = l1 * (signs * w).sum() + l2 * (w * w).sum()
        return (residual * residual).sum() / X.shape[0] + penalty / n

    return objective


def condition(X: Array, y: Array, l1: Array, l2: Array) -> Callable[[Array], Array]:
    """The gradient in the weights that are not zero; for the others the weight, to stay zero."""

    def gradient(w: Array) -> Array:
        signs = np.sign(np.real(w))
        return np.where(signs == 0, w, slope(w, X, y, l2) + l1 / w.size * signs)

    return gradient


def slope(w: Array, X: Array, y: Array, l2: Array) -> Array:
    """The gradient without the term in l₁."""
    of_fit: Array = 2 / y.size * (X.T @ (X @ w - y))
    return of_fit + 2 / w.size * l2 * w


def start(X: Array, y: Array, l1: Array, l2: Array) -> Array:  # noqa: ARG001 -- as in Optimality
    """Zeros."""
    return np.zeros(X.shape[1])


def outcome(w: Array, X: Array, y: Array, l1: Array, l2: Array) -> Array:  # noqa: ARG001 -- as in Optimality
    """The weights themselves."""
    return w


def support(w: Array, X: Array, y: Array, l1: Array, l2: Array) -> Array:  # noqa: ARG001 -- as in Optimality
    """The signs of the weights."""
    return np.sign(w)


def margin(w: Array, X: Array, y: Array, l1: Array, l2: Array) -> float:
    """The least relative distance of a weight from zero, or of a zero's slope from l₁/n."""
    largest = np.abs(w).max() or 1.0
    slack = 1 - np.abs(slope(w, X, y, l2)) * w.size / l1
    return float(np.where(w == 0, slack, np.abs(w) / largest).min())


COMPUTATION = Computation(
    name="elastic_net_argmin",
    origin="optimization, Part 2: differentiable optimization",
    sample=sample,
    wrt=("l1", "l2"),
    sizes=(1_000, 10, 100, 10_000),
    by_autograd=by_autograd,
    by_torch=by_torch,
    by_hand=by_hand,
    shapes={"X": "N D", "y": "N", "l1": "", "l2": ""},
    optimality=Optimality(
        condition, start, outcome, search=coordinate_descent, support=support, margin=margin
    ),
)
