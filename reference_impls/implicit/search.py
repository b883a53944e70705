"""From the initial guess to a point so near a minimum that Newton steps can finish."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from reference_impls.computation import Array, Native
from reference_impls.implicit.errors import ConstraintRankError
from reference_impls.implicit.precision import eps, resolution
from reference_impls.implicit.solvers import Solver
from reference_impls.implicit.vectors import VectorProblem, gradient_of, lagrangian_of

STEPS = 1000
"""Of L-BFGS or SLSQP, before Newton steps take over."""


@dataclass(frozen=True)
class Search:
    """The search for the minimum of a cost, under an equality if there is one.

    Attributes:
        problem: the unknowns and parameters.
        cost: f, of y's vector and the leaves.
        equality: c, of the same, to a vector; or None.
    """

    problem: VectorProblem
    cost: Callable[..., Native]
    equality: Callable[..., Native] | None

    @property
    def stationarity(self) -> Callable[..., Native]:
        """Returns F, of y or (y, ν) and the leaves, which is zero at the minimum."""
        if self.equality is None:
            return gradient_of(self.problem.engine, self.cost)
        lagrangian = lagrangian_of(self.cost, self.equality, self.problem.size)
        return gradient_of(self.problem.engine, lagrangian)

    @property
    def start(self) -> Array:
        """Returns the initial guess, with multipliers of zero."""
        start = self.problem.start
        rows = 0 if self.equality is None else len(self.problem.at_start(self.equality))
        return np.append(start, np.zeros(rows, start.dtype))

    def run(self, solver: Solver, y: Array | None) -> Array:
        """Returns y or (y, ν), near the minimum.

        Args:
            solver: whose tolerance need not be undercut, and which may take dependent constraints.
            y: the result of the user's own search, if there was one.
        """
        tolerance = solver.tolerance or 0.0
        if self.equality is None:
            return self._lbfgs(tolerance) if y is None else y
        y = self._slsqp(self.equality, tolerance) if y is None else y
        return np.append(y, self._multipliers(self.equality, y, solver))

    def _lbfgs(self, tolerance: float) -> Array:
        function, start = self.problem.numeric(self.cost), self.problem.start
        _, gradient = function.value_and_gradient(start)
        found = optimize.minimize(
            function.value_and_gradient,
            start,
            jac=True,
            method="L-BFGS-B",
            # The value hardly changes near the minimum: only the gradient tells how near it is.
            options={
                "ftol": 0.0,
                "maxiter": STEPS,
                # For the largest entry, of which √n make up a norm.
                "gtol": max(
                    eps(start.dtype) ** 0.5 * np.abs(gradient).max(),
                    tolerance / start.size**0.5,
                ),
            },
        )
        return np.asarray(found.x, start.dtype)

    def _slsqp(self, equality: Callable[..., Native], tolerance: float) -> Array:
        objective, constraint = self.problem.numeric(self.cost), self.problem.numeric(equality)
        start = self.problem.start

        def value_and_gradient(y: Array) -> tuple[float, Array]:
            value, gradient = objective.value_and_gradient(y)
            return value, gradient.astype(np.float64)

        # SciPy's routine takes no other dtype than float64.
        found = optimize.minimize(
            value_and_gradient,
            start.astype(np.float64),
            jac=True,
            method="SLSQP",
            constraints=optimize.NonlinearConstraint(
                lambda y: constraint(y).astype(np.float64),
                0,
                0,
                jac=lambda y: constraint.jacobian(y).astype(np.float64),
            ),
            # For the value, which is off by the square of what the gradient is off by.
            options={"ftol": max(eps(start.dtype), tolerance**2), "maxiter": STEPS},
        )
        return np.asarray(found.x, start.dtype)

    def _multipliers(self, equality: Callable[..., Native], y: Array, solver: Solver) -> Array:
        """Returns the ν that bring ∇f + (∂c/∂y)ᵀν closest to zero."""
        _, gradient = self.problem.numeric(self.cost).value_and_gradient(y)
        rows = self.problem.numeric(equality).jacobian(y)
        multipliers, _, rank, _ = np.linalg.lstsq(rows.T, -gradient, resolution(y.dtype))
        if rank < len(rows) and not solver.takes_dependent_constraints:
            raise ConstraintRankError(
                f"constraint: its Jacobian has rank {rank} for {len(rows)} constraints; drop those "
                "that repeat or contradict others, or start elsewhere if one is stationary there"
            )
        return np.asarray(multipliers, y.dtype)
