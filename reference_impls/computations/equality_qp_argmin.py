"""A quadratic programme with equality constraints, through its KKT conditions.

    x*(Q, c, A, b) = argmin_x  ½ xᵀ Q x + cᵀ x    subject to    A x = b

    [ H  Aᵀ ] [ x ]   [ -c ]
    [ A  0  ] [ ν ] = [  b ],    H = ½ (Q + Qᵀ)

The matrix is symmetric. With (u, v) the solution for the right-hand side (x̄, 0),

    c̄ = -u,    b̄ = v,    Ā = -(ν uᵀ + v xᵀ),    Q̄ = -½ (u xᵀ + x uᵀ).
"""

from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
import numpy as np
import torch

from reference_impls.computation import Array, Arrays, Computation, Optimality, Vjp
from reference_impls.engines.hips.argmin import autograd_argmin
from reference_impls.engines.pytorch.argmin import torch_argmin
from reference_impls.equations import solve as solve_system


def sample(rng: np.random.Generator, size: int) -> Arrays:
    """``size`` unknowns, a fifth as many constraints (at least one), Q well conditioned."""
    root = rng.standard_normal((size, size)) / np.sqrt(size)
    constraints = max(1, size // 5)
    return {
        "Q": root @ root.T + np.eye(size),
        "c": rng.standard_normal(size),
        "A": rng.standard_normal((constraints, size)) / np.sqrt(size),
        "b": rng.standard_normal(constraints),
    }


def by_autograd(
    Q: Any, c: Any, A: Any, b: Any, *, solve: Callable[..., Any] = autograd_argmin
) -> Any:
    """The general operator, told the objective and the constraint."""

    def objective(x: Any, Q: Any, c: Any, *_: Any) -> Any:
        return anp.dot(x, anp.dot(Q, x)) / 2 + anp.dot(c, x)

    return solve(objective, np.zeros(c.shape, c.dtype), Q, c, A, b, constraint=constraint)


def by_torch(
    Q: torch.Tensor,
    c: torch.Tensor,
    A: torch.Tensor,
    b: torch.Tensor,
    *,
    solve: Callable[..., Any] = torch_argmin,
) -> torch.Tensor:
    """The general operator, told the objective and the constraint."""

    def objective(
        x: torch.Tensor, Q: torch.Tensor, c: torch.Tensor, *_: torch.Tensor
    ) -> torch.Tensor:
        return x @ Q @ x / 2 + c @ x

    minimum: torch.Tensor = solve(objective, torch.zeros_like(c), Q, c, A, b, constraint=constraint)
    return minimum


def constraint(x: Any, Q: Any, c: Any, A: Any, b: Any) -> Any:  # noqa: ARG001 -- it passes all
    """A x - b, for the arrays of both engines."""
    return A @ x - b


def by_hand(Q: Array, c: Array, A: Array, b: Array) -> tuple[Array, Vjp]:
    """The matrix above, solved with once for x and ν and once for the cotangents."""
    n = c.size
    upper = np.concatenate([(Q + Q.T) / 2, A.T], axis=1)
    lower = np.concatenate([A, np.zeros_like(np.outer(b, b))], axis=1)
    KKT = np.concatenate([upper, lower])
    solution = solve_system(KKT, np.concatenate([-c, b]))
    x, nu = solution[:n], solution[n:]

    def vjp(g: Array) -> Arrays:
        uv = solve_system(KKT, np.concatenate([g, np.zeros_like(b)]))
        u, v = uv[:n], uv[n:]
        ux = np.outer(u, x)
        return {"Q": -(ux + ux.T) / 2, "c": -u, "A": -np.outer(nu, u) - np.outer(v, x), "b": v}

    return x, vjp


def condition(Q: Array, c: Array, A: Array, b: Array) -> Callable[[Array], Array]:
    """The condition without multipliers: P ∇f + Aᵀ (A x - b) = 0, with P = I - Aᵀ (A Aᵀ)⁻¹ A.

    The two terms are orthogonal, so where their sum is zero, both are.
    """

    def projected(x: Array) -> Array:
        gradient = (Q @ x + Q.T @ x) / 2 + c
        normal = A.T @ np.linalg.solve(A @ A.T, A @ gradient)
        return np.asarray(gradient - normal + A.T @ (A @ x - b))

    return projected


def start(Q: Array, c: Array, A: Array, b: Array) -> Array:  # noqa: ARG001 -- as in Optimality
    """Zeros."""
    return np.zeros(c.size)


def outcome(x: Array, Q: Array, c: Array, A: Array, b: Array) -> Array:  # noqa: ARG001 -- as in Optimality
    """The minimum itself."""
    return x


COMPUTATION = Computation(
    name="equality_qp_argmin",
    origin="optimization, Part 2: the constrained case",
    sample=sample,
    wrt=("Q", "c", "A", "b"),
    sizes=(20, 2, 100, 400),
    by_autograd=by_autograd,
    by_torch=by_torch,
    by_hand=by_hand,
    shapes={"Q": "N N", "c": "N", "A": "M N", "b": "M"},
    optimality=Optimality(condition, start, outcome),
)
