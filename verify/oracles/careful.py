"""A derivative from values, by steps and with a noise that fit the function.

`verify.oracles.richardson` is right for functions that live everywhere and round each value anew.
Before a gradient is accused, less is taken for granted:

- **Domain.** Steps are shortened until the values on both sides are numbers: log at 10⁻⁸, a
  probability at 1 - 10⁻¹⁰.
- **Noise at several distances.** A computation that rounds to float32 inside is flat over 10⁻⁷ of
  its input, and 1 + erf over what moves the 1: over short distances no noise shows. So it is
  measured at several, by higher differences, in which a smooth function vanishes and noise does
  not (Moré & Wild, *Estimating derivatives of noisy simulations*, ACM TOMS 38, 2012).
- **Longer steps.** Where no step moves φ, it may be too coarse to move, as 1 - cos x is at 10⁻⁹, or
  its derivative may be zero. Longer steps tell how coarse it is, and float32 tells why: steps that
  come from rounding are longer there, those of `round` or of a dead ReLU are not.
"""

from dataclasses import replace
from functools import cache
from math import comb

import numpy as np

from reference_impls.computation import Array
from verify.error_model.arrays import unit_roundoff
from verify.oracles.estimate import (
    NOISE_FACTOR,
    NOISE_STEP,
    UNKNOWN_DERIVATIVE,
    Estimate,
    Functional,
    or_nan,
    real,
)
from verify.oracles.richardson import (
    FIRST_STEPS,
    GOOD_ENOUGH,
    SIDE_STEP,
    extrapolate,
    unless_contradicted,
)

REACHES = tuple(2.0 ** -(4 + 5 * k) for k in range(8))
"""The longest step of a table: the first of these within the domain, down to 2⁻³⁹."""

FAR, NEAR = 2.0**-8, 2.0**-16
"""Of the longest step: between points where noise is measured, beside `NOISE_STEP`."""

FURTHEST = 2.0**-2
"""The same, where steps of the values are longer than those."""

EVEN, EVEN_FURTHER = 64.0, 16.0
"""Noise is as large at one distance as at the other, but for how few points tell of it: 12 times
has been seen. What a kink leaves in the differences grows with the distance: 256 times from `NEAR`
to `FAR`, and 64 times from there to `FURTHEST`."""

BEYOND_DIGITS = 8.0
"""Times the spacing of floats: noise that is less is that of the last digit."""

POINTS = 8
"""Where it is measured, in a row."""

ORDERS = range(3, 7)
"""Of the differences that tell noise from a smooth function."""

LONGEST, STRIDE = 60, 10
"""Doublings of a step that moves nothing: at most, and at once."""


def carefully(phi: Functional, in_float32: Functional | None = None) -> Estimate:
    """φ'(0) by central differences, extrapolated to a step of zero.

    Args:
        phi: the function φ.
        in_float32: the same, computed in float32; None if it is not.
    """
    once = cache(or_nan(phi))  # steps that double may lead out of the domain
    reach = reach_of(once)
    if reach == 0:
        return UNKNOWN_DERIVATIVE
    noise = _and_of_points(once, reach, noise_of_values(once, reach))
    best = extrapolate(once, reach, noise)
    if not _is_good(best):
        noise = max(noise, noise_of_steps(once, reach))
        best = _best_of_tables(once, reach, noise)
    moved = max(abs(real(once, sign * reach) - real(once, 0.0)) for sign in (1, -1))
    best = replace(best, moved=moved)
    if best.value == 0 and _is_still(once, reach):
        return _of_coarse(once, reach, in_float32, best)
    # Beyond a domain that ends so near there is nothing to take it from.
    return unless_contradicted(once, best, noise) if reach > 2 * SIDE_STEP else best


def _and_of_points(phi: Functional, reach: float, noise: float) -> float:
    """The points are rounded, too, and perhaps all alike, which shows no noise."""
    slope = extrapolate(phi, reach, noise, rows=2).value
    return max(noise, unit_roundoff(np.float64) * abs(slope))


def _best_of_tables(phi: Functional, reach: float, noise: float) -> Estimate:
    best = UNKNOWN_DERIVATIVE
    for first in FIRST_STEPS:
        table = extrapolate(phi, reach * first / FIRST_STEPS[0], noise)
        best = min(best, table, key=lambda estimate: estimate.error_bar)
        if _is_good(best):
            break
    return best


def _is_good(found: Estimate) -> bool:
    return found.error_bar <= GOOD_ENOUGH * abs(found.value)


def reach_of(phi: Functional) -> float:
    """The longest step of a table that stays where φ is a number; 0 if none does."""
    return next((step for step in REACHES if _is_inside(phi, step)), 0.0)


def noise_of_values(phi: Functional, reach: float) -> float:
    """The noise of φ: that of its digits, or of the steps between points that lie apart.

    Steps are looked for even where a table seems good. Values that are rounded to float32 inside
    are few, and two entries of a table are equal by chance.
    """
    digits = noise_of_digits(phi)
    # That a row of values shows none at all is no sign of few: a line may be rounded evenly.
    if not reach or 0 < _scatter(_in_a_row(phi, reach * NEAR)) <= BEYOND_DIGITS * digits:
        return digits
    return max(digits, noise_of_steps(phi, reach))


def noise_between_kinks(phi: Functional) -> float:
    """`noise_of_values`, if it shows between the nearest points as well, which no kinks reach.

    There it shows as scatter, or as values that are the same, as those of float32 are.
    """
    noise = noise_of_values(phi, reach_of(phi))
    nearest = _in_a_row(phi, SIDE_STEP)
    is_rounded = np.unique(nearest).size < POINTS or noise <= EVEN * _scatter(nearest)
    return noise if is_rounded else noise_of_digits(phi)


def noise_of_digits(phi: Functional) -> float:
    """The noise of φ between points that lie as near as noise is usually measured."""
    return _noise_at(phi, NOISE_STEP)


def noise_of_steps(phi: Functional, reach: float, first: int = -(POINTS // 2)) -> float:
    """The noise of φ between points that lie apart, beyond its last digit; 0 if there is none.

    Args:
        phi: the function φ.
        reach: from `reach_of`.
        first: of the points; 0 for those on one side, where φ has a kink.
    """
    digits = BEYOND_DIGITS * float(np.spacing(abs(real(phi, 0.0))))
    near = _noise_at(phi, reach * NEAR, first)
    if near <= digits and first == 0:
        return 0.0
    far = _noise_at(phi, reach * FAR, first)
    if near > digits:
        return near if far <= EVEN * near else 0.0
    if far <= digits:
        return 0.0
    # The values have steps that are longer than the one distance: they are seen from the other.
    return far if _noise_at(phi, reach * FURTHEST, first) <= EVEN_FURTHER * far else 0.0


def _is_inside(phi: Functional, step: float) -> bool:
    try:
        return bool(np.isfinite([real(phi, step), real(phi, -step)]).all())
    except Exception:  # noqa: BLE001 -- so do functions say that they are asked beyond their domain
        return False


def _noise_at(phi: Functional, distance: float, first: int = -(POINTS // 2)) -> float:
    """The standard deviation of the rounding in values of φ that lie so far apart."""
    values = _in_a_row(phi, distance, first)
    return max(_scatter(values), float(np.spacing(np.max(np.abs(values)))))


def _in_a_row(phi: Functional, distance: float, first: int = -(POINTS // 2)) -> Array:
    return np.array([real(phi, (first + k) * distance) for k in range(POINTS)])


def _scatter(values: Array) -> float:
    # The k-th differences of noise have a variance of C(2k, k) times its own.
    return min(
        float(np.sqrt(np.mean(np.square(np.diff(values, k))) / comb(2 * k, k))) for k in ORDERS
    )


def _is_still(phi: Functional, step: float) -> bool:
    centre = real(phi, 0.0)
    return all(real(phi, sign * step) == centre for sign in (1, -1))


def _of_coarse(
    phi: Functional, reach: float, in_float32: Functional | None, flat: Estimate
) -> Estimate:
    """Zero, and how large a derivative would have moved φ at the last step that did not."""
    if in_float32 is None:
        return flat
    step = _first_that_moves(phi, reach)
    values = [real(phi, step), real(phi, -step)]
    moved = max(abs(value - real(phi, 0.0)) for value in values)
    # What moves in float32 as well has a step of its own there, which rounding did not make.
    if not moved or not np.isfinite(values).all() or not _is_still(in_float32, step):
        return flat
    bar = NOISE_FACTOR * moved / step
    return Estimate(0.0, max(bar, flat.error_bar), flat.oracle, bar)


def _first_that_moves(phi: Functional, still: float) -> float:
    """Of the doublings of a step that moves nothing, the first that does; or the last of all."""
    low, high = 0, STRIDE
    while high < LONGEST and _is_still(phi, still * 2.0**high):
        low, high = high, high + STRIDE
    while high - low > 1:
        middle = (low + high) // 2
        if _is_still(phi, still * 2.0**middle):
            low = middle
        else:
            high = middle
    return still * 2.0**high
