"""A problem F(y, z) = 0 solved and differentiated from F alone, none of an engine's code involved.

The unknowns are a vector y of n entries; z stands for the primals. K = ∂F/∂y and R v = (∂F/∂z) v
are taken by the complex step, so that dy*/dz · v = -K⁻¹ (R v) is exact to rounding; finite
differences of the problem solved anew use no derivative of F in z at all.
"""

from collections.abc import Callable, Mapping, Sequence
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
        return replace(at_start, y=_search(at_start, primals, TOLERANCES[-1])).settled()

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


@dataclass(frozen=True)
class Sweep:
    """Finite differences over steps and tolerances.

    Attributes:
        estimate: of ⟨u, J v⟩, with its error bar.
        plateau: in words: a run of steps over which the differences agree, the loosest tolerance
            for which all of these do, and the steps that change the support.
    """

    estimate: Estimate
    plateau: str


def finite_differences(problem: Problem, cotangent: Array, tangents: Mapping[str, Array]) -> Sweep:
    """Central differences of the problem solved anew at z ± h v, for every h and tolerance.

    Every solution starts from the initial guess, never from the one beside it: a solver that is
    content with where it starts would make the differences zero. It is polished by one Newton
    step. Where the tolerance is too loose even so, differences are flat in h, and wrong: so the
    estimate is the tightest tolerance's, and its bar holds the change from the tolerance before.
    Steps that change the support are left out, and those that reach too far.
    """
    swept = {
        tolerance: _slopes(problem, cotangent, tangents, tolerance) for tolerance in TOLERANCES
    }
    steps = _within_reach(problem, tangents)
    looser, tightest = (_extrapolated(_at(steps, swept[each])) for each in TOLERANCES[-2:])
    estimates = _estimates(tightest, _noise(problem, cotangent, tangents))
    bars = [
        replace(
            estimate,
            error_bar=max(estimate.error_bar, NOISE_FACTOR * abs(estimate.value - looser[step])),
        )
        for step, estimate in estimates.items()
        if step in looser
    ]
    best = _sharpest(bars, "finite differences")
    return Sweep(best, _plateau(best.value, swept))


def _slopes(
    problem: Problem, cotangent: Array, tangents: Mapping[str, Array], tolerance: float
) -> dict[float, float]:
    """By step, without the steps that change the support."""
    slopes = {step: _central(problem, cotangent, tangents, step, tolerance) for step in STEPS}
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


def _within_reach(problem: Problem, tangents: Mapping[str, Array]) -> list[float]:
    """The steps over which K moves no further than half its distance from a singular matrix.

    Beyond that, differences need not resemble the derivative at all, and may still agree.
    """
    further, near = (
        _solved_anew(problem, problem.moved(tangents, step), TOLERANCES[-1]) for step in STEPS[-2:]
    )
    rate = np.linalg.norm(further.K - near.K, 2) / (STEPS[-2] - STEPS[-1])
    return [step for step in STEPS if step * rate <= near.singular_values[-1] / 2]


def _at(steps: Sequence[float], slopes: Mapping[float, float]) -> dict[float, float]:
    return {step: slopes[step] for step in steps if step in slopes}


def _solved_anew(problem: Problem, primals: Arrays, tolerance: float) -> Problem:
    found = _search(problem, primals, tolerance)
    return replace(problem, primals=primals, y=found).polished()


def _search(problem: Problem, primals: Arrays, tolerance: float) -> Array:
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


def _extrapolated(slopes: Mapping[float, float], order: int = 2) -> dict[float, float]:
    """By step, with the error of this order in h cancelled between the step and its quarter."""
    ratio = 4**order
    return {
        step: (ratio * slopes[step / 4] - slopes[step]) / (ratio - 1)
        for step in slopes
        if step / 4 in slopes
    }


def _estimates(extrapolated: Mapping[float, float], noise: float) -> dict[float, Estimate]:
    """By step, of three in a row: from the larger change to those beside it, and the noise.

    A change is but a sample of the error, and the noise that of the quarter step.
    """
    changes = [
        (step, abs(value - extrapolated[above]))
        for above, (step, value) in zip(extrapolated, list(extrapolated.items())[1:], strict=False)
    ]
    return {
        step: Estimate(
            extrapolated[step],
            NOISE_FACTOR * max(before, after, noise / (step / 4)),
            "finite differences",
        )
        for (step, before), (_, after) in pairwise(changes)
    }


def _sharpest(estimates: Sequence[Estimate], oracle: str) -> Estimate:
    """The one with the smallest bar; an infinite one if there is none."""
    nothing = Estimate(np.nan, np.inf, oracle)
    best = min([nothing, *estimates], key=lambda estimate: estimate.error_bar)
    return replace(best, oracle=oracle)


def _plateau(value: float, swept: Mapping[float, Mapping[float, float]]) -> str:
    def agree(step: float, tolerance: float) -> bool:
        slope = swept[tolerance].get(step, np.nan)
        return bool(abs(slope - value) <= PLATEAU * abs(value))

    *_, tightest = swept
    steps = _longest_run([agree(step, tightest) for step in STEPS])
    tolerances = [each for each in swept if all(agree(step, each) for step in steps)]
    words = f"within {PLATEAU:.0e} for no step"
    if steps:
        words = (
            f"within {PLATEAU:.0e} for steps {steps[-1]:.0e} to {steps[0]:.0e} "
            f"and tolerances up to {max(tolerances):.0e}"
        )
    listed = ", ".join(f"{step:.0e}" for step in sorted(STEPS) if step not in swept[tightest])
    return words + (f"; the support changes at steps {listed}" if listed else "")


def _longest_run(agreeing: Sequence[bool]) -> list[float]:
    """Of steps that follow one another."""
    runs: list[list[float]] = [[]]
    for step, agrees in zip(STEPS, agreeing, strict=True):
        if agrees:
            runs[-1].append(step)
        else:
            runs.append([])
    return max(runs, key=len)


def one_sided(
    problem: Problem, cotangent: Array, tangents: Mapping[str, Array]
) -> tuple[Estimate, Estimate]:
    """⟨u, dy*⟩ along v and, turned round, against it: the two derivatives at a kink.

    Forward differences, extrapolated once over quartered steps, with a bar as central ones have.
    """
    ahead = _forward(problem, cotangent, tangents)
    back = _forward(problem, cotangent, {name: -array for name, array in tangents.items()})
    return ahead, replace(back, value=-back.value)


def _forward(problem: Problem, cotangent: Array, tangents: Mapping[str, Array]) -> Estimate:
    def paired(step: float) -> float:
        anew = _solved_anew(problem, problem.moved(tangents, step), TOLERANCES[-1])
        return anew.paired(cotangent)

    slopes = {
        step: (paired(step) - paired(0.0)) / step for step in _within_reach(problem, tangents)
    }
    found = _estimates(_extrapolated(slopes, order=1), _noise(problem, cotangent, tangents))
    return _sharpest(list(found.values()), "one side")
