"""Derivatives from values alone, each with its own error bar.

Every oracle differentiates a function φ of one real number at 0. For a function f of many arrays
that is φ(h) = ⟨u, f(x + h v)⟩, whose derivative ⟨u, J v⟩ a VJP must reproduce as ⟨Jᵀu, v⟩ (the dot
test: Claerbout, *Earth Soundings Analysis*, 1992, chapter 5).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

COMPLEX_STEP = 2.0**-100
TRIAL_STEPS = (2.0**-18, 2.0**-22, 2.0**-14, 2.0**-10)
TRIAL_ACCURACY = 1e-6
FIRST_STEPS = (2.0**-4, 2.0**-9, 2.0**-14)
HALVINGS = 6
GOOD_ENOUGH = 1e-10
NOISE_STEP = 2.0**-44
NOISE_POINTS = 4
NOISE_FACTOR = 4.0

Scalar = complex | float
Functional = Callable[[Scalar], Scalar]


@dataclass(frozen=True)
class Estimate:
    """A derivative, the largest error it is thought to have, and the oracle it comes from."""

    value: float
    error_bar: float
    oracle: str


def derivative(phi: Functional) -> Estimate:
    """φ'(0) by the complex step where that is valid for φ, by Richardson extrapolation elsewhere.

    Code that takes `abs`, `norm`, `max` or an SVD of complex numbers runs, and gives a wrong
    derivative without a word. So the complex step is believed only where a central difference of
    real values comes close to it.
    """
    try:
        stepped = complex_step(phi)
    except (TypeError, ValueError, RuntimeError, np.linalg.LinAlgError):
        return richardson(phi)  # the code has no complex arithmetic
    return stepped if _is_approached(phi, stepped.value) else richardson(phi)


def _is_approached(phi: Functional, derivative: float) -> bool:
    # A kink between -h and h spoils a difference, rounding one with a small h: any h may do.
    for step in TRIAL_STEPS:
        ahead, behind = _real(phi, step), _real(phi, -step)
        rounding = 16 * float(np.finfo(np.float64).eps) * max(abs(ahead), abs(behind)) / step
        gap = abs((ahead - behind) / (2 * step) - derivative)
        if gap <= TRIAL_ACCURACY * abs(derivative) + rounding:
            return True
    return False


def _real(phi: Functional, step: float) -> float:
    return float(np.real(phi(step)))


def complex_step(phi: Functional) -> Estimate:
    """Im φ(ih)/h: no subtraction, so h can be tiny and the error is rounding alone.

    Squire & Trapp, *Using complex variables to estimate derivatives of real functions*, SIAM
    Review 40 (1998). Valid where φ is analytic, in mathematics and in code. The error bar is the
    measured noise of the derivative.

    Raises:
        TypeError, ValueError, RuntimeError, LinAlgError: whatever φ raises on complex numbers.
    """

    def slope(x: float) -> float:
        return complex(phi(x + 1j * COMPLEX_STEP)).imag / COMPLEX_STEP

    slopes = [slope(k * NOISE_STEP) for k in range(NOISE_POINTS)]
    return Estimate(slopes[0], NOISE_FACTOR * _noise(slopes), "complex step")


def richardson(phi: Functional) -> Estimate:
    """Central differences at halved steps, extrapolated to step zero.

    T[i, j] = T[i, j-1] + (T[i, j-1] - T[i-1, j-1])/(4ʲ - 1); the error bar is the larger of the two
    differences by which an entry improves on its neighbours (Ridders, *Accurate computation of
    F'(x) and F'(x)F''(x)*, Advances in Engineering Software 4, 1982), but never less than what the
    measured noise of φ amounts to at that step. A kink or a short radius of convergence within the
    first step shows as a wide bar: smaller first steps are then tried.
    """
    noise = _noise([_real(phi, k * NOISE_STEP) for k in range(NOISE_POINTS)])
    best = Estimate(np.nan, np.inf, "Richardson")
    for first in FIRST_STEPS:
        best = min(best, _extrapolate(phi, first, noise), key=lambda estimate: estimate.error_bar)
        if best.error_bar <= GOOD_ENOUGH * abs(best.value):
            break
    return best


def _noise(values: Sequence[float]) -> float:
    """The standard deviation of the rounding error in a function's values at neighbouring points.

    Moré & Wild, *Estimating computational noise*, SIAM J. Sci. Comput. 33 (2011): over so short a
    stretch any function is a straight line, whose second differences have six times the variance
    of the noise.
    """
    measured = float(np.sqrt(np.mean(np.square(np.diff(values, 2))) / 6))
    return max(measured, float(np.spacing(max(map(abs, values)))))


def _extrapolate(phi: Functional, first: float, noise: float) -> Estimate:
    best = Estimate(np.nan, np.inf, "Richardson")
    previous: list[float] = []
    for row in range(HALVINGS):
        step = first / 2**row
        current = [(_real(phi, step) - _real(phi, -step)) / (2 * step)]
        for column, above in enumerate(previous, start=1):
            current.append(current[-1] + (current[-1] - above) / (4**column - 1))
            bar = max(
                abs(current[-1] - current[-2]),
                abs(current[-1] - above),
                NOISE_FACTOR * noise / step,
            )
            if bar < best.error_bar:
                best = Estimate(current[-1], bar, "Richardson")
        previous = current
    return best
