"""Derivatives from values alone, each with its own error bar.

Every oracle differentiates a function φ of one real number at 0. For a function f of many arrays
that is φ(h) = ⟨u, f(x + h v)⟩, whose derivative ⟨u, J v⟩ a VJP must reproduce as ⟨Jᵀu, v⟩ (the dot
test: Claerbout, *Earth Soundings Analysis*, 1992, chapter 5).
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.exceptions import ComplexWarning

COMPLEX_STEP = 2.0**-100
TRIAL_STEPS = (2.0**-18, 2.0**-22, 2.0**-26, 2.0**-14, 2.0**-10)
TRIAL_ACCURACY = 1e-6
FIRST_STEPS = (2.0**-4, 2.0**-9, 2.0**-14)
HALVINGS = 6
GOOD_ENOUGH = 1e-10
NOISE_STEP = 2.0**-44
NOISE_POINTS = 8
NOISE_FACTOR = 8.0

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
        with warnings.catch_warnings():
            warnings.simplefilter("error", ComplexWarning)
            stepped = complex_step(phi)
    except (TypeError, ValueError, RuntimeError, np.linalg.LinAlgError, ComplexWarning):
        return richardson(phi)  # the code has no complex arithmetic
    return stepped if is_approached(phi, stepped.value) else richardson(phi)


def is_approached(phi: Functional, derivative: float) -> bool:
    """Does a central difference of real values come close to this derivative?"""
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

    def slope(k: int) -> float:
        # Another step, too: where φ is linear, nothing else would be rounded differently.
        step = COMPLEX_STEP * (1 + k / (3 * NOISE_POINTS))
        return complex(phi(k * NOISE_STEP + 1j * step)).imag / step

    slopes = [slope(k) for k in range(NOISE_POINTS)]
    return Estimate(slopes[0], NOISE_FACTOR * noise_of(slopes), "complex step")


def richardson(phi: Functional) -> Estimate:
    """Central differences at halved steps, extrapolated to step zero.

    T[i, j] = T[i, j-1] + (T[i, j-1] - T[i-1, j-1])/(4ʲ - 1); the error bar is the larger of the two
    differences by which an entry improves on its neighbours (Ridders, *Accurate computation of
    F'(x) and F'(x)F''(x)*, Advances in Engineering Software 4, 1982), but never less than what the
    measured noise of φ amounts to at that step, nor than twice the jump between the derivatives
    from either side, extrapolated alike: a kink so near that every step straddles it shows in
    nothing else. A short radius of convergence, too, shows as a wide bar. Then smaller first steps
    are tried.
    """
    noise = noise_of([_real(phi, k * NOISE_STEP) for k in range(NOISE_POINTS)])
    best = Estimate(np.nan, np.inf, "Richardson")
    for first in FIRST_STEPS:
        best = min(best, _extrapolate(phi, first, noise), key=lambda estimate: estimate.error_bar)
        if best.error_bar <= GOOD_ENOUGH * abs(best.value):
            break
    return best


def noise_of(values: Sequence[float]) -> float:
    """The standard deviation of the rounding error in a function's values at neighbouring points.

    Moré & Wild, *Estimating computational noise*, SIAM J. Sci. Comput. 33 (2011): over so short a
    stretch any function is a straight line, whose second differences have six times the variance
    of the noise.
    """
    measured = float(np.sqrt(np.mean(np.square(np.diff(values, 2))) / 6))
    return max(measured, float(np.spacing(max(map(abs, values)))))


def _extrapolate(phi: Functional, first: float, noise: float) -> Estimate:
    best = Estimate(np.nan, np.inf, "Richardson")
    centre = _real(phi, 0.0)
    slopes: list[float] = []
    jumps: list[float] = []
    for row in range(HALVINGS):
        step = first / 2**row
        ahead, behind = _real(phi, step), _real(phi, -step)
        slopes_above, slopes = slopes, [(ahead - behind) / (2 * step)]
        jumps_above, jumps = jumps, [(ahead - 2 * centre + behind) / step]
        rounding = max(noise, float(np.spacing(max(abs(ahead), abs(behind)))))
        for column in range(1, row + 1):
            above = slopes_above[column - 1]
            slopes.append(_towards_zero(slopes[-1], above, 4**column))
            jumps.append(_towards_zero(jumps[-1], jumps_above[column - 1], 2 * 4 ** (column - 1)))
            bar = max(
                abs(slopes[-1] - slopes[-2]),
                abs(slopes[-1] - above),
                2 * abs(jumps[-1]),
                NOISE_FACTOR * rounding / step,
            )
            if bar < best.error_bar:
                best = Estimate(slopes[-1], bar, "Richardson")
    return best


def _towards_zero(here: float, above: float, ratio: int) -> float:
    """Cancel, between one step and twice that, the error term that shrinks by the ratio."""
    return here + (here - above) / (ratio - 1)
