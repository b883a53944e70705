"""Implicit differentiation: the argmin of an objective, or a root, as a layer.

y*(z) solves F(y, z) = 0: F = ∇_y f for an argmin of f; the gradient in (y, ν) of the Lagrangian
f + νᵀc for an argmin under constraints c(y, z) = 0; any F whatever for a root. With K = ∂F/∂y and
R = ∂F/∂z at the solution, dy*/dz = -K⁻¹ R, so

    Kᵀ u = ȳ,    z̄ = -Rᵀ u:

one linear solve and one VJP of F. R is never formed. The solve is itself the root u of
G(u; y, ȳ, z) = Kᵀ u - ȳ, where ∂G/∂u = Kᵀ, and it is differentiated as such. Derivatives of every
order therefore share the one factorization of K at the solution, and none needs a graph through
the iterations.

This room knows no library. It solves in NumPy and SciPy, and asks an `engine.Engine` for every
derivative. `argmin.argmin` and `argmin.root` say what a layer takes and returns; the engines'
folders have them for one library each, as in `reference_impls.engines.pytorch.argmin`.
"""

from reference_impls.implicit.errors import (
    ConstraintRankError,
    ImplicitError,
    NotConvergedError,
    NotSymmetricError,
    OutputShapeError,
    RankDeficientWarning,
    SingularError,
)

__all__ = [
    "ConstraintRankError",
    "ImplicitError",
    "NotConvergedError",
    "NotSymmetricError",
    "OutputShapeError",
    "RankDeficientWarning",
    "SingularError",
]
