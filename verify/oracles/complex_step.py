"""The complex step: Im f(x + ihv)/h, to rounding, where the code is analytic."""

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


TRIAL_STEPS = (2.0**-20, 2.0**-23, 2.0**-26, 2.0**-15, 2.0**-10)


TRIAL_ACCURACY = 1e-6


CONFIRMED = 1e-9


def is_approached(phi: Functional, derivative: float) -> bool:
    """Does a central difference of real values come close to this derivative, and no kink show?"""
    return bool(np.isfinite(doubt_about(phi, derivative, real(phi, 0.0))))


def doubt_about(phi: Functional, derivative: float, centre: float) -> float:
    """What real differences leave open of a derivative's error; infinite if none comes close to it.

    At the kink of an `abs` a central difference is as wrong as the modulus of a complex number;
    the third difference, zero but for terms of h³ where φ is smooth, shows h times the jump.
    """
    earlier: list[float] = []
    doubt = np.inf
    for step in TRIAL_STEPS:
        behind, ahead, further = (real(phi, k * step) for k in (-1, 1, 2))
        size = max(map(abs, (behind, centre, ahead, further)))
        rounding = 32 * float(np.finfo(np.float64).eps) * size / step
        central = abs((ahead - behind) / (2 * step) - derivative)
        # At a kink the difference is between the slopes; an answer may be any of those.
        gap = central + abs(further - 3 * ahead + 3 * centre - behind) / step
        if not earlier and gap <= CONFIRMED * abs(derivative) + rounding:
            return 0.0
        near = TRIAL_ACCURACY * abs(derivative) + rounding
        if gap <= near:
            # With a kink between -h and 2h gaps shrink with h, and one that is gone tells nothing.
            # A term of φ that is wrong on complex numbers leaves them as they are.
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
    return at_step(phi, points)[0]


def at_step(phi: Functional, points: int) -> tuple[Estimate, float]:
    """The complex step, and φ(0), which is its real part."""
    middle = min(1, points // 2)
    slopes: list[float] = []
    centre = 0.0
    for k in range(-middle, points - middle):
        # Another step, too: where φ is linear, nothing else would be rounded differently.
        step = COMPLEX_STEP * (1 + k / (3 * NOISE_POINTS))
        value = complex(phi(k * NOISE_STEP + 1j * step))
        slopes.append(value.imag / step)
        centre = value.real if k == 0 else centre
    bar = NOISE_FACTOR * noise_of(slopes)
    return Estimate(slopes[middle], bar, COMPLEX), centre
