"""Derivatives from values alone, each with its own error bar.

Every oracle differentiates a function φ of one real number at 0. For a function f of many arrays
that is φ(h) = ⟨u, f(x + h v)⟩, whose derivative ⟨u, J v⟩ a VJP must reproduce as ⟨Jᵀu, v⟩ (the dot
test: Claerbout, *Earth Soundings Analysis*, 1992, chapter 5).
"""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.exceptions import ComplexWarning

from verify.oracles.complex_step import at_step, complex_step, doubt_about
from verify.oracles.estimate import (
    BLUNT,
    NOISE_FACTOR,
    NOISE_POINTS,
    UNKNOWN_DERIVATIVE,
    Estimate,
    Functional,
    Scalar,
    is_blunt,
    real,
)
from verify.oracles.one_sided import kink_at
from verify.oracles.richardson import extrapolate, richardson

FEWEST = 3
"""Points that have a second difference, by which noise is measured."""


QUICK_STEP = 2.0**-14
"""Where φ is smooth, truncation and rounding are each about 10⁻⁹ of a function of size one."""


QUICK_ROWS = 3
"""Steps from there on, each half the one before. Of two, the bar is the whole of what the second
corrects, about 10⁻⁸ of the derivative; the third confirms the correction, to 10⁻¹⁰."""


QUICK_ENOUGH = 2.0**-22
"""An error bar that is this fraction of the derivative's terms ends the search for a narrower."""


SHORTEST = 2.0**-27
"""No step is shorter: rounding would be all there is."""


ROWS_BETWEEN_KINKS = 4
"""Steps that fit between kinks, each half the one before. At the last but one, rounding alone makes
a bar of `QUICK_ENOUGH`; at the last, of twice that."""


def derivative(phi: Functional, points: int = NOISE_POINTS) -> Estimate:
    """φ'(0) by the complex step where that is valid for φ, by Richardson extrapolation elsewhere.

    Code that takes `abs`, `norm`, `max` or an SVD of complex numbers runs, and silently gives a
    wrong derivative. So the complex step is believed only where a difference of real values comes
    close to it.

    Args:
        phi: the function φ.
        points: at how many to measure noise, of the derivative or of φ; at least 3.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ComplexWarning)
            stepped = at_step(phi, points)
    except Exception:  # noqa: BLE001 -- in whatever way the code says that it has no complex numbers
        return richardson(phi, points)
    doubt = doubt_about(phi, stepped.estimate.value, stepped.centre)
    if not np.isfinite(doubt):
        return richardson(phi, points)
    return replace(stepped.estimate, error_bar=stepped.estimate.error_bar + doubt)


def quickly(phis: Sequence[Functional], scales: Sequence[float], noise: float) -> list[Estimate]:
    """`derivative` along several directions, with few evaluations, and to `QUICK_ENOUGH` only.

    The first direction decides for all of them whether the complex step is valid and, if not,
    whether φ is smooth enough for Richardson at `QUICK_STEP`. The error bar of a complex step
    covers the rounding of its result alone: earlier roundings are for the tolerance of the
    comparison to allow.

    Args:
        phis: of one function at one point.
        scales: the size of the terms that each derivative is the sum of, 0 where it is unknown.
            `QUICK_ENOUGH` is a fraction of it, so that a derivative whose terms happen to cancel
            need not be known to more digits than its terms.
        noise: the standard deviation of the rounding error in a value of φ, in the direction in
            which it is largest.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ComplexWarning)
            first = at_step(phis[0], 1)
            stepped = [first.estimate, *(complex_step(phi, 1) for phi in phis[1:])]
    except Exception:  # noqa: BLE001 -- as in `derivative`
        return _richardson_quickly(phis, scales, noise)
    doubt = doubt_about(phis[0], first.estimate.value, first.centre)
    if not np.isfinite(doubt):
        return _richardson_quickly(phis, scales, noise)
    return [replace(each, error_bar=each.error_bar + doubt) for each in stepped]


def _richardson_quickly(
    phis: Sequence[Functional], scales: Sequence[float], noise: float
) -> list[Estimate]:
    is_smooth = True
    noise = max(noise, float(np.spacing(abs(real(phis[0], 0.0)))))
    estimates: list[Estimate] = []
    for phi, scale in zip(phis, scales, strict=True):
        once = remembered(phi)
        is_enough = partial(_is_enough, scale)
        short, best = _short_step(once, scale, noise), UNKNOWN_DERIVATIVE
        if is_smooth and not _bends(once, short, noise):
            best = extrapolate(once, QUICK_STEP, noise, QUICK_ROWS)
        is_smooth = is_enough(best)  # otherwise the next direction need not try
        if not is_enough(best):
            best = extrapolate(once, short, noise, ROWS_BETWEEN_KINKS, is_enough)
        if is_blunt(best, scale) and not kink_at(once):
            best = min(best, richardson(once), key=lambda estimate: estimate.error_bar)
        estimates.append(best)
    return estimates


def between_kinks(phi: Functional, scale: float, noise: float) -> Estimate:
    """A second opinion on what `quickly` found between kinks, from steps half as long again.

    Args:
        phi: of a function of real numbers.
        scale: of the terms of the derivative, as for `quickly`.
        noise: in a value of φ.
    """
    once = remembered(phi)
    is_enough = partial(_is_enough, scale)
    first = 1.5 * _short_step(once, scale, noise)
    return extrapolate(once, first, noise, ROWS_BETWEEN_KINKS, is_enough)


def remembered(phi: Functional) -> Functional:
    """φ, evaluated once at each h."""
    values: dict[Scalar, Scalar] = {}

    def once(h: Scalar) -> Scalar:
        if h not in values:
            values[h] = phi(h)
        return values[h]

    return once


def _is_enough(scale: float, found: Estimate) -> bool:
    return found.error_bar <= QUICK_ENOUGH * max(abs(found.value), scale)


def _short_step(phi: Functional, scale: float, noise: float) -> float:
    """The first of the steps between kinks, as short as rounding lets it be."""
    # An unknown scale is guessed from a rough derivative.
    scale = scale or abs(_slope(phi, QUICK_STEP))
    if scale == 0:
        return QUICK_STEP
    shortest = NOISE_FACTOR * noise / (QUICK_ENOUGH * scale)
    return float(np.clip(shortest * 2 ** (ROWS_BETWEEN_KINKS - 2), SHORTEST, QUICK_STEP))


def _bends(phi: Functional, short: float, noise: float) -> bool:
    """Do the slopes at `QUICK_STEP` and at a short step differ by more than curvature explains?"""
    long, near = _slope(phi, QUICK_STEP), _slope(phi, short)
    return abs(long - near) > NOISE_FACTOR * noise / short + BLUNT * abs(long)


def _slope(phi: Functional, step: float) -> float:
    return (real(phi, step) - real(phi, -step)) / (2 * step)
