"""Central differences, extrapolated to a step of zero (Richardson)."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from verify.oracles.estimate import (
    NOISE_FACTOR,
    NOISE_POINTS,
    NOISE_STEP,
    RICHARDSON,
    UNKNOWN_DERIVATIVE,
    Estimate,
    Functional,
    noise_of,
    real,
)

FIRST_STEPS = (2.0**-4, 2.0**-9, 2.0**-14)
"""The longest step of each table; shorter ones are tried until the bar is `GOOD_ENOUGH`."""


HALVINGS = 6
"""Rows of a table, each with half the step of the one before."""


GOOD_ENOUGH = 1e-10
"""Of the derivative: an error bar so narrow ends the search."""


SIDE_STEP = 2.0**-24
"""As short as rounding permits, for differences that a kink nearby must not reach."""


def richardson(phi: Functional, points: int = NOISE_POINTS) -> Estimate:
    """Central differences at halved steps, extrapolated to step zero.

    T[i, j] = T[i, j-1] + (T[i, j-1] - T[i-1, j-1])/(4ʲ - 1). The error bar of an entry is the
    larger of its differences from the two that it is made of (Ridders, *Accurate computation of
    F'(x) and F'(x)F''(x)*, Advances in Engineering Software 4, 1982), and never less than

    - the measured noise of φ divided by the step;
    - twice the jump between the derivatives from either side, extrapolated in the same way: nothing
      else shows a kink so near that every step straddles it.

    A bar that is wide, as where the radius of convergence is short, makes shorter first steps be
    tried. Since the jumps at several kinks may cancel, one more difference is taken, with a step as
    short as rounding permits; if it contradicts the result, the bar is widened to reach it.

    Args:
        phi: the function φ.
        points: at how many to measure its noise.
    """
    noise = noise_of([real(phi, k * NOISE_STEP) for k in range(points)])
    best = UNKNOWN_DERIVATIVE
    for first in FIRST_STEPS:
        best = min(best, extrapolate(phi, first, noise), key=lambda estimate: estimate.error_bar)
        if best.error_bar <= GOOD_ENOUGH * abs(best.value):
            break
    return unless_contradicted(phi, best, noise)


def unless_contradicted(phi: Functional, best: Estimate, noise: float) -> Estimate:
    """An estimate, with a bar that reaches a very short difference where that contradicts it.

    Args:
        phi: the function φ.
        best: an estimate of its derivative.
        noise: of a value of φ.
    """
    short = _short_difference(phi, noise)
    apart = abs(short.value - best.value)
    if apart > short.error_bar + best.error_bar:
        return replace(best, error_bar=apart + short.error_bar)
    return best


def _short_difference(phi: Functional, noise: float) -> Estimate:
    values = {k: real(phi, k * SIDE_STEP) for k in (-2, -1, 0, 1, 2)}
    slope, chord = ((values[k] - values[-k]) / (2 * k * SIDE_STEP) for k in (1, 2))
    jump = (values[1] - 2 * values[0] + values[-1]) / SIDE_STEP
    # The jumps of two kinks beside 0 may cancel in that, but not on either side by itself.
    bends = sum(abs(values[2 * k] - 2 * values[k] + values[0]) for k in (1, -1)) / SIDE_STEP
    rounding = max(noise, float(np.spacing(max(map(abs, values.values())))))
    # Noise is most of what so short a step sees, and it was measured at few points: hence the 4.
    bar = 4 * NOISE_FACTOR * rounding / SIDE_STEP + 2 * (abs(jump) + bends) + abs(slope - chord)
    return Estimate(slope, bar, "short difference")


def extrapolate(
    phi: Functional,
    first: float,
    noise: float,
    rows: int = HALVINGS,
    is_enough: Callable[[Estimate], bool] = lambda _: False,
) -> Estimate:
    """φ'(0) from central differences, each over half the step of the one before.

    Args:
        phi: the function φ.
        first: the longest step.
        noise: of a value of φ.
        rows: how many steps at most.
        is_enough: ends the search early.
    """
    best, centre = UNKNOWN_DERIVATIVE, real(phi, 0.0)
    slopes: list[float] = []
    jumps: list[float] = []
    for row in range(rows):
        step = first / 2**row
        ahead, behind = real(phi, step), real(phi, -step)
        slopes_above, slopes = slopes, [(ahead - behind) / (2 * step)]
        jumps_above, jumps = jumps, [(ahead - 2 * centre + behind) / step]
        rounding = max(noise, float(np.spacing(max(abs(ahead), abs(behind)))))
        for column in range(1, row + 1):
            above = slopes_above[column - 1]
            slopes.append(_towards_zero(slopes[-1], above, 4**column))
            jumps.append(_towards_zero(jumps[-1], jumps_above[column - 1], 2 * 4 ** (column - 1)))
            by_rounding = NOISE_FACTOR * rounding / step
            bar = max(
                abs(slopes[-1] - slopes[-2]),
                abs(slopes[-1] - above),
                2 * abs(jumps[-1]),
                by_rounding,
            )
            if bar < best.error_bar:
                best = Estimate(slopes[-1], bar, RICHARDSON, by_rounding)
        if is_enough(best):
            break
    return best


def _towards_zero(here: float, above: float, ratio: int) -> float:
    """Without the error term that, from twice the step to this one, shrinks by the ratio."""
    return here + (here - above) / (ratio - 1)
