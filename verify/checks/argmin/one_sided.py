"""The two derivatives of an argmin at a kink, by differences of the problem solved anew."""

from collections.abc import Mapping
from dataclasses import replace

from reference_impls.computation import Array
from verify.checks.argmin.extrapolation import estimates_of, extrapolated, sharpest
from verify.checks.argmin.kinds import EvidenceKind
from verify.checks.argmin.solution import Solution
from verify.checks.argmin.solved_anew import Line
from verify.oracles.estimate import Estimate
from verify.oracles.one_sided import Sides


def one_sided(solution: Solution, cotangent: Array, tangents: Mapping[str, Array]) -> Sides:
    """⟨u, J v⟩ from either side: for z + h v, h > 0 is to the right.

    Forward differences are extrapolated once over quartered steps; their bar is made as that of
    central differences.

    Args:
        solution: at the kink.
        cotangent: u, of the value's shape.
        tangents: v, by primal.
    """
    line = Line(solution, cotangent, tangents)
    right, turned = _forward(line), _forward(line.backward)
    return Sides(left=replace(turned, value=-turned.value), right=right)


def _forward(line: Line) -> Estimate:
    centre = line.paired(0.0)
    slopes = {step: (line.paired(step) - centre) / step for step in line.steps}
    oracle = EvidenceKind.ONE_SIDE
    estimates = estimates_of(extrapolated(slopes, order=1), line.noise, oracle)
    return sharpest(list(estimates.values()), oracle)
