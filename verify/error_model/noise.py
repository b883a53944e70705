"""How far a correct implementation may be off: an error model, not a constant.

Rounding errors are proportional to the unit roundoff u of the dtype, so that float32 shows those of
float64 magnified 2²⁹ times. Each implementation is run in both dtypes, at a few points that are one
rounding apart. The *noise* of an entry is the root mean square of its differences between the
dtypes, in units of u. Everything that an analysis of the code would have to find is in it:
conditioning, cancellation, the order in which terms are added. A fault that both dtypes have is
not. The error that an entry is allowed, in either dtype, is

    SAFETY · u · (scale + noise)

where the scale is the largest entry of its array.

An implementation must not excuse itself by being wild, or by being wrong in float32 alone. So the
noise of an entry is the largest that any implementation has, but none counts for more than `EXCUSE`
times what is usual among them; and an implementation that exceeds the usual `INSTABILITY` times is
reported for it. Where an implementation stands alone, the usual is its conditioning: the change of
its float64 results from point to point.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce

import numpy as np

from reference_impls.computation import Array, Arrays
from verify.error_model.arrays import largest, unit_roundoff

SAFETY = 32.0
"""Noise is one standard deviation of an error, and the worst of a million errors is five of them. A
deviation that is estimated from a few points may be three times too small. Matrix products are
blocked differently in the two dtypes, which is worth another factor of two."""


EXCUSE = 10.0
"""Another order of summation may cost √n times the usual error. With the safety factor, ten covers
n = 10⁵, and still finds an error of 2·10⁻⁵ of the scale in float32."""


INSTABILITY = 1000
"""No order of summation explains that three digits more are lost than in the others."""


VANISHING = 1e-13
"""A cotangent that is this small beside the others, in float64, is zero but for rounding."""


CALM = 0.1
"""The quietest tenth of an array's entries, which may be of another kind."""


VALUE, FUNCTIONAL, PAIRING = "value of f", "⟨u, f⟩", "⟨Jᵀu, v⟩"
"""What is measured beside the cotangents; no argument can have such a name."""


@dataclass(frozen=True)
class Noise:
    """Rounding errors, in units of the unit roundoff: of f, ⟨u, f⟩, Jᵀu by argument, and ⟨Jᵀu, v⟩.

    Attributes:
        errors: the root mean square error of every entry, by array.
        spread: by array, how far its float64 results differ from point to point at most.
        scale: by array, its largest entry.
        typical: by array, the largest error at the median point: an array that a kink within a
            rounding spoils at one point of six is not unstable.
        natural: by array, the size of the terms it is the sum of, for one that cancels to zero: the
            norm of u f, and for a cotangent that norm divided by the size of its primal.
        unit: the unit roundoff of the dtype whose errors these are.
        apart: are float32's values another function's? Then these are of float64 alone.
    """

    errors: Arrays
    spread: Mapping[str, float]
    scale: Mapping[str, float]
    typical: Mapping[str, float]
    natural: Mapping[str, float]
    unit: float = 2.0**-24
    apart: bool = False

    @classmethod
    def silent(cls, shapes: Mapping[str, tuple[int, ...]]) -> "Noise":
        """No noise at all, for arrays of these names and shapes: where none can be measured."""
        nothing = dict.fromkeys(shapes, 0.0)
        errors = {name: np.zeros(shape) for name, shape in shapes.items()}
        return cls(errors, nothing, nothing, nothing, nothing)

    @property
    def value(self) -> Arrays:
        """The errors of f, under the key ``value``."""
        return {"value": self.errors[VALUE]}

    @property
    def cotangents(self) -> Arrays:
        """The errors of Jᵀu, by argument."""
        others = (VALUE, FUNCTIONAL, PAIRING)
        return {name: array for name, array in self.errors.items() if name not in others}

    @cached_property
    def quantiles(self) -> Mapping[str, tuple[float, float]]:
        """`quantiles_of` the errors of Jᵀu, by argument: every comparison asks for them again."""
        return {name: quantiles_of(array) for name, array in self.cotangents.items()}

    @property
    def functional(self) -> float:
        """The error of ⟨u, f⟩."""
        return float(self.errors[FUNCTIONAL])

    @property
    def pairings(self) -> Array:
        """The errors of ⟨Jᵀu, v⟩, by direction v."""
        return self.errors[PAIRING]

    def with_noise_of(self, values: "Noise") -> "Noise":
        """This noise, with another's in place of it for the arrays that the other has measured."""
        measured = ("errors", "spread", "scale", "typical", "natural")
        return replace(
            values, **{key: getattr(self, key) | getattr(values, key) for key in measured}
        )

    def vanishes(self, name: str, array: Array) -> bool:
        """Is a cotangent so small, beside the terms it is the sum of, that it is only rounding?

        Nothing can be said of its entries then: two right computations of zero differ as much.
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
        """The scale of an array; if it is zero but for rounding, that of the terms in it."""
        most = max((self.scale[each] for each in self.cotangents), default=0.0)
        if name in self.cotangents and self.scale[name] <= VANISHING * most > 0:
            return most
        # At points of float32, an array that should be zero is rounding, with no right digit.
        floor = SAFETY * unit_roundoff(np.float64) * self.natural[name]
        floor = max(self.unit * self.typical[name], floor)
        is_rounding = self.scale[name] <= floor and not self._has_digits(name)
        return max(self.natural[name], self.scale[name]) if is_rounding else self.scale[name]


Point = tuple[Arrays, Array]
"""Primals, and a cotangent u."""


def pooled(noises: Sequence[Noise]) -> Noise:
    """The largest noise of every entry, but no more than `EXCUSE` times the usual of its array."""
    most = largest_of(noises)
    errors = {
        name: np.minimum(array, EXCUSE * (usual_level(noises, name) + most.size(name)))
        for name, array in most.errors.items()
    }
    return replace(most, errors=errors)


def largest_of(noises: Sequence[Noise]) -> Noise:
    """The largest noise of every entry, however large."""
    first = noises[0]
    errors = {
        name: reduce(np.maximum, (noise.errors[name] for noise in noises)) for name in first.errors
    }
    return replace(first, errors=errors)


def usual_level(noises: Sequence[Noise], name: str) -> float:
    """The noise of the median implementation, the lower one of two; of one alone, its spread."""
    levels = sorted(noise.level(name) for noise in noises)
    return levels[(len(levels) - 1) // 2] if len(levels) > 1 else noises[0].spread[name]


def quantiles_of(noise: Array) -> tuple[float, float]:
    """The noise of the quietest tenth of an array's entries, and of half of them; 0 without any."""
    if not noise.any():
        return 0.0, 0.0  # many comparisons allow none, and to sort a large array takes long
    low, half = np.quantile(noise, (CALM, 0.5))
    return float(low), float(half)
