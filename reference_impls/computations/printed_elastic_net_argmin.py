"""The elastic net at the point that its tutorial printed, where the penalty l₁ is negative.

    w*(l₁, l₂) = argmin_w  1/N ‖X w - y‖² + l₁ mean|w| + l₂ mean w²        (n features)

A negative l₁ drives every weight away from zero: there is a minimum for many a choice of signs,
and `elastic_net_argmin`, which looks for the only one, refuses. Here the signs s are given. With
them l₁ mean|w| = (l₁/n) sᵀ w, the objective is smooth, and

    A w = (2/N) Xᵀ y - (l₁/n) s,    A = (2/N) Xᵀ X + (2 l₂/n) I.

With A u = w̄,

    l̄₁ = -sᵀ u/n,    l̄₂ = -2 wᵀ u/n.

That w is a minimum of the objective with |w| only where it has those signs; where it has others,
all three implementations raise SignsError.
"""

from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
import numpy as np
import torch
from autograd.tracer import getval

from reference_impls.computation import Array, Arrays, Computation, Optimality, Vjp
from reference_impls.computations.elastic_net_argmin import (
    FEATURES,
    active_signs,
    objective_on,
    slope,
)
from reference_impls.datasets import tutorial_regression
from reference_impls.engines.hips.argmin import autograd_argmin
from reference_impls.engines.pytorch.argmin import torch_argmin
from reference_impls.equations import solve as solve_system
from reference_impls.implicit import ImplicitError, NotConvergedError


class SignsError(ImplicitError):
    """The objective has no minimum with the signs that were given."""


ROWS = 1_000
L1, L2 = -0.90902919, 1.08705153
"""The tutorial draws its penalties unseeded: these two give the twenty numbers that it printed."""


ROUNDS = 100
"""At the tutorial's penalties, it takes two until the signs stay."""


def sample(rng: np.random.Generator, size: int) -> Arrays:
    """The tutorial's own numbers at its own size; at others, its problem from another seed."""
    seed = 42 if size == ROWS else int(rng.integers(2**32))
    data = tutorial_regression(seed, size, FEATURES)
    X, y, l1, l2 = data.features, data.targets, np.asarray(L1), np.asarray(L2)
    return {"X": X, "y": y, "signs": signs_of_a_minimum(X, y, l1, l2), "l1": l1, "l2": l2}


def signs_of_a_minimum(X: Array, y: Array, l1: Array, l2: Array) -> Array:
    """The signs of the only minimum for a positive l₁, else of the one ridge regression leads to.

    For a negative l₁, the minimum for given signs has a smaller objective the more of them it
    contradicts, and so its own signs are taken next, until it has those it was found for. No signs
    come twice (Yuille & Rangarajan, *The concave-convex procedure*, 2003). For a positive one that
    would lead away from the minimum, and may go round for ever.

    Raises:
        SignsError: a positive l₁ holds weights at zero: no signs tell the solver to hold them.
        NotConvergedError: the signs still change after `ROUNDS` rounds.
        ValueError: l₁ is positive, and l₂ negative.
    """
    if l1 > 0:
        return _signs_of_the_only_minimum(X, y, l1, l2)
    signs = np.zeros(X.shape[1])
    for _ in range(ROUNDS):
        own = np.sign(_weights(X, y, signs, l1, l2))
        if (own == signs).all():
            return signs
        signs = own
    raise NotConvergedError(
        f"elastic net: the signs still change after {ROUNDS} rounds with l1 {l1:g} and l2 {l2:g}: "
        "raise l2"
    )


def _signs_of_the_only_minimum(X: Array, y: Array, l1: Array, l2: Array) -> Array:
    signs = active_signs(X, y, l1, l2)
    if held := int((signs == 0).sum()):
        raise SignsError(
            f"l1: got {l1:g}, which holds {held} of {signs.size} weights at zero, where they have "
            "no sign; elastic_net_argmin takes it"
        )
    return signs


def by_autograd(
    X: Any, y: Any, signs: Any, l1: Any, l2: Any, *, solve: Callable[..., Any] = autograd_argmin
) -> Any:
    """The general operator, told the objective with these signs."""
    w = solve(objective_on(X, y, signs, signs.size), anp.zeros_like(signs), l1, l2)
    _check_signs(getval(w), signs)
    return w


def by_torch(
    X: torch.Tensor,
    y: torch.Tensor,
    signs: torch.Tensor,
    l1: torch.Tensor,
    l2: torch.Tensor,
    *,
    solve: Callable[..., Any] = torch_argmin,
) -> torch.Tensor:
    """The general operator, told the objective with these signs."""
    objective = objective_on(X, y, signs, signs.numel())
    w: torch.Tensor = solve(objective, torch.zeros_like(signs), l1, l2)
    _check_signs(w.detach().cpu().numpy(), signs.detach().cpu().numpy())
    return w


def by_hand(X: Array, y: Array, signs: Array, l1: Array, l2: Array) -> tuple[Array, Vjp]:
    """The linear system, solved once for w and once for its cotangent."""
    A, n = _matrix(X, l2), signs.size
    w = _weights(X, y, signs, l1, l2)
    # With fewer rows than features, A lacks digits that X still has. So each solution is refined
    # once, by solving for its residual, which is computed from X.
    w = w - solve_system(A, slope(w, X, y, l2) + l1 / n * signs)
    _check_signs(w, signs)

    def vjp(g: Array) -> Arrays:
        u = solve_system(A, g)
        u = u + solve_system(A, g - (2 / y.size) * (X.T @ (X @ u)) - (2 / n) * l2 * u)
        return {"l1": -(signs * u).sum() / n, "l2": -2 * (w * u).sum() / n}

    return w, vjp


def _weights(X: Array, y: Array, signs: Array, l1: Array, l2: Array) -> Array:
    moments = (2 / y.size) * (X.T @ y) - (l1 / signs.size) * signs
    return solve_system(_matrix(X, l2), moments)


def _matrix(X: Array, l2: Array) -> Array:
    rows, n = X.shape
    identity = np.identity(n, dtype=X.dtype, like=X)
    A: Array = (2 / rows) * (X.T @ X) + (2 / n) * l2 * identity
    return A


def _check_signs(w: Array, signs: Array) -> None:
    # A given sign may be off by a rounding: so noise is measured.
    found, given = (np.sign(np.real(each).astype(np.float64)).tolist() for each in (w, signs))
    for j, (own, wanted) in enumerate(zip(found, given, strict=True)):
        if own != wanted:
            raise SignsError(
                f"signs: got {wanted:g} for weight {j}, but the minimum with these signs has "
                f"{own:g} there: it is none of the objective"
            )


def condition(X: Array, y: Array, signs: Array, l1: Array, l2: Array) -> Callable[[Array], Array]:
    """The gradient of the objective with these signs."""
    return lambda w: slope(w, X, y, l2) + l1 / w.size * signs


def start(X: Array, y: Array, signs: Array, l1: Array, l2: Array) -> Array:  # noqa: ARG001 -- as in Optimality
    """Zeros."""
    return np.zeros(X.shape[1])


def outcome(w: Array, X: Array, y: Array, signs: Array, l1: Array, l2: Array) -> Array:  # noqa: ARG001 -- as in Optimality
    """The weights themselves."""
    return w


COMPUTATION = Computation(
    name="printed_elastic_net_argmin",
    origin="optimization, Part 2: differentiable optimization",
    sample=sample,
    wrt=("l1", "l2"),
    sizes=(1_000, 10, 100, 10_000),
    by_autograd=by_autograd,
    by_torch=by_torch,
    by_hand=by_hand,
    shapes={"X": "N D", "y": "N", "signs": "D", "l1": "", "l2": ""},
    optimality=Optimality(condition, start, outcome),
)
