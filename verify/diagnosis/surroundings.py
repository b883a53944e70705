"""What a function and its VJP say beside the point that is checked, and in the other dtype."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reference_impls.computation import Array, Arrays, Vjp, cast

Evaluate = Callable[[Arrays], Array]
"""From primals to f's value."""

MakeVjp = Callable[[Arrays], tuple[Array, Vjp]]
"""From primals to f's value and its VJP."""


@dataclass(frozen=True)
class Surroundings:
    """Values and gradients at x + v, for tangents v that are given by argument.

    Attributes:
        primals: x, in the dtype of the computation.
        cotangent: u, likewise.
        evaluate: f.
        make_vjp: the implementation under suspicion.
    """

    primals: Arrays
    cotangent: Array
    evaluate: Evaluate
    make_vjp: MakeVjp

    def value(self, tangents: Arrays) -> Array:
        """f(x + v), computed in float64; may raise whatever f does there."""
        return self._value_at(tangents) if tangents else self._value_here

    def gradients(self, tangents: Arrays) -> Arrays:
        """Jᵀu at x + v, computed in float64; may raise whatever the implementation does there."""
        return self._gradients_at(tangents) if tangents else self._gradients_here

    def value_in(self, dtype: str) -> Array:
        """f(x), computed in a dtype, and rounded to nothing after that."""
        if dtype == "float64":
            return np.asarray(self._value_here, np.float64)
        return np.asarray(self.evaluate(cast(self.primals, dtype)), np.float64)

    def gradients_in(self, dtype: str) -> Arrays:
        """Jᵀu at x, computed in a dtype."""
        if dtype == "float64":
            return self._gradients_here
        _, vjp = self.make_vjp(cast(self.primals, dtype))
        return cast(vjp(np.asarray(self.cotangent, dtype)), np.float64)

    @cached_property
    def _value_here(self) -> Array:
        return self._value_at({})

    @cached_property
    def _gradients_here(self) -> Arrays:
        return self._gradients_at({})

    def _value_at(self, tangents: Arrays) -> Array:
        return np.asarray(self.evaluate(self._moved(tangents)))

    def _gradients_at(self, tangents: Arrays) -> Arrays:
        _, vjp = self.make_vjp(self._moved(tangents))
        return cast(vjp(np.asarray(self.cotangent, np.float64)), np.float64)

    def _moved(self, tangents: Arrays) -> Arrays:
        wide = cast(self.primals, np.float64)
        return wide | {name: wide[name] + tangent for name, tangent in tangents.items()}
