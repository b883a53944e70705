"""Noise, measured: results in float32 and float64, and from one point to the next."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import ceil

import numpy as np
import numpy.typing as npt

from reference_impls.computation import Array, Arrays, cast
from reference_impls.function import Function
from verify.error_model.arrays import inner, largest, pair, unit_roundoff
from verify.error_model.noise import FUNCTIONAL, INSTABILITY, PAIRING, VALUE, Noise, Point

DRAWS = 24
"""Roundings that are drawn at least: of a few numbers, they may all be equal at a few points. And
points at which a jump is looked for."""


def measure_noises(
    functions: Sequence[Function],
    point: Point,
    tangents: Sequence[Arrays],
    rng: np.random.Generator,
    probes: int,
    wrt: Sequence[str],
) -> dict[str, Noise]:
    """The noise of each implementation that gives finite numbers, by its name.

    Args:
        functions: the implementations.
        point: primals and cotangent of float64, or of the only dtype there is.
        tangents: the directions v.
        rng: of the roundings.
        probes: how many points to measure at; more, where there are but a few numbers.
        wrt: of the primals, whose cotangents to measure; without any, values alone are.
    """
    numbers = sum(array.size for array in (*point[0].values(), point[1]))
    probes = max(probes, ceil(DRAWS / max(1, numbers)))
    measured: dict[str, Noise | None] = {}
    if fits_float32(point[0]):
        points = nudged(*point, rng, probes)
        measured = {each.name: measure_noise(each, points, tangents, wrt) for each in functions}
    if any(measured.values()):
        return {name: noise for name, noise in measured.items() if noise}
    # Nobody computes in both dtypes here: what is left is how results change with the input.
    dtype = next(iter(point[0].values())).dtype
    points = nudged(*point, rng, probes + 1, dtype)
    conditionings = {
        each.name: measure_conditioning(each, points, tangents, dtype, wrt) for each in functions
    }
    return {name: noise for name, noise in conditionings.items() if noise}


PROBES = 6
"""Enough that an entry's noise is not missed by chance: the probability that six normal numbers
are all below a tenth of their deviation is 2.5·10⁻⁷."""


def nudged(
    primals: Arrays,
    cotangent: Array,
    rng: np.random.Generator,
    count: int = PROBES,
    dtype: npt.DTypeLike = np.float32,
    most: int = 1,
) -> list[Point]:
    """Copies in a dtype, every entry moved by a rounding up, down, or not at all; or by several."""
    return [
        (
            {name: _nudge(primal, rng, dtype, most) for name, primal in primals.items()},
            _nudge(cotangent, rng, dtype, most),
        )
        for _ in range(count)
    ]


def fits_float32(primals: Arrays) -> bool:
    """Are all entries that are finite, and not zero, normal numbers in float32 too?"""
    limits = np.finfo(np.float32)
    for array in primals.values():
        size = np.abs(array)
        odd = size[~((size >= limits.tiny) & (size <= limits.max / 2))]
        if np.any((odd != 0) & np.isfinite(odd)):
            return False
    return True


def measure_noise(
    function: Function,
    points: Sequence[Point],
    directions: Sequence[Arrays],
    wrt: Sequence[str],
) -> Noise | None:
    """The noise of one implementation, or None if both dtypes do not give numbers that float32 has.

    Args:
        function: the implementation.
        points: float32 primals and cotangents u, from `nudged`.
        directions: the tangents v.
        wrt: of the primals, whose cotangents to measure.
    """
    try:
        # One dtype after the other: a processor's cache holds the constants of one.
        singles, doubles = (
            [sampled(function, point, directions, dtype, wrt) for point in points]
            for dtype in (np.float32, np.float64)
        )
        pairs = list(zip(singles, doubles, strict=True))
        if any(_underflows(array) for _, double in pairs for array in double.values()):
            return None
        noise = _noise(pairs, np.float32, points[0])
        if noise and is_wild(noise, noise.errors):
            # Or is it that an intermediate result went beyond float32?
            with np.errstate(over="raise", under="raise"):
                sampled(function, points[0], directions, np.float32, wrt)
    except Exception:  # noqa: BLE001 -- what an implementation raises, its contract check reports
        return None
    return noise


def is_wild(noise: Noise, names: Iterable[str]) -> bool:
    """Is any of these arrays' rounding far above its size and its conditioning?"""
    return any(
        noise.typical[name] > INSTABILITY * (noise.spread[name] + noise.size(name))
        for name in names
    )


def _underflows(array: Array) -> bool:
    """Is even its largest entry so small that float32 stores it with fewer digits?"""
    limits = np.finfo(np.float32)
    return 0 < largest(array) < float(limits.tiny / limits.eps)


def measure_conditioning(
    function: Function,
    points: Sequence[Point],
    directions: Sequence[Arrays],
    dtype: npt.DTypeLike,
    wrt: Sequence[str],
) -> Noise | None:
    """`measure_noise` of one that computes in a single dtype: its changes from point to point.

    They are less than its noise where rounding errors arise that no change of the input explains.
    """
    try:
        first, *others = [sampled(function, point, directions, dtype, wrt) for point in points]
        found = _noise([(other, first) for other in others], dtype, points[0])
        return found and replace(
            found, spread={name: largest(errors) for name, errors in found.errors.items()}
        )
    except Exception:  # noqa: BLE001 -- what an implementation raises, its contract check reports
        return None


def _noise(
    samples: Sequence[tuple[Arrays, Arrays]], dtype: npt.DTypeLike, point: Point
) -> Noise | None:
    """From results in the dtype, and what they should have been, at points near this one."""
    exact = [wide for _, wide in samples]
    first, unit = exact[0], unit_roundoff(dtype)
    errors, typical, spread = {}, {}, {}
    for name in first:
        differences = [_difference(narrow[name], wide[name]) for narrow, wide in samples]
        typical[name] = float(np.median([largest(each) for each in differences])) / unit
        errors[name] = _root_mean_square(differences, len(samples), unit)
        changes = [_difference(wide[name], first[name]) for wide in exact[1:]]
        spread[name] = largest(_root_mean_square(changes, len(samples), unit)) if changes else 0.0
    if not all(np.isfinite(array).all() for array in errors.values()):
        return None
    return Noise(
        errors=errors,
        spread=spread,
        scale={name: largest(array) for name, array in first.items()},
        typical=typical,
        natural=_natural(first, point),
        unit=unit,
    )


def _natural(results: Arrays, point: Point) -> dict[str, float]:
    primals, cotangent = point
    terms = float(np.linalg.norm(np.multiply(cotangent, results[VALUE], dtype=np.float64)))
    sizes = {name: largest(primals[name]) or 1.0 for name in results if name in primals}
    return {name: terms / sizes.get(name, 1.0) for name in results}


def _nudge(array: Array, rng: np.random.Generator, dtype: npt.DTypeLike, most: int) -> Array:
    narrow = array.astype(dtype)
    moves = rng.integers(-most, most + 1, array.shape, dtype=np.int16).astype(dtype)
    # By single units in the last place: with even moves only, sums can come out exact and hide the
    # rounding. Zero and infinity stay what they are.
    movable = np.isfinite(narrow) & (narrow != 0)
    steps = np.spacing(narrow, out=np.zeros_like(narrow), where=movable)
    return np.asarray(narrow + moves * steps, dtype)


def sampled(
    function: Function,
    point: Point,
    directions: Sequence[Arrays],
    dtype: npt.DTypeLike,
    wrt: Sequence[str],
) -> Arrays:
    """All that is measured at one point, in one dtype."""
    primals, cotangent = point
    value, vjp = function.make_vjp(cast(primals, dtype))
    # Of values alone, even of those whose VJP raises.
    cotangents = vjp(cotangent.astype(dtype)) if wrt else {}
    shapes = {name: cotangents[name].shape for name in wrt}
    if shapes != {name: primals[name].shape for name in wrt}:
        raise ValueError(f"gradients have shapes {shapes}")
    pairings = np.asarray([pair(cotangents, tangents) for tangents in directions])
    measured = {name: np.array(cotangents[name]) for name in wrt}
    of_value = {VALUE: np.array(value), FUNCTIONAL: np.asarray(inner(cotangent, value))}
    return {**of_value, **measured, **({PAIRING: pairings} if directions else {})}


def _difference(one: Array, other: Array) -> Array:
    return np.asarray(np.subtract(one, other, dtype=np.float64))


def _root_mean_square(differences: Sequence[Array], count: int, unit: float) -> Array:
    """In units, of so many; all beyond these are zero. What was given is overwritten."""
    for difference in differences:
        np.divide(difference, unit, out=difference)
        np.square(difference, out=difference)
    total, *others = differences
    for other in others:
        total += other
    total /= count
    return np.sqrt(total, out=total)
