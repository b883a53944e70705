"""A problem F(y, z) = 0 solved and differentiated from F alone, none of an engine's code involved.

The unknowns are a vector y of n entries; z stands for the primals. K = ∂F/∂y and R v = (∂F/∂z) v
are taken by the complex step, so that dy*/dz · v = -K⁻¹ (R v) is exact to rounding; finite
differences of the problem solved anew use no derivative of F in z at all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import optimize

from reference_impls.computation import Array, Arrays, Optimality
from verify.oracles.complex_step import COMPLEX_STEP
from verify.oracles.estimate import NOISE_FACTOR, NOISE_POINTS, NOISE_STEP, Estimate, noise_of

TOLERANCES = (1e-2, 1e-4, 1e-8, 1e-12)


POLISHING = 100


KINK = 1e-6
"""A margin below which the support counts as changing here: no step of a difference is so small."""


APART = 1e-3
"""Of the larger norm: two solutions so far apart are two, not one found twice."""


@dataclass(frozen=True)
class Problem:
    """A condition at given primals, and its solution.

    Attributes:
        optimality: the condition F, and what surrounds it.
        primals: z, float64.
        y: the solution, (n,).
        guess: where searches for it begin, if not where the optimality says.
    """

    optimality: Optimality
    primals: Arrays
    y: Array
    guess: Array | None = None

    @classmethod
    def solved(cls, optimality: Optimality, primals: Arrays) -> "Problem":
        """The problem at its solution: solved to `TOLERANCES`'s last, then polished while it helps.

        The initial guess is the optimality's own.
        """
        at_start = cls(optimality, primals, optimality.start(**primals))
        return replace(at_start, y=search(at_start, primals, TOLERANCES[-1])).settled()

    def settled(self) -> "Problem":
        """The problem after as many Newton steps as halve ‖F(y)‖."""
        problem = self
        for _ in range(POLISHING):
            closer = problem.polished()
            if not closer.residual < problem.residual / 2:
                break
            problem = closer
        return problem

    @cached_property
    def F(self) -> Callable[[Array], Array]:  # noqa: N802 -- the mathematics' name
        """From a vector (n,), real or complex, to the condition's (n,)."""
        return self.optimality.condition(**self.primals)

    @cached_property
    def K(self) -> Array:  # noqa: N802 -- the mathematics' name
        """∂F/∂y at y, (n, n)."""
        return jacobian(self.F, self.y)

    @property
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
        """In how many directions a stationary point of an objective is none of its minima."""
        return int((np.linalg.eigvalsh((self.K + self.K.T) / 2) < 0).sum())

    @property
    def support(self) -> Array | None:
        """The signs of the unknowns, 0 if held at a kink; None where there are no kinks."""
        holds = self.optimality.support
        return holds(self.y, **self.primals) if holds else None

    @property
    def at_kink(self) -> bool:
        """Does the support change here, so that there are but one-sided derivatives?"""
        margin = self.optimality.margin
        return margin is not None and margin(self.y, **self.primals) <= KINK

    def paired(self, cotangent: Array) -> float:
        """⟨u, value⟩."""
        return float(np.sum(cotangent * self.optimality.outcome(self.y, **self.primals)))

    def newton_step(self, y: Array) -> Array:
        """K⁻¹ F(y): what separates a point near the solution from it; NaN if K is singular."""
        try:
            return self.solve(self.F(y))
        except np.linalg.LinAlgError:
            return np.full(y.shape, np.nan)

    def solve(self, b: Array) -> Array:
        """K⁻¹ b.

        What is held at a kink is to stay there exactly, which elimination would not see to.

        Raises:
            LinAlgError: K is singular.
        """
        x = np.linalg.solve(self.K, b)
        return x if self.support is None else np.where(self.support == 0, b, x)

    @property
    def is_solved(self) -> bool:
        """Is the Newton step that is left small? Far away, F may be small without a solution.

        The rounding of F alone leaves a step as long as the condition of K makes it.
        """
        rounding = NOISE_FACTOR * np.finfo(np.float64).eps * self.condition_number
        step = np.linalg.norm(self.newton_step(self.y))
        return bool(step <= (KINK + rounding) * (1 + np.linalg.norm(self.y)))

    def is_apart_from(self, y: Array) -> bool:
        """Is this solution another than y, not the same less accurately?"""
        scale = max(np.linalg.norm(self.y), np.linalg.norm(y))
        return bool(np.linalg.norm(self.y - y) > APART * scale)

    def polished(self) -> "Problem":
        """The problem one Newton step on."""
        return replace(self, y=self.y - self.newton_step(self.y))

    def singularity(self) -> str:
        """Why K determines no derivative, or nothing.

        Where K vanishes at the solution, as for (a - x)⁴, a search ends near it, with any small K:
        it shows in how K changes within √eps of y, about as near as such a y can be known.
        """
        if self.rank < self.y.size:
            return f"K is singular, rank {self.rank} of {self.y.size}"
        free = 1 if self.support is None else np.abs(self.support)
        near = np.sqrt(np.finfo(np.float64).eps)
        sizes = np.maximum(np.abs(self.y), near * (np.abs(self.y).max() or 1 / near))
        change = np.linalg.norm(jacobian(self.F, self.y + near * free * sizes) - self.K, 2)
        if not change <= self.singular_values[-1] / 2:
            return "K vanishes, or is not continuous, at the solution"
        return ""

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
    """∂F/∂y by the complex step, a column at a time."""
    columns = []
    for entry in range(y.size):
        shifted = y.astype(np.complex128)
        shifted[entry] += 1j * COMPLEX_STEP
        columns.append(np.imag(F(shifted)) / COMPLEX_STEP)
    return np.stack(columns, axis=1)


def implicit_function(
    problem: Problem, cotangent: Array, tangents: Mapping[str, Array]
) -> Estimate:
    """⟨u, J v⟩ by the implicit function theorem on the complex step's K and R.

    The bar is the noise of the rates at neighbouring points, as for the complex step itself.
    """

    def rate(k: int) -> float:
        near = replace(problem, primals=problem.moved(tangents, k * NOISE_STEP))
        corrected = near.y - problem.solve(near.F(near.y))
        return replace(near, y=corrected).outcome_rate(cotangent, tangents)

    rates = [rate(k) for k in range(NOISE_POINTS)]
    return Estimate(rates[0], NOISE_FACTOR * noise_of(rates), "implicit function")


def search(problem: Problem, primals: Arrays, tolerance: float) -> Array:
    """A point near the solution at other primals, by MINPACK's hybrid method where F is smooth.

    The problem's K is only where its Broyden updates begin.
    """
    optimality = problem.optimality
    if optimality.search:
        return optimality.search(tolerance, **primals)
    start = optimality.start(**primals) if problem.guess is None else problem.guess
    # With its full output it does not warn where it stops short of the tolerance. Its stub wants
    # the number of axes in the types.
    y, *_ = optimize.fsolve(  # type: ignore[call-overload]
        optimality.condition(**primals),
        start,
        fprime=lambda _: problem.K,
        xtol=tolerance,
        full_output=True,
    )
    return np.asarray(y)
