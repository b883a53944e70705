"""Implicit differentiation: the argmin of an objective, or a root, as a layer.

y*(z) solves F(y, z) = 0: F = ∇_y f for an argmin of f; the gradient in (y, ν) of the Lagrangian
f + νᵀc for an argmin under constraints c(y, z) = 0; any F whatever for a root. With K = ∂F/∂y and
R = ∂F/∂z at the solution, dy*/dz = -K⁻¹ R, so

    Kᵀ u = ȳ,    z̄ = -Rᵀ u:

one linear solve and one VJP of F. R is never formed. The solve is itself the root u of
G(u; y, ȳ, z) = Kᵀ u - ȳ, where ∂G/∂u = Kᵀ, and it is differentiated as such: derivatives of every
order share the one factorization of K that the solver ended with, and none needs a graph through
iterations.

Solving and linear algebra happen in NumPy and SciPy, once for both engines (`search`, `newton`,
`linear_solvers`). What only an engine can do, to differentiate, is in `torch_engine` and
`autograd_engine`. `unrolled` knows nothing of all this: it differentiates the iterations.

A variable that a function reads from its surroundings, rather than as a parameter, would get no
gradient, and is refused. The layers themselves do not run inside `torch.func` transforms; a layer
inside the objective of another needs ``linear_solver="cg"`` for the other, which forms no K.
"""

from typing import TYPE_CHECKING

from reference_impls.implicit.errors import (
    ConstraintRankError,
    ImplicitError,
    NotConvergedError,
    NotSymmetricError,
    OutputShapeError,
    RankDeficientWarning,
    SingularError,
)
from reference_impls.lazy import handed_on

if TYPE_CHECKING:
    from reference_impls.implicit.operators import (
        autograd_argmin,
        autograd_root,
        torch_argmin,
        torch_root,
    )
    from reference_impls.implicit.unrolled import torch_unrolled_argmin, torch_unrolled_root

__all__ = [
    "ConstraintRankError",
    "ImplicitError",
    "NotConvergedError",
    "NotSymmetricError",
    "OutputShapeError",
    "RankDeficientWarning",
    "SingularError",
    "autograd_argmin",
    "autograd_root",
    "torch_argmin",
    "torch_root",
    "torch_unrolled_argmin",
    "torch_unrolled_root",
]

_HOMES = {
    "autograd_argmin": "reference_impls.implicit.operators",
    "autograd_root": "reference_impls.implicit.operators",
    "torch_argmin": "reference_impls.implicit.operators",
    "torch_root": "reference_impls.implicit.operators",
    "torch_unrolled_argmin": "reference_impls.implicit.unrolled",
    "torch_unrolled_root": "reference_impls.implicit.unrolled",
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = handed_on(__name__, _HOMES)
