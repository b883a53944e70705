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
from verify.oracles.richardson import extrapolate, richardson

FEWEST = 3
"""Points that have a second difference, by which noise is measured."""


QUICK_STEP = 2.0**-14
"""Where φ is smooth, truncation and rounding are each about 10⁻⁹ of a function of size one."""


QUICK_ROWS = 2


QUICK_ENOUGH = 2.0**-22


SHORTEST = 2.0**-27


ROWS_BETWEEN_KINKS = 4
"""At the last but one, rounding may make a bar of `QUICK_ENOUGH`, at the last of twice that."""


def derivative(phi: Functional, points: int = NOISE_POINTS) -> Estimate:
    """φ'(0) by the complex step where that is valid for φ, by Richardson extrapolation elsewhere.

    Code that takes `abs`, `norm`, `max` or an SVD of complex numbers runs, and gives a wrong
    derivative without a word. So the complex step is believed only where a central difference of
    real values comes close to it.

    Args:
        phi: the function φ.
        points: how many to measure the noise of the derivative, or of φ, at; at least 3.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ComplexWarning)
            stepped, centre = at_step(phi, points)
    except Exception:  # noqa: BLE001 -- in whatever way the code says that it has no complex numbers
        return richardson(phi, points)
    doubt = doubt_about(phi, stepped.value, centre)
    if not np.isfinite(doubt):
        return richardson(phi, points)
    return replace(stepped, error_bar=stepped.error_bar + doubt)


def quickly(phis: Sequence[Functional], scales: Sequence[float], noise: float) -> list[Estimate]:
    """`derivative` along several directions, in as few evaluations as tell it to `QUICK_ENOUGH`.

    What is the same along all of them is found out along the first: whether the complex step is
    valid, or whether φ is smooth enough for Richardson at `QUICK_STEP`. The error bar of a complex
    step is that of rounding its result; the rounding before is left to the tolerance of what it is
    compared with.

    Args:
        phis: of one function at one point.
        scales: what each derivative is added up from is of this size, and `QUICK_ENOUGH` a fraction
            of it: a derivative that is small by chance, among these directions, need not be known
            to more digits than its terms. 0 where it is not known.
        noise: the standard deviation of the rounding error in a value of φ, along whichever of the
            directions it is largest.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ComplexWarning)
            first, centre = at_step(phis[0], 1)
            stepped = [first, *(complex_step(phi, 1) for phi in phis[1:])]
    except Exception:  # noqa: BLE001 -- as in `derivative`
        return _richardson_quickly(phis, scales, noise)
    doubt = doubt_about(phis[0], first.value, centre)
    if not np.isfinite(doubt):
        return _richardson_quickly(phis, scales, noise)
    return [replace(each, error_bar=each.error_bar + doubt) for each in stepped]


def _richardson_quickly(
    phis: Sequence[Functional], scales: Sequence[float], noise: float
) -> list[Estimate]:
    centre, is_smooth = real(phis[0], 0.0), True
    noise = max(noise, float(np.spacing(abs(centre))))
    estimates: list[Estimate] = []
    for phi, scale in zip(phis, scales, strict=True):
        once = _remembered(phi, centre)
        is_enough = partial(_is_enough, scale)
        short, best = _short_step(once, scale, noise), UNKNOWN_DERIVATIVE
        if is_smooth and not _bends(once, short, noise):
            best = extrapolate(once, QUICK_STEP, noise, QUICK_ROWS, is_enough)
        is_smooth = is_enough(best)  # if not, nor will it be along the next direction
        if not is_enough(best):
            best = extrapolate(once, short, noise, ROWS_BETWEEN_KINKS, is_enough)
        if is_blunt(best, scale):
            best = min(best, richardson(once), key=lambda estimate: estimate.error_bar)
        estimates.append(best)
    return estimates


def between_kinks(phi: Functional, scale: float, noise: float) -> Estimate:
    """Another opinion on what `quickly` found between kinks, from steps half as long again.

    Args:
        phi: of a function of real numbers.
        scale: of the terms of the derivative, as for `quickly`.
        noise: in a value of φ.
    """
    once = _remembered(phi, real(phi, 0.0))
    is_enough = partial(_is_enough, scale)
    first = 1.5 * _short_step(once, scale, noise)
    return extrapolate(once, first, noise, ROWS_BETWEEN_KINKS, is_enough)


def _remembered(phi: Functional, centre: float) -> Functional:
    values: dict[Scalar, Scalar] = {0.0: centre}

    def once(h: Scalar) -> Scalar:
        if h not in values:
            values[h] = phi(h)
        return values[h]

    return once


def _is_enough(scale: float, found: Estimate) -> bool:
    return found.error_bar <= QUICK_ENOUGH * max(abs(found.value), scale)


def _short_step(phi: Functional, scale: float, noise: float) -> float:
    """The first of the steps that fit between kinks: as short as rounding permits."""
    # Where nobody tells the scale, the derivative does, roughly.
    scale = scale or abs(_slope(phi, QUICK_STEP))
    if scale == 0:
        return QUICK_STEP
    shortest = NOISE_FACTOR * noise / (QUICK_ENOUGH * scale)
    return float(np.clip(shortest * 2 ** (ROWS_BETWEEN_KINKS - 2), SHORTEST, QUICK_STEP))


def _bends(phi: Functional, short: float, noise: float) -> bool:
    """Is the slope another at `QUICK_STEP` than at a short step, and by more than curvature?"""
    long, near = _slope(phi, QUICK_STEP), _slope(phi, short)
    return abs(long - near) > NOISE_FACTOR * noise / short + BLUNT * abs(long)


def _slope(phi: Functional, step: float) -> float:
    return (real(phi, step) - real(phi, -step)) / (2 * step)
