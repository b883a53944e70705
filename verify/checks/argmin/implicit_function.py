"""The derivative of an argmin by the implicit function theorem."""

from collections.abc import Mapping
from dataclasses import replace

from reference_impls.computation import Array
from verify.checks.argmin.kinds import EvidenceKind
from verify.checks.argmin.solution import Solution
from verify.oracles.estimate import NOISE_FACTOR, NOISE_POINTS, NOISE_STEP, Estimate, noise_of


def implicit_function(
    solution: Solution, cotangent: Array, tangents: Mapping[str, Array]
) -> Estimate:
    """⟨u, J v⟩ with J = -K⁻¹ R, where K and R are the complex step's.

    The error bar is the noise of that number at neighbouring points, as for the complex step.

    Args:
        solution: with an invertible K.
        cotangent: u, of the value's shape.
        tangents: v, by primal.

    Raises:
        LinAlgError: K is singular.
    """

    def rate(k: int) -> float:
        near = replace(solution, primals=solution.moved(tangents, k * NOISE_STEP))
        corrected = near.y - solution.solve(near.F(near.y))
        return replace(near, y=corrected).outcome_rate(cotangent, tangents)

    rates = [rate(k) for k in range(NOISE_POINTS)]
    return Estimate(rates[0], NOISE_FACTOR * noise_of(rates), EvidenceKind.IMPLICIT_FUNCTION)
