"""From near a root of F to as near as is asked for, and what must hold there."""

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from reference_impls.computation import Array
from reference_impls.implicit.errors import NotConvergedError, SingularError
from reference_impls.implicit.linear_solvers import FACTORIZATIONS, Inverse, conjugate_gradients
from reference_impls.implicit.precision import eps, largest, norm, resolution
from reference_impls.implicit.problem import Numeric

STEPS = 100
HALVINGS = 12
"""The lengths tried of a Newton step before it counts as no progress."""

CONTRACTIONS = 4
"""Of the steps that follow a stop within the tolerance; fewer cannot tell 1/y from a root."""

SAME = 8
"""Relative to the rows of K, in units of eps: what two products with the same K may differ by."""


@dataclass(frozen=True)
class Point:
    """F at x.

    Attributes:
        x: (n,).
        residual: F(x), (n,).
        K: ∂F/∂x, (n, n), or None if the linear solver only takes products with it.
        inverse: K⁻¹.
        step: K⁻¹ F, which Newton's method subtracts from x.
    """

    x: Array
    residual: Array
    K: Array | None
    inverse: Inverse
    step: Array


@dataclass(frozen=True)
class Newton:
    """Newton's method for F(x) = 0, with steps cut until ‖F‖ decreases.

    Attributes:
        function: F.
        method: the linear solver for K.
        tolerance: for ‖F‖ at the solution.
        enough: the ‖F‖ at which to stop; 0 if not before it no longer decreases.
    """

    function: Numeric
    method: str
    tolerance: float
    enough: float

    @classmethod
    def of(cls, function: Numeric, start: Array, method: str, tolerance: float | None) -> "Newton":
        """Returns the method; a tolerance of None is relative to F at the start."""
        if tolerance is not None:
            return cls(function, method, tolerance, enough=tolerance)
        scale = max(1.0, norm(function(start)))
        return cls(function, method, resolution(start.dtype) * scale, enough=0.0)

    def run(self, guess: Array) -> Point:
        """Returns where the steps from a guess end.

        Raises:
            NotConvergedError: F is not finite at the guess.
            SingularError, NotSymmetricError: as the linear solver finds K, at any point on the way.
        """
        residual = self.function(guess)
        check_finite(residual)
        return self._refined(self._point(guess, residual))

    def leap(self, start: Array) -> Point | None:
        """Returns what one whole step leads to if F is linear, as for a quadratic objective.

        Returns None, mostly before K is formed, if F is not. Raises as `run` does.
        """
        residual = self.function(start)
        if not self._looks_linear(start, residual):
            return None
        point = self._point(start, residual)
        x = start - point.step
        residual = self.function(x)
        if not norm(residual) <= self.tolerance:
            return None
        return self._refined(self._point(x, residual, point))

    def check(self, point: Point) -> None:
        """Raises NotConvergedError or SingularError if there is no differentiable root here."""
        self._check_small(point)
        certain = self.enough > 0 and self._contracts(point)
        if not certain:
            self._check_move(point)
        if not point.inverse.defect:
            self._check_isolated(point, 0 * point.step if certain else 2 * point.step)

    def _looks_linear(self, x: Array, residual: Array) -> bool:
        """Is F halfway along its own direction the mean of its ends?"""
        way = residual / (norm(residual) or 1.0)
        half, whole = self.function(x - way / 2), self.function(x - way)
        bend = norm(residual - 2 * half + whole)
        return bool(bend <= eps(x.dtype) ** 0.5 * norm(residual))

    def _refined(self, point: Point) -> Point:
        for _ in range(STEPS):
            closer = self._closer(point)
            if closer is None:
                break
            point = closer
        return point

    def _closer(self, point: Point) -> Point | None:
        """Returns the point after the longest part of a step that decreases ‖F‖, or None."""
        size = norm(point.residual)
        if size <= self.enough:
            return None
        # Once F is small, a shorter step can only win against rounding.
        for halvings in range(HALVINGS if size > self.tolerance else 1):
            part = 0.5**halvings
            x = point.x - part * point.step
            residual = self.function(x)
            # A linear F decreases by the whole part; half of it tells progress from rounding.
            if norm(residual) < (1 - part / 2) * size:
                return self._point(x, residual, point)
            # ‖F‖ hardly sees the directions in which K is weak; what is left to go does.
            if size <= self.tolerance and norm(point.inverse(residual)) < norm(point.step) / 2:
                return self._point(x, residual, point)
        return None

    def _point(self, x: Array, residual: Array, previous: Point | None = None) -> Point:
        K, inverse = self._linearized(x, previous)
        return Point(x, residual, K, inverse, inverse(residual))

    def _linearized(self, x: Array, previous: Point | None) -> tuple[Array | None, Inverse]:
        """Returns K and K⁻¹ at x."""
        if self.method == "cg":
            # Kᵀ v, but K is symmetric.
            return None, conjugate_gradients(lambda v: self.function.vjp(x, v), x)
        if previous is not None and previous.K is not None and self._is_jacobian(previous.K, x):
            return previous.K, previous.inverse
        K = self.function.jacobian(x)
        return K, FACTORIZATIONS[self.method](K)

    def _is_jacobian(self, K: Array, x: Array) -> bool:
        """Is K, to rounding, the Jacobian at x too, as it is everywhere for a linear F?"""
        v = np.random.default_rng(0).uniform(1, 2, x.size).astype(x.dtype)
        change = np.abs(self.function.vjp(x, v) - v @ K)
        return bool((change <= SAME * eps(x.dtype) * (v @ np.abs(K))).all())

    def _check_small(self, point: Point) -> None:
        size = norm(point.residual)
        if not size <= self.tolerance:
            raise NotConvergedError(
                f"not converged: ‖F‖ is {size:.1e}, the tolerance {self.tolerance:.1e}; start "
                "nearer, rescale the problem, or give a solver or another tolerance"
            )

    def _contracts(self, point: Point) -> bool:
        """Do steps with this one K halve each time, so that they lead to a root nearby?

        They do not on the way to infinity, as that of exp(-y) and 1/y, nor to where K vanishes.
        """
        x, step = point.x, point.step
        for _ in range(CONTRACTIONS):
            x = x - step
            step = point.inverse(self.function(x))
            if norm(step) <= 0.5**CONTRACTIONS * norm(point.step):
                return True
        return False

    def _check_move(self, point: Point) -> None:
        # F also becomes small on the way to infinity.
        move = norm(point.step)
        if not move <= eps(point.x.dtype) ** 0.25 * max(1.0, norm(point.x)):
            raise NotConvergedError(
                f"not converged: ‖F‖ is {norm(point.residual):.1e}, but the next Newton step would "
                f"move y by {move:.1e}; check that there is a solution, or start nearer"
            )

    def _check_isolated(self, point: Point, doubt: Array) -> None:
        """Raises SingularError if K is quite another as far away as the root may be.

        So it is for (a - x)⁴, where the search may end with any small K.

        Args:
            point: where K is.
            doubt: how far x may be from the root, besides √eps.
        """
        x, dtype = point.x, point.x.dtype
        image = np.random.default_rng(0).standard_normal(x.size).astype(dtype)
        beside = x - doubt + eps(dtype) ** 0.5 * (1 + np.abs(x))
        change = self.function.vjp(beside, point.inverse.T(image)) - image
        if not norm(change) <= norm(image) / 2:
            raise SingularError(
                "K = ∂F/∂y is singular: it vanishes, or is not continuous, where F is zero; add a "
                "regularizer to the objective, or tighten the tolerance if you gave one"
            )


def check_finite(residual: Array) -> None:
    """Raises NotConvergedError if F is infinite or NaN where Newton's method is to start."""
    if not np.isfinite(norm(residual)):
        raise NotConvergedError(
            "not converged: F is not finite at the guess or where the search went from it; start "
            "elsewhere, or check that there is a solution"
        )


def check_minimum(K: Array, size: int) -> None:
    """Raises SingularError if y could move to where the objective is smaller.

    Args:
        K: of the Lagrangian in (y, ν), symmetric.
        size: of y.
    """
    free = linalg.null_space(K[size:, :size]) if len(K) > size else np.eye(size, dtype=K.dtype)
    curvatures = np.linalg.eigvalsh(free.T @ K[:size, :size] @ free)
    if (curvatures < -resolution(K.dtype) * largest(K)).any():
        raise SingularError(
            f"K = ∂F/∂y is not positive definite where y is free to move, curvature "
            f"{curvatures[0]:.1e}: y is a saddle or a maximum; start nearer a minimum"
        )
