"""What a function and its VJP say beside the point that is checked, and in the other dtype."""

from collections.abc import Callable
from dataclasses import dataclass

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
        return np.asarray(self.evaluate(self._moved(tangents)))

    def gradients(self, tangents: Arrays) -> Arrays:
        """Jᵀu at x + v, computed in float64; may raise whatever the implementation does there."""
        _, vjp = self.make_vjp(self._moved(tangents))
        return cast(vjp(np.asarray(self.cotangent, np.float64)), np.float64)

    def value_in(self, dtype: str) -> Array:
        """f(x), computed in a dtype, and rounded to nothing after that."""
        return np.asarray(self.evaluate(cast(self.primals, dtype)), np.float64)

    def gradients_in(self, dtype: str) -> Arrays:
        """Jᵀu at x, computed in a dtype."""
        _, vjp = self.make_vjp(cast(self.primals, dtype))
        return cast(vjp(np.asarray(self.cotangent, dtype)), np.float64)

    def _moved(self, tangents: Arrays) -> Arrays:
        wide = cast(self.primals, np.float64)
        return wide | {name: wide[name] + tangent for name, tangent in tangents.items()}
