"""Central differences of an argmin solved anew, over a sweep of steps and tolerances."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from reference_impls.computation import Array
from verify.checks.argmin.extrapolation import estimates_of, extrapolated, sharpest, widened
from verify.checks.argmin.kinds import EvidenceKind
from verify.checks.argmin.solution import TOLERANCES, Solution
from verify.checks.argmin.solved_anew import STEPS, Line
from verify.oracles.estimate import NOISE_FACTOR, Estimate

PLATEAU = 1e-7
"""Differences within this fraction of the estimate are on its plateau."""


Slopes = Mapping[float, float]
"""Central differences by step, without the steps at which the support is another."""


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


def finite_differences(
    solution: Solution, cotangent: Array, tangents: Mapping[str, Array]
) -> Sweep:
    """Central differences of ⟨u, value⟩ at z ± h v, for every step h and tolerance.

    Where a tolerance is too loose, differences are flat in h, and wrong. So the estimate is the
    tightest tolerance's, and its bar holds the change from the tolerance before. Left out are steps
    that change the support, and steps that reach too far (`Line.steps`).

    Args:
        solution: at z.
        cotangent: u, of the value's shape.
        tangents: v, by primal.
    """
    line = Line(solution, cotangent, tangents)
    estimate = _estimate(line, *(_slopes(line, tolerance) for tolerance in TOLERANCES[-2:]))
    return Sweep(estimate, plateau_of(estimate.value, partial(_central, line)))


def _slopes(line: Line, tolerance: float) -> Slopes:
    slopes = {step: _central(line, step, tolerance) for step in STEPS}
    return {step: slope for step, slope in slopes.items() if slope is not None}


def _central(line: Line, step: float, tolerance: float) -> float | None:
    """A difference over 2h, or None where the support is another at either end."""
    ends = [line.at(signed, tolerance) for signed in (step, -step)]
    if any(np.any(end.support != line.solution.support) for end in ends):
        return None
    return (line.paired(step, tolerance) - line.paired(-step, tolerance)) / (2 * step)


def _estimate(line: Line, looser: Slopes, tightest: Slopes) -> Estimate:
    before, values = (
        extrapolated({step: slopes[step] for step in line.steps if step in slopes}, order=2)
        for slopes in (looser, tightest)
    )
    oracle = EvidenceKind.FINITE_DIFFERENCES
    estimates = [
        widened(estimate, NOISE_FACTOR * abs(estimate.value - before[step]))
        for step, estimate in estimates_of(values, line.noise, oracle).items()
        if step in before
    ]
    return sharpest(estimates, oracle)


def plateau_of(value: float, slope: Callable[[float, float], float | None]) -> str:
    """The plateau in words, see `Sweep`.

    Args:
        value: of the estimate.
        slope: from a step and a tolerance to the difference; None where the support is another. At
            looser tolerances than the tightest it is only asked for along the plateau.
    """

    def agree(step: float, tolerance: float) -> bool:
        found = slope(step, tolerance)
        return found is not None and abs(found - value) <= PLATEAU * abs(value)

    tightest = TOLERANCES[-1]
    steps = _longest_run([agree(step, tightest) for step in STEPS])
    words = f"within {PLATEAU:.0e} for no step"
    if steps:
        loosest = max(each for each in TOLERANCES if all(agree(step, each) for step in steps))
        words = (
            f"within {PLATEAU:.0e} for steps {steps[-1]:.0e} to {steps[0]:.0e} "
            f"and tolerances up to {loosest:.0e}"
        )
    changing = ", ".join(f"{step:.0e}" for step in sorted(STEPS) if slope(step, tightest) is None)
    return words + (f"; the support changes at steps {changing}" if changing else "")


def _longest_run(agreeing: Sequence[bool]) -> list[float]:
    """The longest run of steps that agree."""
    runs: list[list[float]] = [[]]
    for step, agrees in zip(STEPS, agreeing, strict=True):
        if agrees:
            runs[-1].append(step)
        else:
            runs.append([])
    return max(runs, key=len)
