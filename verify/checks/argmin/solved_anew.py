"""Derivatives of an argmin from solving it anew: swept over steps and tolerances, or one-sided."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from reference_impls.computation import Array, Arrays
from verify.checks.argmin.problem import TOLERANCES, Problem, search
from verify.oracles.estimate import NOISE_FACTOR, NOISE_POINTS, NOISE_STEP, Estimate, noise_of

STEPS = tuple(4.0**-k for k in range(3, 15))


PLATEAU = 1e-7


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
    found = search(problem, primals, tolerance)
    return replace(problem, primals=primals, y=found).polished()


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
