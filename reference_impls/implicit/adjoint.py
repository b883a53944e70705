"""The derivative of a root."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reference_impls.computation import Native
from reference_impls.implicit.engine import Engine
from reference_impls.implicit.solvers import Inverse


@dataclass(frozen=True)
class Root:
    """What the derivative of a solution of F(x, *leaves) = 0, in the leaves, needs.

    Attributes:
        engine: the library that differentiates.
        residual: F.
        inverse: of K = ∂F/∂x at the solution.
    """

    engine: Engine
    residual: Callable[..., Native]
    inverse: Inverse

    def vjp(
        self, x: Native, leaves: Sequence[Native], cotangent: Native, wanted: Sequence[int]
    ) -> Native:
        """Returns z̄ = -(∂F/∂z)ᵀ u, with Kᵀ u = x̄, for the leaves with the wanted indices.

        x, leaves and cotangent may be traced: the result is differentiable in each of them.
        """

        def of_wanted(*varied: Native) -> Native:
            given = list(leaves)
            for number, leaf in zip(wanted, varied, strict=True):
                given[number] = leaf
            return self.residual(x, *given)

        adjoint = self._adjoint(x, leaves, cotangent)
        return self.engine.vjp(of_wanted, [leaves[number] for number in wanted], -adjoint)

    def _adjoint(self, x: Native, leaves: Sequence[Native], cotangent: Native) -> Native:
        """Returns u, the root of Kᵀ u - x̄: a function of x, x̄ and the leaves."""

        def residual(u: Native, x: Native, cotangent: Native, *leaves: Native) -> Native:
            (product,) = self.engine.vjp(lambda x: self.residual(x, *leaves), [x], u)
            return product - cotangent

        to_numpy, constant = self.engine.to_numpy, self.engine.constant
        u = self.inverse.T(to_numpy(cotangent))
        if not self.inverse.iterates:
            # Forming K made rounding errors, which its condition magnifies. A VJP makes fewer:
            # one step of refinement with it mends u.
            native = self.engine.from_numpy(u), *map(constant, (x, cotangent, *leaves))
            u = u - self.inverse.T(to_numpy(residual(*native)))
        root = Root(self.engine, residual, self.inverse.T)
        return self.engine.attach(root.vjp, u, [x, cotangent, *leaves])
