"""A planted function as a scalar function of one vector, for peers that take nothing else."""

from dataclasses import dataclass, field

import numpy as np

from reference_impls.computation import Array, copies
from verify.trust.peers.peer import Named, first_order_only
from verify.trust.planted import Planted


@dataclass(frozen=True)
class Scalarised:
    """φ(t) = ⟨u, f(t)⟩ and its gradient; the vector t has all differentiated primals in a row.

    Attributes:
        planted: f.
        constants: its primals, of which t replaces the differentiated ones.
        start: the t of the planted primals.
        cotangent: u, Gaussian.
    """

    planted: Planted
    constants: Named
    start: Array
    cotangent: Array = field(compare=False)

    def value(self, vector: Array) -> float:
        """φ(t)."""
        return float(self.terms(vector).sum())

    def terms(self, vector: Array) -> Array:
        """The terms u f that φ(t) is the sum of, in float64."""
        value = np.asarray(self.planted.forward(**self._primals(vector)), dtype=np.float64)
        return value * self.cotangent.astype(np.float64)

    def gradient(self, vector: Array) -> Array:
        """∇φ(t) by the planted VJP."""
        _, vjp = self.planted.make_vjp(**self._primals(vector))
        gradients = vjp(self.cotangent)
        return np.concatenate([np.ravel(gradients[name]) for name in self.planted.wrt])

    def _primals(self, vector: Array) -> Named:
        shapes = [np.shape(self.constants[name]) for name in self.planted.wrt]
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]
        parts = np.split(vector, ends)
        arrays = [np.reshape(part, shape) for part, shape in zip(parts, shapes, strict=True)]
        return self.constants | dict(zip(self.planted.wrt, arrays, strict=True))


def scalarised(planted: Planted, rng: np.random.Generator) -> Scalarised:
    """The scalar function that peers are asked about, for a Gaussian u."""
    first_order_only(planted, "looks at the first alone")
    constants = copies(planted.primals)
    value = np.asarray(planted.forward(**copies(planted.primals)))
    return Scalarised(
        planted,
        constants,
        start=np.concatenate([np.ravel(constants[name]) for name in planted.wrt]),
        cotangent=rng.standard_normal(value.shape).astype(value.dtype),
    )
