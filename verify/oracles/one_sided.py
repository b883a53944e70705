"""Derivatives from the left and from the right."""

from dataclasses import dataclass

import numpy as np

from verify.oracles.estimate import (
    NOISE_FACTOR,
    NOISE_POINTS,
    NOISE_STEP,
    Estimate,
    Functional,
    noise_of,
    real,
)
from verify.oracles.richardson import SIDE_STEP


@dataclass(frozen=True)
class Sides:
    """The derivatives of φ at 0 from the left and from the right."""

    left: Estimate
    right: Estimate

    def __str__(self) -> str:
        return f"{self.left.value:.6g} and {self.right.value:.6g}"

    @property
    def error_bar(self) -> float:
        """The sum of both: so far apart the two may be by error alone."""
        return self.left.error_bar + self.right.error_bar


def kink_at(phi: Functional) -> Sides | None:
    """The two derivatives of φ at 0, where they differ by more than their error bars allow."""
    sides = one_sided(phi)
    return sides if abs(sides.left.value - sides.right.value) > sides.error_bar else None


def one_sided(phi: Functional) -> Sides:
    """φ'(0) from the left and from the right, where φ need not be differentiable.

    With the slopes s(h) = (φ(h) - φ(0))/h, the term of φ'' cancels in 2 s(h) - s(2h). The step is
    as short as rounding permits, because another kink within it looks like one at 0. The error bar
    is the measured noise of φ divided by the step, and three times the difference of the slopes,
    which at a discontinuity grow like 1/h, so that the bar covers them.
    """
    near = [real(phi, k * NOISE_STEP) for k in range(NOISE_POINTS)]
    noise, centre = noise_of(near), near[0]

    def from_side(step: float) -> Estimate:
        ahead, further = real(phi, step), real(phi, 2 * step)
        slope, chord = (ahead - centre) / step, (further - centre) / (2 * step)
        rounding = max(noise, float(np.spacing(max(abs(ahead), abs(further), abs(centre)))))
        # The weights of the three values, 2, 1/2 and 3/2, add up to √6.5 in their squares.
        bar = NOISE_FACTOR * np.sqrt(6.5) * rounding / abs(step) + 3 * abs(slope - chord)
        return Estimate(2 * slope - chord, float(bar), "one side")

    return Sides(from_side(-SIDE_STEP), from_side(SIDE_STEP))
