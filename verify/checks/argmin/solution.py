"""F(y, z) = 0 solved for y and differentiated, from F alone: no code of an engine is involved.

The unknowns are a vector y of n entries; z stands for the primals. K = ∂F/∂y and R v = (∂F/∂z) v
are taken by the complex step, so that dy*/dz · v = -K⁻¹ (R v) is exact to rounding.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import optimize

from reference_impls.computation import Array, Arrays, Optimality
from verify.oracles.complex_step import COMPLEX_STEP
from verify.oracles.estimate import NOISE_FACTOR

TOLERANCES = (1e-2, 1e-4, 1e-8, 1e-12)
"""That solutions are found to, the tightest last."""


POLISHING = 100
"""Newton steps at most."""


KINK = 1e-6
"""A margin below this counts as none: differences would need steps that are shorter still."""


CONVERGED = 1e-6
"""A Newton step shorter than this, beside y, leads to no other solution."""


APART = 1e-3
"""Two solutions further apart than this, beside the larger one's norm, are two, not one found
twice."""


@dataclass(frozen=True)
class Solution:
    """What a search took for the solution of F(y, z) = 0; `is_converged` tells whether it is one.

    Attributes:
        optimality: the condition F, and what surrounds it.
        primals: z, float64.
        y: the unknowns, (n,).
        guess: where searches beside it begin; None for the optimality's own initial guess.
    """

    optimality: Optimality
    primals: Arrays
    y: Array
    guess: Array | None = None

    @classmethod
    def found(cls, optimality: Optimality, primals: Arrays) -> "Solution":
        """Search from the optimality's initial guess, to the tightest tolerance, and polish that.

        Raises:
            ImplicitError: the optimality's own search finds none.
        """
        at_start = cls(optimality, primals, optimality.start(**primals))
        return replace(at_start, y=search(at_start, primals, TOLERANCES[-1])).settled()

    def settled(self) -> "Solution":
        """The solution after Newton steps, for as long as each at least halves ‖F(y)‖."""
        solution = self
        for _ in range(POLISHING):
            closer = solution.polished()
            if not closer.residual < solution.residual / 2:
                break
            solution = closer
        return solution

    @cached_property
    def F(self) -> Callable[[Array], Array]:  # noqa: N802 -- the mathematics' name
        """From a vector (n,), real or complex, to the condition's (n,)."""
        return self.optimality.condition(**self.primals)

    @cached_property
    def K(self) -> Array:  # noqa: N802 -- the mathematics' name
        """∂F/∂y at y, (n, n)."""
        return jacobian(self.F, self.y)

    @cached_property
    def residual(self) -> float:
        """‖F(y)‖."""
        return float(np.linalg.norm(self.F(self.y)))

    @cached_property
    def singular_values(self) -> Array:
        """Those of K, the largest first."""
        return np.linalg.svd(self.K, compute_uv=False)

    @property
    def condition_number(self) -> float:
        """The largest singular value over the smallest."""
        smallest = float(self.singular_values[-1])
        return float(self.singular_values[0]) / smallest if smallest else np.inf

    @property
    def rank(self) -> int:
        """How many singular values exceed n·eps times the largest."""
        values = self.singular_values
        return int((values > values.size * np.finfo(values.dtype).eps * values[0]).sum())

    @property
    def descents(self) -> int:
        """How many eigenvalues of K's symmetric part are negative: at a minimum there are none."""
        return int((np.linalg.eigvalsh((self.K + self.K.T) / 2) < 0).sum())

    @property
    def support(self) -> Array | None:
        """The signs of the unknowns, (n,), 0 for one held at a kink; None if there are no kinks."""
        holds = self.optimality.support
        return holds(self.y, **self.primals) if holds else None

    @property
    def at_kink(self) -> bool:
        """Does the support change here? Then there are one-sided derivatives only."""
        margin = self.optimality.margin
        return margin is not None and margin(self.y, **self.primals) <= KINK

    def paired(self, cotangent: Array) -> float:
        """⟨u, value⟩."""
        return float(np.sum(cotangent * self.optimality.outcome(self.y, **self.primals)))

    def newton_step(self, y: Array) -> Array:
        """K⁻¹ F(y): how far a point near the solution is from it; NaN if K is singular."""
        try:
            return self.solve(self.F(y))
        except np.linalg.LinAlgError:
            return np.full(y.shape, np.nan)

    def solve(self, b: Array) -> Array:
        """K⁻¹ b.

        An unknown that is held at a kink stays there exactly; elimination would leave rounding.

        Raises:
            LinAlgError: K is singular.
        """
        x = np.linalg.solve(self.K, b)
        return x if self.support is None else np.where(self.support == 0, b, x)

    @property
    def is_converged(self) -> bool:
        """Is the Newton step that is left small? F alone may be small far from any solution.

        Rounding in F alone makes a step that is longer the worse the condition of K.
        """
        rounding = NOISE_FACTOR * np.finfo(np.float64).eps * self.condition_number
        step = np.linalg.norm(self.newton_step(self.y))
        return bool(step <= (CONVERGED + rounding) * (1 + np.linalg.norm(self.y)))

    def is_apart_from(self, y: Array) -> bool:
        """Is y another solution, and not this one with other rounding?"""
        scale = max(np.linalg.norm(self.y), np.linalg.norm(y))
        return bool(np.linalg.norm(self.y - y) > APART * scale)

    def polished(self) -> "Solution":
        """The solution after one Newton step."""
        return replace(self, y=self.y - self.newton_step(self.y))

    @cached_property
    def singularity(self) -> str | None:
        """Why K determines no derivative; None where it does.

        Where K vanishes at the solution, as for (a - x)⁴, a search ends beside it, and K there is
        small but not zero. What gives it away is that K changes by its own size within √eps of y:
        such a y cannot be known any better.
        """
        if self.rank < self.y.size:
            return f"K is singular, rank {self.rank} of {self.y.size}"
        free = 1 if self.support is None else np.abs(self.support)
        near = np.sqrt(np.finfo(np.float64).eps)
        sizes = np.maximum(np.abs(self.y), near * (np.abs(self.y).max() or 1 / near))
        change = np.linalg.norm(jacobian(self.F, self.y + near * free * sizes) - self.K, 2)
        if not change <= self.singular_values[-1] / 2:
            return "K vanishes, or is not continuous, at the solution"
        return None

    def moved(self, tangents: Mapping[str, Array], step: complex) -> Arrays:
        """z + step · v; the step may be complex."""
        return self.primals | {
            name: self.primals[name] + step * tangent for name, tangent in tangents.items()
        }

    def partial_along(self, tangents: Mapping[str, Array]) -> Array:
        """R v, (n,)."""
        shifted = self.optimality.condition(**self.moved(tangents, 1j * COMPLEX_STEP))
        return np.imag(shifted(self.y.astype(np.complex128))) / COMPLEX_STEP

    def rate_along(self, tangents: Mapping[str, Array]) -> Array:
        """dy*/dz · v = -K⁻¹ R v, (n,)."""
        return -self.solve(self.partial_along(tangents))

    def outcome_rate(self, cotangent: Array, tangents: Mapping[str, Array]) -> float:
        """⟨u, d(value)/dz · v⟩, where the value depends on y* and on z."""
        y = self.y + 1j * COMPLEX_STEP * self.rate_along(tangents)
        value = self.optimality.outcome(y, **self.moved(tangents, 1j * COMPLEX_STEP))
        return float(np.sum(cotangent * np.imag(value))) / COMPLEX_STEP


def jacobian(F: Callable[[Array], Array], y: Array) -> Array:
    """∂F/∂y, (n, n), by the complex step, a column at a time."""
    columns = []
    for entry in range(y.size):
        shifted = y.astype(np.complex128)
        shifted[entry] += 1j * COMPLEX_STEP
        columns.append(np.imag(F(shifted)) / COMPLEX_STEP)
    return np.stack(columns, axis=1)


def search(near: Solution, primals: Arrays, tolerance: float) -> Array:
    """A point near the solution at other primals, (n,).

    It is the optimality's own search, or MINPACK's hybrid method. That updates its Jacobian by
    Broyden's rule, so that K elsewhere is good enough to begin with.

    Args:
        near: whose guess is where the search begins, and whose K is the first Jacobian.
        primals: z.
        tolerance: of y, relative.
    """
    optimality = near.optimality
    if optimality.search:
        return optimality.search(tolerance, **primals)
    start = optimality.start(**primals) if near.guess is None else near.guess
    # With full output it gives no warning where it stops short of the tolerance. The type: its
    # stub wants arrays with a known number of axes.
    y, *_ = optimize.fsolve(  # type: ignore[call-overload]
        optimality.condition(**primals),
        start,
        fprime=lambda _: near.K,
        xtol=tolerance,
        full_output=True,
    )
    return np.asarray(y)
