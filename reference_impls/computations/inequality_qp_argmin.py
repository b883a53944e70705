"""A quadratic programme with inequality constraints, through its KKT conditions.

    x*(Q, c, G, h) = argmin_x  ½ xᵀ Q x + cᵀ x    subject to    G x ≤ h

With multipliers μ, one for each constraint, and H = ½ (Q + Qᵀ), the minimum is where

    H x + c + Gᵀ μ = 0,    G x ≤ h,    μ ≥ 0,    μᵢ (G x - h)ᵢ = 0.

On the active set a = {i : μᵢ > 0} that is the linear system

    [ H    G_aᵀ ] [ x   ]   [ -c  ]
    [ G_a   0   ] [ μ_a ] = [ h_a ].

Off it, μ stays zero as long as the constraints hold with room to spare, so its derivative is zero.
The value is (x, μ). With (u, v) the solution of the system for the right-hand side (x̄, μ̄_a),

    c̄ = -u,    h̄_a = v,    Ḡ_a = -(μ_a uᵀ + v xᵀ),    Q̄ = -½ (u xᵀ + x uᵀ).

Where a constraint is weakly active, which is to say that it holds with equality and its multiplier
is zero, there are only one-sided derivatives. All three implementations are told the active set;
each finds x and μ on it for itself.
"""

from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
import numpy as np
import torch
from autograd.tracer import getval
from scipy import linalg, optimize

from reference_impls.computation import Array, Arrays, Computation, Optimality, Vjp
from reference_impls.engines.hips.argmin import autograd_root
from reference_impls.engines.pytorch.argmin import torch_root
from reference_impls.equations import solve as solve_system
from reference_impls.implicit import ImplicitError

FEASIBLE = 1e-12
"""What least squares leave of 1 below this is rounding."""


HELD = 1e-8
"""Of its terms, by so much a constraint may be violated: half of float64's digits."""


class InfeasibleError(ImplicitError):
    """No x satisfies all constraints."""


def sample(rng: np.random.Generator, size: int) -> Arrays:
    """``size`` unknowns and as many constraints; half of them are active.

    c and h are made from the solution, so that every active constraint has a multiplier of at least
    a half, and every other one as much room.
    """
    root = rng.standard_normal((size, size)) / np.sqrt(size)
    Q, G = root @ root.T + np.eye(size), rng.standard_normal((size, size)) / np.sqrt(size)
    x, size_of = rng.standard_normal(size), rng.uniform(0.5, 1.5, size)
    active = rng.permutation(size) < size // 2
    return {
        "Q": Q,
        "c": -Q @ x - G.T @ np.where(active, size_of, 0),
        "G": G,
        "h": G @ x + np.where(active, 0, size_of),
    }


def by_autograd(
    Q: Any, c: Any, G: Any, h: Any, *, solve: Callable[..., Any] = autograd_root
) -> Any:
    """The general operator, told the KKT conditions on the active set."""
    active = active_set(*(getval(primal) for primal in (Q, c, G, h)))
    start = {"x": np.zeros(c.shape, c.dtype), "mu": np.zeros(active.size, c.dtype)}
    found = solve(kkt, start, Q, c, G[active], h[active])
    scatter = np.eye(h.size, dtype=c.dtype)[:, active]
    return anp.concatenate([found["x"], anp.dot(scatter, found["mu"])])


def by_torch(
    Q: torch.Tensor,
    c: torch.Tensor,
    G: torch.Tensor,
    h: torch.Tensor,
    *,
    solve: Callable[..., Any] = torch_root,
) -> torch.Tensor:
    """The general operator, told the KKT conditions on the active set."""
    found_active = active_set(*(primal.detach().cpu().numpy() for primal in (Q, c, G, h)))
    active = torch.as_tensor(found_active, device=c.device)
    start = {"x": torch.zeros_like(c), "mu": h.new_zeros(active.numel())}
    found = solve(kkt, start, Q, c, G[active], h[active])
    return torch.cat([found["x"], torch.zeros_like(h).index_add(0, active, found["mu"])])


def kkt(unknowns: Any, Q: Any, c: Any, G: Any, h: Any) -> Any:
    """What is zero at a minimum with G x = h, for the arrays of both engines."""
    x, mu = unknowns["x"], unknowns["mu"]
    return {"x": (Q @ x + Q.T @ x) / 2 + c + G.T @ mu, "mu": G @ x - h}


def by_hand(Q: Array, c: Array, G: Array, h: Array) -> tuple[Array, Vjp]:
    """The matrix above, solved with once for x and μ and once for the cotangents."""
    active = active_set(Q, c, G, h).tolist()
    n, m = c.size, h.size
    scatter = np.identity(m, dtype=G.dtype, like=G)[:, active]
    G_a, zeros = G[active], np.zeros_like(scatter[active])
    H = (Q + Q.T) / 2
    KKT = np.concatenate([np.concatenate([H, G_a.T], axis=1), np.concatenate([G_a, zeros], axis=1)])
    solution = solve_system(KKT, np.concatenate([-c, h[active]]))
    x, mu = solution[:n], solution[n:]

    def vjp(g: Array) -> Arrays:
        uv = solve_system(KKT, np.concatenate([g[:n], g[n:][active]]))
        u, v = uv[:n], uv[n:]
        ux = np.outer(u, x)
        G_bar = -np.outer(mu, u) - np.outer(v, x)
        return {"Q": -(ux + ux.T) / 2, "c": -u, "G": scatter @ G_bar, "h": scatter @ v}

    return np.concatenate([x, scatter @ mu]), vjp


def active_set(Q: Array, c: Array, G: Array, h: Array) -> Array:
    """The indices of the constraints that have a multiplier, ascending, as a NumPy array."""
    return np.flatnonzero(multipliers(Q, c, G, h))


def multipliers(Q: Array, c: Array, G: Array, h: Array) -> Array:
    """Finds μ in float64 on the host; the primals may be CuPy's, narrow or complex.

    With L Lᵀ = H and z = Lᵀ x + L⁻¹ c, the objective is ½ ‖z‖² but for a constant.

    Args:
        Q: whose symmetric part is positive definite, (n, n).
        c: (n,).
        G: (m, n).
        h: (m,).

    Raises:
        InfeasibleError: no x satisfies all constraints, or too few do for float64 to find one.
        LinAlgError: the symmetric part of Q is not positive definite.
    """
    Q, c, G, h = (np.array(np.real(primal).astype(np.float64).tolist()) for primal in (Q, c, G, h))
    L = np.linalg.cholesky((Q + Q.T) / 2)
    if not h.size:
        return np.zeros(0)
    D = linalg.solve_triangular(L, G.T, lower=True).T
    middle = linalg.solve_triangular(L, c, lower=True)
    mu = _of_least_distance(D, h + D @ middle)
    x = -linalg.solve_triangular(L, middle + D.T @ mu, lower=True, trans="T")
    # Where there is hardly an x, or none, multipliers grow until least squares leave only rounding.
    if (G @ x - h > HELD * (np.abs(G) @ np.abs(x) + np.abs(h))).any():
        raise InfeasibleError("no x satisfies all constraints G x ≤ h, or only just")
    return mu


def _of_least_distance(D: Array, d: Array) -> Array:
    """The multipliers of the shortest z for which D z ≤ d; those that are zero are so exactly.

    They come of least squares with a solution that is not negative (Lawson & Hanson, *Solving Least
    Squares Problems*, 1974, chapter 23). What it leaves is zero if there is no such z.
    """
    # Without units: the constraints by their lengths, z by the furthest of them.
    lengths = np.linalg.norm(D, axis=1)
    lengths[lengths == 0] = 1.0
    furthest = (np.abs(d) / lengths).max() or 1.0
    E = np.vstack([D.T, d / furthest]) / lengths
    target = np.append(np.zeros(D.shape[1]), -1.0)
    weights, _ = optimize.nnls(E, target)
    left = (E @ weights - target)[-1]
    if left < FEASIBLE:
        raise InfeasibleError("no x satisfies all constraints G x ≤ h")
    return np.asarray(weights / lengths * (furthest / left))


def condition(Q: Array, c: Array, G: Array, h: Array) -> Callable[[Array], Array]:
    """The KKT conditions on the active set; for the other multipliers themselves, to stay zero."""
    n = c.size

    def conditions(y: Array) -> Array:
        x, mu = y[:n], y[n:]
        stationarity = (Q @ x + Q.T @ x) / 2 + c + G.T @ mu
        return np.concatenate([stationarity, np.where(np.real(mu) == 0, mu, G @ x - h)])

    return conditions


def start(Q: Array, c: Array, G: Array, h: Array) -> Array:  # noqa: ARG001 -- as in Optimality
    """Zeros."""
    return np.zeros(c.size + h.size)


def outcome(y: Array, Q: Array, c: Array, G: Array, h: Array) -> Array:  # noqa: ARG001 -- as in Optimality
    """The minimum and the multipliers themselves."""
    return y


def search(tolerance: float, Q: Array, c: Array, G: Array, h: Array) -> Array:  # noqa: ARG001 -- as in Optimality
    """The minimum from all multipliers: after finitely many steps, whatever the tolerance."""
    mu = multipliers(Q, c, G, h)
    return np.concatenate([-np.linalg.solve((Q + Q.T) / 2, c + G.T @ mu), mu])


def support(y: Array, Q: Array, c: Array, G: Array, h: Array) -> Array:  # noqa: ARG001 -- as in Optimality
    """The signs of the multipliers; x has no kinks, and 1 for all of its entries."""
    return np.concatenate([np.ones(c.size), np.sign(y[c.size :])])


def margin(y: Array, Q: Array, c: Array, G: Array, h: Array) -> float:
    """The least force of an active constraint, or room to another one, each beside its terms.

    It is infinite where there are no constraints.
    """
    x, mu = y[: c.size], y[c.size :]
    lengths = np.linalg.norm(G, axis=1)
    force = np.abs(mu) * lengths / (np.linalg.norm(Q @ x + Q.T @ x) / 2 + np.linalg.norm(c))
    room = (h - G @ x) / (lengths * np.linalg.norm(x) + np.abs(h))
    return float(np.where(mu == 0, room, force).min(initial=np.inf))


COMPUTATION = Computation(
    name="inequality_qp_argmin",
    origin="optimization, Part 2: the constrained case",
    sample=sample,
    wrt=("Q", "c", "G", "h"),
    sizes=(20, 2, 60, 200),
    by_autograd=by_autograd,
    by_torch=by_torch,
    by_hand=by_hand,
    shapes={"Q": "N N", "c": "N", "G": "M N", "h": "M"},
    optimality=Optimality(
        condition, start, outcome, is_root=True, search=search, support=support, margin=margin
    ),
)
