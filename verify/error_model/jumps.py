"""Ties that rounding settles: how far results jump beside a point."""

from collections.abc import Callable, Sequence
from functools import reduce

import numpy as np

from reference_impls.computation import Array, Arrays, cast
from reference_impls.function import Function
from verify.error_model.arrays import unit_roundoff
from verify.error_model.measurement import PROBES, nudged, sampled
from verify.error_model.noise import EXCUSE, SAFETY, Point

REACH = int(EXCUSE * SAFETY)
"""In roundings of the input: as many as a sum may be off by, by the error model. A tie that is
nearer may be settled either way."""


ASIDE = 4 * REACH * unit_roundoff(np.float32)
"""Of a jump, the share by which it may be another at x than beside x, where it was seen."""


def measure_bends(
    function: Function,
    point: Point,
    directions: Sequence[Arrays],
    wrt: Sequence[str],
    rng: np.random.Generator,
) -> list[Arrays]:
    """`bends_of` f, Jᵀu and ⟨Jᵀu, v⟩, by the names of `Noise.errors`.

    Args:
        function: the implementation.
        point: primals and cotangent u, of any dtype.
        directions: the tangents v.
        wrt: of the primals, whose cotangents to measure.
        rng: of the roundings.
    """
    primals, cotangent = point

    def results(moved: Arrays) -> Arrays:
        return sampled(function, (moved, cotangent), directions, np.float64, wrt)

    return bends_of(results, primals, rng)


def jumps_of(
    results: Callable[[Arrays], Arrays], primals: Arrays, rng: np.random.Generator
) -> Arrays:
    """By name, of every entry, the largest of its `bends_of`, without its sign."""
    return largest_bends(bends_of(results, primals, rng))


def bends_of(
    results: Callable[[Arrays], Arrays], primals: Arrays, rng: np.random.Generator
) -> list[Arrays]:
    """How results jump within `REACH` of float32's roundings; nothing if they cannot be had.

    A bend is r(x + d) - 2 r(x) + r(x - d), in float64: where r is smooth it is in proportion to d²,
    and far below a rounding of float32; where a tie lies on either side, it is the jump.

    Args:
        results: arrays by name, from primals of float64.
        primals: x, arrays of floating-point numbers.
        rng: of the roundings.

    Returns:
        For each of a few d, the bends by name.
    """
    wide = cast(primals, np.float64)
    try:
        here = results(wide)
        bends = []
        for moved, _ in nudged(primals, np.ones(()), rng, PROBES, most=REACH):
            ahead = cast(moved, np.float64)
            behind = {name: 2 * wide[name] - ahead[name] for name in wide}
            one, other = results(ahead), results(behind)
            bends.append({n: np.asarray(one[n] - 2 * each + other[n]) for n, each in here.items()})
    except Exception:  # noqa: BLE001 -- what is raised at the primals themselves is reported
        return []
    return bends if all(np.isfinite(a).all() for each in bends for a in each.values()) else []


def largest_bends(bends: Sequence[Arrays]) -> Arrays:
    """By name, of every entry, the largest of its bends, without its sign."""
    names = bends[0] if bends else ()
    return {n: reduce(np.maximum, [np.abs(each[n]) for each in bends]) for n in names}


def in_noise(jump: Array) -> Array:
    """A jump as noise of float32, in units, such that it is allowed once, and not `SAFETY` times.

    At x it is another by a share of `REACH` roundings than beside it, where it was seen.
    """
    return np.asarray(jump * (1 / (SAFETY * unit_roundoff(np.float32)) + REACH))
