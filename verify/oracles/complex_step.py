"""The complex step: Im f(x + ihv)/h, to rounding, where the code is analytic."""

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

COMPLEX = "complex step"
"""What its estimates are called."""


COMPLEX_STEP = 2.0**-100
"""Its square is beyond all digits of a function that changes over distances of about 1."""


TRIAL_STEPS = (2.0**-20, 2.0**-23, 2.0**-26, 2.0**-15, 2.0**-10)
"""Of the real differences that a complex step is held against, in the order they are tried."""


TRIAL_ACCURACY = 1e-6
"""A difference that comes so close, relatively, counts as an agreement."""


CONFIRMED = 1e-9
"""A first difference that comes so close leaves no doubt, and no other is tried."""


@dataclass(frozen=True)
class Stepped:
    """A derivative by the complex step, and φ(0), which comes with it as the real part."""

    estimate: Estimate
    centre: float


def is_approached(phi: Functional, derivative: float) -> bool:
    """Does a difference of real values come close to this derivative, with no sign of a kink?"""
    return bool(np.isfinite(doubt_about(phi, derivative, real(phi, 0.0))))


def doubt_about(phi: Functional, derivative: float, centre: float) -> float:
    """How wrong a derivative may be, as far as real differences tell; infinite if none comes near.

    At the kink of an `abs` a central difference is zero, and so is the complex step: the two agree
    and both are wrong. So a third difference is added to the gap between them. Where φ is smooth
    it is of the size of h³; at a kink it is h times the jump of the slope.

    Args:
        phi: the function φ.
        derivative: φ'(0) by the complex step.
        centre: φ(0).
    """
    earlier: list[float] = []
    doubt = np.inf
    for step in TRIAL_STEPS:
        behind, ahead, further = (real(phi, k * step) for k in (-1, 1, 2))
        size = max(map(abs, (behind, centre, ahead, further)))
        rounding = 32 * float(np.finfo(np.float64).eps) * size / step
        central = abs((ahead - behind) / (2 * step) - derivative)
        # At a kink the central difference lies between the slopes, and the answer may be any.
        gap = central + abs(further - 3 * ahead + 3 * centre - behind) / step
        if not earlier and gap <= CONFIRMED * abs(derivative) + rounding:
            return 0.0
        near = TRIAL_ACCURACY * abs(derivative) + rounding
        if gap <= near:
            # A gap that was wide and is gone came from a kink that this shorter step no longer
            # reaches. A term of φ that is wrong on complex numbers would have left it as wide.
            if min(earlier, default=0.0) > 4 * near:
                return 0.0
            doubt = min(doubt, gap + rounding, *earlier)
        elif np.isfinite(doubt):
            break
        earlier.append(gap + rounding)
    return doubt


def complex_step(phi: Functional, points: int = NOISE_POINTS) -> Estimate:
    """Im φ(ih)/h: no subtraction, so h can be tiny and the error is rounding alone.

    Squire & Trapp, *Using complex variables to estimate derivatives of real functions*, SIAM
    Review 40 (1998). Valid where φ is analytic, in mathematics and in code. The error bar is the
    measured noise of the derivative, taken on both sides of 0: at a kink it is as wide as the jump.

    Raises:
        TypeError, ValueError, RuntimeError, LinAlgError: whatever φ raises on complex numbers.
    """
    return at_step(phi, points).estimate


def at_step(phi: Functional, points: int) -> Stepped:
    """`complex_step`, with φ(0)."""
    middle = min(1, points // 2)
    slopes: list[float] = []
    centre = 0.0
    for k in range(-middle, points - middle):
        # Steps differ as well as points: where φ is linear, points alone all round alike.
        step = COMPLEX_STEP * (1 + k / (3 * NOISE_POINTS))
        value = complex(phi(k * NOISE_STEP + 1j * step))
        slopes.append(value.imag / step)
        centre = value.real if k == 0 else centre
    bar = NOISE_FACTOR * noise_of(slopes)
    return Stepped(Estimate(slopes[middle], bar, COMPLEX), centre)
