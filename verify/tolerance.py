"""How far a correct implementation may be off: an error model, not a constant.

Rounding errors are proportional to the unit roundoff u of the dtype, so float32 shows those of
float64 magnified 2²⁹ times. Each implementation is run in both, at the same points: the root mean
square difference of an entry, over a few points one rounding apart, is its *noise*, counted in u.
It holds what any analysis of the code would have to find: conditioning, cancellation, the order
in which terms are added. A fault common to both dtypes does not show in it. The error allowed an
entry, in either dtype, is

    SAFETY · u · (scale + noise)

with scale the largest entry beside it. An implementation must not excuse itself by being wild, or
wrong in float32 alone: an entry's noise is the largest of any implementation's, but none counts
for more than `EXCUSE` times what is usual among them, and one that exceeds the usual
`INSTABILITY` times is reported for it. For an implementation that stands alone, what is usual is
the change of its float64 results from point to point, their conditioning.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
import numpy.typing as npt

from reference_impls.backends import Implementation
from reference_impls.computation import Array, Arrays, Computation, cast

SAFETY = 32.0
"""Noise is one standard deviation of an error. The worst of a million such errors is five; a
deviation estimated from a few points may be three times too small; and matrix products of the two
dtypes are blocked differently, which is worth another factor of two."""

EXCUSE = 10.0
"""Another order of summation may cost √n more than the usual one; with the safety factor this
covers n = 10⁵, and leaves no room for an error of 2·10⁻⁵ of the scale in float32."""

INSTABILITY = 1000
"""Three digits lost against the others is more than any order of summation explains."""

PROBES = 6
"""Enough that an entry's noise is not missed by chance: the probability that six normal numbers
are all below a tenth of their deviation is 2.5·10⁻⁷."""

VANISHING = 1e-13
"""A cotangent this small in float64, beside the others, is the rounding error of zero."""

VALUE, FUNCTIONAL, PAIRING = "value of f", "⟨u, f⟩", "⟨Jᵀu, v⟩"
"""What is measured beside the cotangents; no argument can have such a name."""


@dataclass(frozen=True)
class Noise:
    """Rounding errors, in units of the unit roundoff: of f, ⟨u, f⟩, Jᵀu by argument, and ⟨Jᵀu, v⟩.

    Attributes:
        errors: the root mean square error of every entry, by array.
        spread: how far the float64 results differ from point to point, the largest by array.
        scale: the largest entry, by array.
        typical: the largest error at a typical point, by array: one that a kink within rounding
            spoils at one point in six is not unstable.
        natural: what the terms of each array are of the size of, for one that cancels to zero:
            the norm of u f, divided by the size of the primal for its cotangent.
        unit: the unit roundoff of the dtype whose errors these are.
    """

    errors: Arrays
    spread: Mapping[str, float]
    scale: Mapping[str, float]
    typical: Mapping[str, float]
    natural: Mapping[str, float]
    unit: float = 2.0**-24

    @property
    def value(self) -> Arrays:
        """The errors of f, under the key ``value``."""
        return {"value": self.errors[VALUE]}

    @property
    def cotangents(self) -> Arrays:
        """The errors of Jᵀu, by argument."""
        others = (VALUE, FUNCTIONAL, PAIRING)
        return {name: array for name, array in self.errors.items() if name not in others}

    @property
    def functional(self) -> float:
        """The error of ⟨u, f⟩."""
        return float(self.errors[FUNCTIONAL])

    @property
    def pairings(self) -> Array:
        """The errors of ⟨Jᵀu, v⟩, by direction v."""
        return self.errors[PAIRING]

    def with_noise_of(self, values: "Noise") -> "Noise":
        """This one, with what another has measured of fewer arrays."""
        measured = ("errors", "spread", "scale", "typical", "natural")
        return replace(
            values, **{key: getattr(self, key) | getattr(values, key) for key in measured}
        )

    def vanishes(self, name: str, array: Array) -> bool:
        """Is a cotangent so small, beside what its terms are of the size of, that it is rounding?

        Nothing can then be said of its entries: those of zero are no more like one another.
        """
        floor = SAFETY * unit_roundoff(array.dtype) * self.natural.get(name, 0.0)
        return bool(largest(array) <= floor) and not self._has_digits(name)

    def _has_digits(self, name: str) -> bool:
        """Did float32 and float64 agree on its first digits, at least?"""
        return 0 < SAFETY * self.unit * self.typical[name] <= self.scale[name]

    def level(self, name: str) -> float:
        """The largest error of an array."""
        return largest(self.errors[name])

    def size(self, name: str) -> float:
        """The scale of an array; of what cancelled in it, for one that is exactly zero."""
        most = max((self.scale[each] for each in self.cotangents), default=0.0)
        if name in self.cotangents and self.scale[name] <= VANISHING * most > 0:
            return most
        # Not a digit of it is left: an array that is zero looks like this at points of float32.
        floor = SAFETY * unit_roundoff(np.float64) * self.natural[name]
        floor = max(self.unit * self.typical[name], floor)
        is_rounding = self.scale[name] <= floor and not self._has_digits(name)
        return max(self.natural[name], self.scale[name]) if is_rounding else self.scale[name]


def unit_roundoff(dtype: npt.DTypeLike) -> float:
    """Half the spacing of floats at 1: 1.1e-16 in float64, 6.0e-8 in float32."""
    return float(np.finfo(np.dtype(dtype)).eps) / 2


Point = tuple[Arrays, Array]
"""Primals, and a cotangent u."""


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
    computation: Computation,
    implementation: Implementation,
    points: Sequence[Point],
    directions: Sequence[Arrays],
) -> Noise | None:
    """The noise of one implementation, or None if both dtypes do not give numbers that float32 has.

    Args:
        computation: the function f.
        implementation: of it.
        points: float32 primals and cotangents u, from `nudged`.
        directions: the tangents v.
    """
    try:
        # One dtype after the other: a processor's cache holds the constants of one.
        singles, doubles = (
            [_sampled(computation, implementation, point, directions, dtype) for point in points]
            for dtype in (np.float32, np.float64)
        )
        pairs = list(zip(singles, doubles, strict=True))
        if any(_underflows(array) for _, double in pairs for array in double.values()):
            return None
        noise = _noise(pairs, np.float32, points[0])
        if noise and _is_wild(noise):
            # Or is it that an intermediate result went beyond float32?
            with np.errstate(over="raise", under="raise"):
                _sampled(computation, implementation, points[0], directions, np.float32)
    except Exception:  # noqa: BLE001 -- what an implementation raises, its contract check reports
        return None
    return noise


def _is_wild(noise: Noise) -> bool:
    return any(
        noise.typical[name] > INSTABILITY * (noise.spread[name] + noise.size(name))
        for name in noise.errors
    )


def _underflows(array: Array) -> bool:
    """Is even its largest entry so small that float32 stores it with fewer digits?"""
    limits = np.finfo(np.float32)
    return 0 < largest(array) < float(limits.tiny / limits.eps)


def measure_conditioning(
    computation: Computation,
    implementation: Implementation,
    points: Sequence[Point],
    directions: Sequence[Arrays],
    dtype: npt.DTypeLike,
) -> Noise | None:
    """`measure_noise` of one that computes in a single dtype: its changes from point to point.

    They are less than its noise where rounding errors arise that no change of the input explains.
    """
    try:
        first, *others = [
            _sampled(computation, implementation, point, directions, dtype) for point in points
        ]
        return _noise([(other, first) for other in others], dtype, points[0])
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


def largest(array: Array) -> float:
    """The size of the largest entry of an array of real numbers; 0 if it is empty."""
    # A gradient may have a million entries: no array is made of their absolute values.
    return float(max(np.max(array, initial=0.0), -np.min(array, initial=0.0)))


def pooled(noises: Sequence[Noise]) -> Noise:
    """Entry by entry the largest noise, none of it counted beyond `EXCUSE` times the usual."""
    first = noises[0]
    errors = {}
    for name in first.errors:
        limit = EXCUSE * (usual_level(noises, name) + first.size(name))
        most = reduce(np.maximum, (noise.errors[name] for noise in noises))
        errors[name] = np.minimum(most, limit)
    return replace(first, errors=errors)


def usual_level(noises: Sequence[Noise], name: str) -> float:
    """The median implementation's noise, the lower of two; the conditioning of a single one."""
    levels = sorted(noise.level(name) for noise in noises)
    return levels[(len(levels) - 1) // 2] if len(levels) > 1 else noises[0].spread[name]


def pair(cotangents: Arrays, tangents: Arrays) -> float:
    """⟨Jᵀu, v⟩ in float64, summed pairwise: a BLAS dot product would add an error of its own."""
    return float(
        sum(
            np.sum(np.multiply(cotangents[name], tangent, dtype=np.float64))
            for name, tangent in tangents.items()
        )
    )


def _nudge(array: Array, rng: np.random.Generator, dtype: npt.DTypeLike, most: int) -> Array:
    narrow = array.astype(dtype)
    moves = rng.integers(-most, most + 1, array.shape, dtype=np.int16).astype(dtype)
    # By single units in the last place, odd and even: sums may be exact for all that are even.
    # Zero and infinity stay what they are.
    movable = np.isfinite(narrow) & (narrow != 0)
    steps = np.spacing(narrow, out=np.zeros_like(narrow), where=movable)
    return np.asarray(narrow + moves * steps, dtype)


def _sampled(
    computation: Computation,
    implementation: Implementation,
    point: Point,
    directions: Sequence[Arrays],
    dtype: npt.DTypeLike,
) -> Arrays:
    """All that is measured at one point, in one dtype."""
    primals, cotangent = point
    value, vjp = implementation.make_vjp(computation, cast(primals, dtype))
    # Of values alone, even of those whose VJP raises.
    cotangents = vjp(cotangent.astype(dtype)) if computation.wrt else {}
    shapes = {name: cotangents[name].shape for name in computation.wrt}
    if shapes != {name: primals[name].shape for name in computation.wrt}:
        raise ValueError(f"gradients have shapes {shapes}")
    pairings = np.asarray([pair(cotangents, tangents) for tangents in directions])
    measured = {name: np.array(cotangents[name]) for name in computation.wrt}
    of_value = {VALUE: np.array(value), FUNCTIONAL: _inner(cotangent, value)}
    return {**of_value, **measured, **({PAIRING: pairings} if directions else {})}


def _inner(cotangent: Array, value: Array) -> Array:
    return np.asarray(np.sum(np.multiply(cotangent, value, dtype=np.float64)))


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
