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

from reference_impls.computation import Array, Arrays
from verify.error_model.arrays import largest, unit_roundoff

SAFETY = 32.0
"""Noise is one standard deviation of an error. The worst of a million such errors is five; a
deviation estimated from a few points may be three times too small; and matrix products of the two
dtypes are blocked differently, which is worth another factor of two."""


EXCUSE = 10.0
"""Another order of summation may cost √n more than the usual one; with the safety factor this
covers n = 10⁵, and leaves no room for an error of 2·10⁻⁵ of the scale in float32."""


INSTABILITY = 1000
"""Three digits lost against the others is more than any order of summation explains."""


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


Point = tuple[Arrays, Array]
"""Primals, and a cotangent u."""


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
