"""A problem F(y, z) = 0 solved and differentiated from F alone, none of an engine's code involved.

The unknowns are a vector y of n entries; z stands for the primals. K = ∂F/∂y and R v = (∂F/∂z) v
are taken by the complex step, so that dy*/dz · v = -K⁻¹ (R v) is exact to rounding; finite
differences of the problem solved anew use no derivative of F in z at all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy import optimize

from reference_impls.computation import Array, Arrays, Optimality
from verify.oracles import COMPLEX_STEP, NOISE_FACTOR, NOISE_POINTS, NOISE_STEP, Estimate, noise_of

STEPS = tuple(4.0**-k for k in range(3, 15))
TOLERANCES = (1e-2, 1e-4, 1e-8, 1e-12)
PLATEAU = 1e-7
POLISHING = 100

KINK = 1e-6
"""A margin below which the support counts as changing here: no step of a difference is so small."""


@dataclass(frozen=True)
class Problem:
    """A condition at given primals, and its solution.

    Attributes:
        optimality: the condition F, and what surrounds it.
        primals: z, float64.
        y: the solution, (n,).
    """

    optimality: Optimality
    primals: Arrays
    y: Array

    @classmethod
    def solved(cls, optimality: Optimality, primals: Arrays) -> "Problem":
        """The problem at its solution: solved to `TOLERANCES`'s last, then polished while it helps.

        The initial guess is the optimality's own.
        """
        K = jacobian(optimality.condition(**primals), optimality.start(**primals))
        problem = cls(optimality, primals, _search(optimality, primals, TOLERANCES[-1], K))
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
        residual = self.F(y)
        try:
            step = np.linalg.solve(self.K, residual)
        except np.linalg.LinAlgError:
            return np.full(y.shape, np.nan)
        # What is held at a kink is to stay there exactly, which elimination would not see to.
        return step if self.support is None else np.where(self.support == 0, residual, step)

    @property
    def is_solved(self) -> bool:
        """Is the Newton step that is left small? Far away, F may be small without a solution."""
        step = np.linalg.norm(self.newton_step(self.y))
        return bool(step <= KINK * (1 + np.linalg.norm(self.y)))

    def polished(self) -> "Problem":
        """The problem one Newton step on."""
        return replace(self, y=self.y - self.newton_step(self.y))

    def singularity(self) -> str:
        """Why K determines no derivative, or nothing.

        Where K vanishes at the solution, as for (a - x)⁴, a search ends near it, with any small K:
        it shows in how K changes within √eps, about as near as such a y can be known.
        """
        if self.rank < self.y.size:
            return f"K is singular, rank {self.rank} of {self.y.size}"
        free = 1 if self.support is None else np.abs(self.support)
        beside = self.y + np.sqrt(np.finfo(np.float64).eps) * free * (1 + np.abs(self.y))
        change = np.linalg.norm(jacobian(self.F, beside) - self.K, 2)
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
        return -np.linalg.solve(self.K, self.partial_along(tangents))

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
        return replace(near, y=near.y - _chord(problem, near)).outcome_rate(cotangent, tangents)

    rates = [rate(k) for k in range(NOISE_POINTS)]
    return Estimate(rates[0], NOISE_FACTOR * noise_of(rates), "implicit function")


def _chord(problem: Problem, near: Problem) -> Array:
    return np.linalg.solve(problem.K, near.F(near.y))


@dataclass(frozen=True)
class Sweep:
    """Finite differences over steps and tolerances.

    Attributes:
        estimate: of ⟨u, J v⟩, with its error bar.
        plateau: in words: the steps and the loosest tolerance over which the differences agree,
            and the steps that change the support.
    """

    estimate: Estimate
    plateau: str


def finite_differences(problem: Problem, cotangent: Array, tangents: Mapping[str, Array]) -> Sweep:
    """Central differences of the problem solved anew at z ± h v, for every h and tolerance.

    Every solution starts from the initial guess, never from the one beside it: a solver that is
    content with where it starts would make the differences zero. It is polished by one Newton
    step. Where the tolerance is too loose even so, differences are flat in h, and wrong: so the
    estimate is the tightest tolerance's, and its bar the change from the neighbouring steps and
    from the tolerance before, and at least the noise of the solutions over h. Steps that change
    the support are left out.
    """
    noise = _noise(problem, cotangent, tangents)
    changing: set[float] = set()
    swept = {
        tolerance: _slopes(problem, cotangent, tangents, tolerance, changing)
        for tolerance in TOLERANCES
    }
    looser, tightest = (_extrapolated(swept[tolerance]) for tolerance in TOLERANCES[-2:])
    estimates = _estimates(tightest, noise)
    bars = [
        replace(estimate, error_bar=max(estimate.error_bar, abs(estimate.value - looser[step])))
        for step, estimate in estimates.items()
    ]
    nothing = Estimate(np.nan, np.inf, "finite differences")
    best = min([nothing, *bars], key=lambda estimate: estimate.error_bar)
    return Sweep(best, _plateau(best.value, swept, changing))


def _slopes(
    problem: Problem,
    cotangent: Array,
    tangents: Mapping[str, Array],
    tolerance: float,
    changing: set[float],
) -> dict[float, float]:
    """By step; steps that change the support are put among the changing ones instead."""
    slopes = {step: _central(problem, cotangent, tangents, step, tolerance) for step in STEPS}
    changing |= {step for step, slope in slopes.items() if slope is None}
    return {step: slope for step, slope in slopes.items() if slope is not None}


def _central(
    problem: Problem,
    cotangent: Array,
    tangents: Mapping[str, Array],
    step: float,
    tolerance: float,
) -> float | None:
    """A difference over 2h, or None where the support is another at either end."""
    ahead, behind = (
        _solved_anew(problem, problem.moved(tangents, signed), tolerance)
        for signed in (step, -step)
    )
    if any(np.any(end.support != problem.support) for end in (ahead, behind)):
        return None
    return (ahead.paired(cotangent) - behind.paired(cotangent)) / (2 * step)


def _noise(problem: Problem, cotangent: Array, tangents: Mapping[str, Array]) -> float:
    """That of ⟨u, value⟩ solved anew."""
    near = (problem.moved(tangents, k * NOISE_STEP) for k in range(NOISE_POINTS))
    return noise_of(
        [_solved_anew(problem, primals, TOLERANCES[-1]).paired(cotangent) for primals in near]
    )


def _solved_anew(problem: Problem, primals: Arrays, tolerance: float) -> Problem:
    found = _search(problem.optimality, primals, tolerance, problem.K)
    return replace(problem, primals=primals, y=found).polished()


def _search(optimality: Optimality, primals: Arrays, tolerance: float, K: Array) -> Array:
    """A point near the solution, by MINPACK's hybrid method where F is smooth.

    K is only where its Broyden updates begin.
    """
    if optimality.search:
        return optimality.search(tolerance, **primals)
    F, start = optimality.condition(**primals), optimality.start(**primals)
    # With its full output it does not warn where it stops short of the tolerance. Its stub wants
    # the number of axes in the types.
    y, *_ = optimize.fsolve(  # type: ignore[call-overload]
        F, start, fprime=lambda _: K, xtol=tolerance, full_output=True
    )
    return np.asarray(y)


def _extrapolated(slopes: Mapping[float, float], order: int = 2) -> dict[float, float]:
    """By step, with the error of this order in h cancelled between the step and its quarter."""
    ratio = 4**order
    return {
        step: (ratio * slopes[step / 4] - slopes[step]) / (ratio - 1)
        for step in slopes
        if step / 4 in slopes
    }


def _estimates(extrapolated: Mapping[float, float], noise: float) -> dict[float, Estimate]:
    """By step: the bar is the larger change to the steps beside it, or the noise over h."""
    changes = [
        (step, abs(value - extrapolated[above]))
        for above, (step, value) in zip(extrapolated, list(extrapolated.items())[1:], strict=False)
    ]
    return {
        step: Estimate(
            extrapolated[step],
            max(before, after, NOISE_FACTOR * noise / step),
            "finite differences",
        )
        for (step, before), (_, after) in pairwise(changes)
    }


def _plateau(
    value: float, swept: Mapping[float, Mapping[float, float]], changing: set[float]
) -> str:
    agreeing = [
        (tolerance, step)
        for tolerance, slopes in swept.items()
        for step, slope in slopes.items()
        if abs(slope - value) <= PLATEAU * abs(value)
    ]
    tolerances, steps = zip(*agreeing, strict=True) if agreeing else ([np.nan], [np.nan])
    words = (
        f"within {PLATEAU:.0e} for steps {min(steps):.0e} to {max(steps):.0e} "
        f"and tolerances up to {max(tolerances):.0e}"
    )
    listed = ", ".join(f"{step:.0e}" for step in sorted(changing))
    return words + (f"; the support changes at steps {listed}" if changing else "")


def one_sided(
    problem: Problem, cotangent: Array, tangents: Mapping[str, Array]
) -> tuple[Estimate, Estimate]:
    """⟨u, dy*⟩ along v and, turned round, against it: the two derivatives at a kink.

    Forward differences, extrapolated once over halved steps; the bar is the change by which the
    best improves on its neighbours.
    """
    ahead = _forward(problem, cotangent, tangents)
    back = _forward(problem, cotangent, {name: -array for name, array in tangents.items()})
    return ahead, replace(back, value=-back.value)


def _forward(problem: Problem, cotangent: Array, tangents: Mapping[str, Array]) -> Estimate:
    def paired(step: float) -> float:
        anew = _solved_anew(problem, problem.moved(tangents, step), TOLERANCES[-1])
        return anew.paired(cotangent)

    slopes = {step: (paired(step) - paired(0.0)) / step for step in STEPS}
    found = _estimates(_extrapolated(slopes, order=1), _noise(problem, cotangent, tangents))
    best = min(found.values(), key=lambda estimate: estimate.error_bar)
    return replace(best, oracle="one side")
