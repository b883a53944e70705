"""Derivatives where a function is not smooth, or only very near the point.

From the left and from the right; along rays that are straight each and together
those of no linear map; and inside a guard, beyond which the function is another.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reference_impls.computation import Array
from verify.oracles.estimate import (
    NOISE_FACTOR,
    NOISE_POINTS,
    NOISE_STEP,
    UNKNOWN_DERIVATIVE,
    Estimate,
    Functional,
    noise_of,
    real,
)
from verify.oracles.richardson import SIDE_STEP

HOMOGENEOUS = 0.01
"""Of the fold: by so much slopes may change as the step doubles. Those of curvature are four times
what they were, and those of kinks nearby are others."""

INSIDE = tuple(2.0**-k for k in range(28, 101, 8))
"""Steps inside a guard: from what rounding permits beside numbers of size one to what it permits
at 0, where guards are for."""


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


def kink_at(phi: Functional, noise: float = 0.0, step: float = SIDE_STEP) -> Sides | None:
    """The two derivatives of φ at 0, where they differ by more than their error bars allow.

    Args:
        phi: the function φ.
        noise: in a value of φ at least.
        step: to either side.
    """
    sides = one_sided(phi, noise, step)
    return sides if abs(sides.left.value - sides.right.value) > sides.error_bar else None


def one_sided(phi: Functional, noise: float = 0.0, step: float = SIDE_STEP) -> Sides:
    """φ'(0) from the left and from the right, where φ need not be differentiable.

    With the slopes s(h) = (φ(h) - φ(0))/h, the term of φ'' cancels in 2 s(h) - s(2h). The step is
    as short as rounding permits, because another kink within it looks like one at 0. The error bar
    is the measured noise of φ divided by the step, and three times the difference of the slopes,
    which at a discontinuity grow like 1/h, so that the bar covers them.

    Args:
        phi: the function φ.
        noise: in a value of φ at least.
        step: to either side.
    """
    near = [real(phi, k * NOISE_STEP) for k in range(NOISE_POINTS)]
    noise, centre = max(noise, noise_of(near)), near[0]

    def from_side(step: float) -> Estimate:
        ahead, further = real(phi, step), real(phi, 2 * step)
        slope, chord = (ahead - centre) / step, (further - centre) / (2 * step)
        rounding = max(noise, float(np.spacing(max(abs(ahead), abs(further), abs(centre)))))
        # The weights of the three values, 2, 1/2 and 3/2, add up to √6.5 in their squares.
        bar = NOISE_FACTOR * np.sqrt(6.5) * rounding / abs(step) + 3 * abs(slope - chord)
        return Estimate(2 * slope - chord, float(bar), "one side")

    return Sides(from_side(-step), from_side(step))


def is_folded(phis: Sequence[Functional], coordinates: Array, noise: float) -> bool:
    """Are the derivatives along several rays those of no linear map?

    The median of three entries that are equal is one of them on either side of any ray, so that
    both sides have one derivative: yet it is another entry's on another ray. Where φ is
    differentiable, the derivative along a sum of tangents is the sum of the derivatives.

    Args:
        phis: along the rays, more of them than tangents.
        coordinates: of each ray, a row, by the tangents that it is the sum of.
        noise: of a value of φ.
    """
    slopes, bar = _slopes(phis, SIDE_STEP, noise)
    fitted, *_ = np.linalg.lstsq(coordinates, slopes)
    fold = float(np.max(np.abs(slopes - coordinates @ fitted)))
    if not fold > 2 * bar:
        return False
    further, _ = _slopes(phis, 2 * SIDE_STEP, noise)
    return float(np.max(np.abs(further - slopes))) <= 2 * bar + HOMOGENEOUS * fold


def _slopes(phis: Sequence[Functional], step: float, noise: float) -> tuple[Array, float]:
    """Central differences, and what rounding may add to one."""
    ends = np.asarray([[real(phi, -step), real(phi, step)] for phi in phis])
    rounding = max(noise, float(np.spacing(np.max(np.abs(ends)))))
    return np.diff(ends, axis=1)[:, 0] / (2 * step), NOISE_FACTOR * rounding / step


def inside_guard(phi: Functional) -> Estimate:
    """φ'(0) from steps so short that no guard is passed, as the 1e-12 of x/max(|x|, 1e-12).

    The error bar is how far the slope is from that of a step 2⁸ times as long, how far those on
    either side are apart, and the rounding of φ over the step. A φ that does not move tells
    nothing.
    """
    found: list[Estimate] = []
    centre, before = real(phi, 0.0), np.inf
    for step in INSIDE:
        ahead, behind = real(phi, step), real(phi, -step)
        slope = (ahead - behind) / (2 * step)
        if not slope:
            break
        jump = abs(ahead - 2 * centre + behind) / step
        rounding = float(np.spacing(max(map(abs, (ahead, behind, centre)))))
        bar = max(abs(slope - before), jump, NOISE_FACTOR * rounding / step)
        found.append(Estimate(slope, bar, "short steps"))
        before = slope
    sharpest = min(found, key=lambda each: each.error_bar / abs(each.value), default=None)
    return sharpest or UNKNOWN_DERIVATIVE
