"""Derivatives from values alone, each with its own error bar.

Every oracle differentiates a function φ of one real number at 0. For a function f of many arrays
that is φ(h) = ⟨u, f(x + h v)⟩, whose derivative ⟨u, J v⟩ a VJP must reproduce as ⟨Jᵀu, v⟩ (the dot
test: Claerbout, *Earth Soundings Analysis*, 1992, chapter 5).
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.exceptions import ComplexWarning

COMPLEX = "complex step"
"""What its estimates are called."""

COMPLEX_STEP = 2.0**-100
TRIAL_STEPS = (2.0**-20, 2.0**-23, 2.0**-26, 2.0**-15, 2.0**-10)
TRIAL_ACCURACY = 1e-6
CONFIRMED = 1e-9
FIRST_STEPS = (2.0**-4, 2.0**-9, 2.0**-14)
HALVINGS = 6
GOOD_ENOUGH = 1e-10
SIDE_STEP = 2.0**-24
NOISE_STEP = 2.0**-44
NOISE_POINTS = 8
NOISE_FACTOR = 8.0

FEWEST = 3
"""Points that have a second difference, by which noise is measured."""

QUICK_STEP = 2.0**-14
"""Where φ is smooth, truncation and rounding are each about 10⁻⁹ of a function of size one."""

QUICK_ROWS = 2
QUICK_ENOUGH = 2.0**-22
BLUNT = 1e-6
"""An oracle whose error bar is a larger fraction of the derivative resolves too little."""

SHORTEST = 2.0**-27
ROWS_BETWEEN_KINKS = 4
"""At the last but one, rounding may make a bar of `QUICK_ENOUGH`, at the last of twice that."""

Scalar = complex | float
Functional = Callable[[Scalar], Scalar]


@dataclass(frozen=True)
class Estimate:
    """A derivative, the largest error it is thought to have, and the oracle it comes from."""

    value: float
    error_bar: float
    oracle: str


_UNKNOWN = Estimate(np.nan, np.inf, "Richardson")


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
            stepped, centre = _stepped(phi, points)
    except Exception:  # noqa: BLE001 -- in whatever way the code says that it has no complex numbers
        return richardson(phi, points)
    doubt = _doubt(phi, stepped.value, centre)
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
            first, centre = _stepped(phis[0], 1)
            stepped = [first, *(complex_step(phi, 1) for phi in phis[1:])]
    except Exception:  # noqa: BLE001 -- as in `derivative`
        return _richardson_quickly(phis, scales, noise)
    doubt = _doubt(phis[0], first.value, centre)
    if not np.isfinite(doubt):
        return _richardson_quickly(phis, scales, noise)
    return [replace(each, error_bar=each.error_bar + doubt) for each in stepped]


def _richardson_quickly(
    phis: Sequence[Functional], scales: Sequence[float], noise: float
) -> list[Estimate]:
    centre, is_smooth = _real(phis[0], 0.0), True
    noise = max(noise, float(np.spacing(abs(centre))))
    estimates: list[Estimate] = []
    for phi, scale in zip(phis, scales, strict=True):
        once = _remembered(phi, centre)
        is_enough = partial(_is_enough, scale)
        short, best = _short_step(once, scale, noise), _UNKNOWN
        if is_smooth and not _bends(once, short, noise):
            best = _extrapolate(once, QUICK_STEP, noise, QUICK_ROWS, is_enough)
        is_smooth = is_enough(best)  # if not, nor will it be along the next direction
        if not is_enough(best):
            best = _extrapolate(once, short, noise, ROWS_BETWEEN_KINKS, is_enough)
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
    once = _remembered(phi, _real(phi, 0.0))
    is_enough = partial(_is_enough, scale)
    first = 1.5 * _short_step(once, scale, noise)
    return _extrapolate(once, first, noise, ROWS_BETWEEN_KINKS, is_enough)


def is_blunt(estimate: Estimate, scale: float = 0.0) -> bool:
    """Does it resolve too little beside its terms? Where nobody tells those, beside itself.

    Args:
        estimate: of a derivative.
        scale: of what it is added up from.
    """
    return not estimate.error_bar <= BLUNT * (scale or abs(estimate.value))


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
    return (_real(phi, step) - _real(phi, -step)) / (2 * step)


def is_approached(phi: Functional, derivative: float) -> bool:
    """Does a central difference of real values come close to this derivative, and no kink show?"""
    return bool(np.isfinite(_doubt(phi, derivative, _real(phi, 0.0))))


def _doubt(phi: Functional, derivative: float, centre: float) -> float:
    """What real differences leave open of a derivative's error; infinite if none comes close to it.

    At the kink of an `abs` a central difference is as wrong as the modulus of a complex number;
    the third difference, zero but for terms of h³ where φ is smooth, shows h times the jump.
    """
    earlier: list[float] = []
    doubt = np.inf
    for step in TRIAL_STEPS:
        behind, ahead, further = (_real(phi, k * step) for k in (-1, 1, 2))
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


def _real(phi: Functional, step: float) -> float:
    return float(np.real(phi(step)))


def complex_step(phi: Functional, points: int = NOISE_POINTS) -> Estimate:
    """Im φ(ih)/h: no subtraction, so h can be tiny and the error is rounding alone.

    Squire & Trapp, *Using complex variables to estimate derivatives of real functions*, SIAM
    Review 40 (1998). Valid where φ is analytic, in mathematics and in code. The error bar is the
    measured noise of the derivative, taken on both sides of 0: at a kink it is as wide as the jump.

    Raises:
        TypeError, ValueError, RuntimeError, LinAlgError: whatever φ raises on complex numbers.
    """
    return _stepped(phi, points)[0]


def _stepped(phi: Functional, points: int) -> tuple[Estimate, float]:
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


def richardson(phi: Functional, points: int = NOISE_POINTS) -> Estimate:
    """Central differences at halved steps, extrapolated to step zero.

    T[i, j] = T[i, j-1] + (T[i, j-1] - T[i-1, j-1])/(4ʲ - 1); the error bar is the larger of the two
    differences by which an entry improves on its neighbours (Ridders, *Accurate computation of
    F'(x) and F'(x)F''(x)*, Advances in Engineering Software 4, 1982), but never less than what the
    measured noise of φ amounts to at that step, nor than twice the jump between the derivatives
    from either side, extrapolated alike: a kink so near that every step straddles it shows in
    nothing else. A short radius of convergence, too, shows as a wide bar. Then smaller first steps
    are tried. The jumps at several kinks may cancel; what is left over is tried against one more
    difference, of a step as short as rounding permits, and the bar reaches it if they contradict.
    """
    noise = noise_of([_real(phi, k * NOISE_STEP) for k in range(points)])
    best = _UNKNOWN
    for first in FIRST_STEPS:
        best = min(best, _extrapolate(phi, first, noise), key=lambda estimate: estimate.error_bar)
        if best.error_bar <= GOOD_ENOUGH * abs(best.value):
            break
    short = _short_difference(phi, noise)
    apart = abs(short.value - best.value)
    if apart > short.error_bar + best.error_bar:
        return replace(best, error_bar=apart + short.error_bar)
    return best


def _short_difference(phi: Functional, noise: float) -> Estimate:
    values = {k: _real(phi, k * SIDE_STEP) for k in (-2, -1, 0, 1, 2)}
    slope, chord = ((values[k] - values[-k]) / (2 * k * SIDE_STEP) for k in (1, 2))
    jump = (values[1] - 2 * values[0] + values[-1]) / SIDE_STEP
    # Two kinks beside 0 may cancel in that.
    bends = sum(abs(values[2 * k] - 2 * values[k] + values[0]) for k in (1, -1)) / SIDE_STEP
    rounding = max(noise, float(np.spacing(max(map(abs, values.values())))))
    # At so short a step noise is nearly all there is, and it was measured at few points.
    bar = 4 * NOISE_FACTOR * rounding / SIDE_STEP + 2 * (abs(jump) + bends) + abs(slope - chord)
    return Estimate(slope, bar, "short difference")


def one_sided(phi: Functional) -> tuple[Estimate, Estimate]:
    """φ'(0) from the left and from the right, where φ need not be differentiable.

    2 s(h) - s(2h), with the slopes s(h) = (φ(h) - φ(0))/h, has lost the term of φ''. The step is as
    short as rounding permits: another kink within it could not be told from one at 0. The error bar
    is what the measured noise of φ amounts to, and three times the difference between the slopes:
    at a discontinuity these grow like 1/h, and the bar covers them.
    """
    near = [_real(phi, k * NOISE_STEP) for k in range(NOISE_POINTS)]
    noise, centre = noise_of(near), near[0]

    def from_side(step: float) -> Estimate:
        ahead, further = _real(phi, step), _real(phi, 2 * step)
        slope, chord = (ahead - centre) / step, (further - centre) / (2 * step)
        rounding = max(noise, float(np.spacing(max(abs(ahead), abs(further), abs(centre)))))
        # The weights of the three values, 2, 1/2 and 3/2, add up to √6.5 in their squares.
        bar = NOISE_FACTOR * np.sqrt(6.5) * rounding / abs(step) + 3 * abs(slope - chord)
        return Estimate(2 * slope - chord, float(bar), "one side")

    return from_side(-SIDE_STEP), from_side(SIDE_STEP)


def noise_of(values: Sequence[float]) -> float:
    """The standard deviation of the rounding error in a function's values at neighbouring points.

    Moré & Wild, *Estimating computational noise*, SIAM J. Sci. Comput. 33 (2011): over so short a
    stretch any function is a straight line, whose second differences have six times the variance
    of the noise.
    """
    curved = np.square(np.diff(values, 2))
    measured = float(np.sqrt(np.mean(curved) / 6)) if curved.size else 0.0
    return max(measured, float(np.spacing(max(map(abs, values)))))


def _extrapolate(
    phi: Functional,
    first: float,
    noise: float,
    rows: int = HALVINGS,
    is_enough: Callable[[Estimate], bool] = lambda _: False,
) -> Estimate:
    best, centre = _UNKNOWN, _real(phi, 0.0)
    slopes: list[float] = []
    jumps: list[float] = []
    for row in range(rows):
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
        if is_enough(best):
            break
    return best


def _towards_zero(here: float, above: float, ratio: int) -> float:
    """Cancel, between one step and twice that, the error term that shrinks by the ratio."""
    return here + (here - above) / (ratio - 1)
