"""Newton's method from near a root of F to the root, and what must hold there."""

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from reference_impls.computation import Array
from reference_impls.implicit.errors import NotConvergedError, SingularError
from reference_impls.implicit.precision import eps, largest, norm, resolution
from reference_impls.implicit.solvers import Inverse, Solver
from reference_impls.implicit.vectors import Numeric

STEPS = 100
HALVINGS = 12
"""How often a Newton step is halved before it counts as no progress."""

CONTRACTIONS = 4
"""Steps that must shrink after a stop within the tolerance; fewer cannot tell 1/y from a root."""

SAME = 8
"""How far products with the same K may differ, relative to its rows, in units of eps."""

FLOOR = 100
"""A step below this is nothing but rounding: in units of eps, relative to y or to 1."""

ROUNDING = 32
"""A last step may be as long as this many times the rounding of a step, measured beside y."""

DOUBT = 16
"""The root may be this many times the last step away: enough to drown the rounding of F."""


@dataclass(frozen=True)
class Point:
    """F at x.

    Attributes:
        x: (n,).
        residual: F(x), (n,).
        K: ∂F/∂x, (n, n), or None if the solver only takes products with it.
        inverse: K⁻¹.
        step: K⁻¹ F, which Newton's method subtracts from x.
        product: Kᵀv by a VJP, for the v of `_probe`; None where nobody has asked for it.
    """

    x: Array
    residual: Array
    K: Array | None
    inverse: Inverse
    step: Array
    product: Array | None = None


@dataclass(frozen=True)
class Newton:
    """Newton's method for F(x) = 0, with steps cut until ‖F‖ decreases.

    Attributes:
        function: F.
        solver: for K. Without a tolerance in it, the steps go on as long as they help.
        start: the initial guess, (n,).
    """

    function: Numeric
    solver: Solver
    start: Array

    @property
    def enough(self) -> float:
        """The ‖F‖ at which to stop; 0 without a tolerance."""
        return self.solver.tolerance or 0.0

    def run(self, guess: Array) -> Point:
        """Returns where the steps from a guess end.

        Raises:
            NotConvergedError: F is not finite at the guess.
            SingularError, NotSymmetricError: the solver refuses K, at any point on the way.
        """
        residual = self.function(guess)
        check_finite(residual)
        return self._refined(self._point(guess, residual))

    def leap(self, start: Array) -> Point | None:
        """Returns where one whole step leads if F is linear, as for a quadratic objective.

        Returns None, mostly before K is formed, if F is not. Raises as `run` does.
        """
        residual = self.function(start)
        if not self._looks_linear(start, residual):
            return None
        point = self._point(start, residual)
        x = start - point.step
        left = self.function(x)
        if not norm(left) <= eps(x.dtype) ** 0.5 * norm(residual):
            return None
        return self._refined(self._point(x, left, point))

    def check(self, point: Point) -> None:
        """Raises NotConvergedError or SingularError if there is no differentiable root here."""
        if self.enough:
            self._check_small(point)
        rounding = self._ends_in_rounding(point)
        if not rounding and not (self.enough and self._contracts(point)):
            raise NotConvergedError(
                f"not converged: ‖F‖ is {norm(point.residual):.1e}, but the next Newton step would "
                f"move y by {norm(point.step):.1e}, more than rounding does; check that there is a "
                "solution, or start nearer"
            )
        if not point.inverse.defect:
            self._check_isolated(point, doubt=DOUBT if rounding else 0)

    def is_near(self, point: Point) -> bool:
        """Is the next step so short that taking less of it would not help?"""
        near = float(eps(point.x.dtype) ** 0.5) * norm(self._grain(point.x))
        return norm(point.step) <= near

    def _grain(self, x: Array) -> Array:
        """The size of every unknown: rounding and the steps of probes are fractions of it.

        The size of an unknown near zero is a fraction of the largest one, or of its way from the
        initial guess: to the rounding of these it has been exposed.
        """
        precision = eps(x.dtype)
        sizes = np.maximum(np.abs(x), precision**0.5 * largest(x))
        sizes = np.maximum(sizes, precision * np.abs(x - self.start))
        return np.where(sizes > 0, sizes, 1).astype(x.dtype)

    def _looks_linear(self, x: Array, residual: Array) -> bool:
        """Is F at half a step along its own direction the mean of F at both ends of the step?"""
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
        """Returns the point after the longest part of a step that helps, or None if none does."""
        if norm(point.residual) <= self.enough:
            return None
        taken = self.part_of_step(point)
        if taken is None:
            return None
        part, residual = taken
        return self._point(point.x - part * point.step, residual, point)

    def part_of_step(self, point: Point) -> tuple[float, Array] | None:
        """Returns the longest part that makes ‖F‖ or the next step smaller, and F after it."""
        size, near = norm(point.residual), self.is_near(point)
        # Near the root, a shorter step can only win against rounding.
        for halvings in range(1 if near else HALVINGS):
            part = 0.5**halvings
            residual = self.function(point.x - part * point.step)
            # A linear F would decrease by all of the part. Half of that is more than rounding does.
            if norm(residual) < (1 - part / 2) * size:
                return part, residual
            # ‖F‖ is blind in directions where K is weak, but the length of the next step is not.
            if near and norm(point.inverse(residual)) < norm(point.step) / 2:
                return part, residual
        return None

    def _point(self, x: Array, residual: Array, previous: Point | None = None) -> Point:
        if previous is None or previous.K is None:
            K, inverse = self.solver.linearized(self.function, x)
            return Point(x, residual, K, inverse, inverse(residual))
        product = self._product(x)
        if self._is_same(previous, previous.K, product):
            K, inverse = previous.K, previous.inverse
        else:
            K, inverse = self.solver.linearized(self.function, x)
        return Point(x, residual, K, inverse, inverse(residual), product)

    def _is_same(self, previous: Point, K: Array, product: Array) -> bool:
        """Is K what it was at the previous point, to rounding, as it is for a linear F?"""
        before = self._product(previous.x) if previous.product is None else previous.product
        v = _probe(product)
        room = SAME * eps(product.dtype) * (v @ np.abs(K))
        return bool((np.abs(product - before) <= room).all())

    def _product(self, x: Array) -> Array:
        return self.function.vjp(x, _probe(x))

    def _check_small(self, point: Point) -> None:
        size = norm(point.residual)
        if not size <= self.enough:
            raise NotConvergedError(
                f"not converged: ‖F‖ is {size:.1e}, the tolerance {self.enough:.1e}; start "
                "nearer, or give a search or another tolerance"
            )

    def _contracts(self, point: Point) -> bool:
        """Do steps with this one K shrink in every unknown, so that they lead to a root nearby?

        They do not shrink on the way to infinity, where exp(-y) and 1/y lead, nor where K vanishes.
        """
        x, step = point.x, point.step
        usual = norm(step) / step.size**0.5
        goal = np.maximum(np.abs(step), usual) * 0.5**CONTRACTIONS
        for _ in range(CONTRACTIONS):
            x = x - step
            step = point.inverse(self.function(x))
            if (np.abs(step) <= goal).all():
                return True
        return False

    def _ends_in_rounding(self, point: Point) -> bool:
        """Is the next step, which does not help any more, nothing but rounding?

        F may be small without a root: on the way to infinity, or where it jumps over zero.
        """
        x, precision, move = point.x, eps(point.x.dtype), norm(point.step)
        if move <= precision * max(FLOOR * norm(x), norm(x - self.start), FLOOR):
            return True
        aside = precision**0.5 * self._grain(x) * _signs(x)
        # Rounding shows on both sides of x, a jump of F only on one.
        bend = min(norm(self._bend(point, way)) for way in (aside, -aside))
        return move <= min(ROUNDING * bend, float(precision**0.25) * max(norm(x), 1.0))

    def _check_isolated(self, point: Point, doubt: float) -> None:
        """Raises SingularError if, however near the root, F is not linear to within a half.

        (a - x)⁴ is not, where the search may end with any small K; nor is F at a kink.

        Args:
            point: where K is.
            doubt: how many times the last step the root may be away.
        """
        x = point.x
        usual = norm(point.step) / x.size**0.5
        farthest = doubt * np.maximum(np.abs(point.step), usual)
        aside = (eps(x.dtype) ** 0.5 * self._grain(x) + farthest).astype(x.dtype)
        for way in (aside * _signs(x), -aside * _signs(x)):
            if not (np.abs(self._bend(point, way)) <= aside / 2).all():
                raise SingularError(
                    "K = ∂F/∂y is singular: it vanishes, or is not continuous, where F is zero; "
                    "add a regularizer to the objective, or tighten the tolerance if you gave one"
                )

    def _bend(self, point: Point, way: Array) -> Array:
        """Returns K⁻¹ times the change of F along a way, less the way itself: 0 if F is linear."""
        return point.inverse(self.function(point.x + way) - point.residual) - way


def _probe(x: Array) -> Array:
    """Always the same vector v, to take products of K with."""
    return np.random.default_rng(0).uniform(1, 2, x.size).astype(x.dtype)


def _signs(x: Array) -> Array:
    return np.random.default_rng(0).choice([-1, 1], x.size).astype(x.dtype)


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
