"""A fault's function as a scalar one along a vector, for peers that take nothing else."""

from dataclasses import dataclass, field

import numpy as np

from reference_impls.computation import Array, copies
from verify.trust.peers.peer import Named, first_order_only
from verify.trust.planted import Planted


@dataclass(frozen=True)
class _Scalarised:
    """φ and its gradient.

    Attributes:
        planted: f.
        constants: its primals; the differentiated ones are replaced.
        start: those in one vector.
        cotangent: u, Gaussian.
    """

    planted: Planted
    constants: Named
    start: Array
    cotangent: Array = field(compare=False)

    def value(self, vector: Array) -> float:
        return float(self.terms(vector).sum())

    def terms(self, vector: Array) -> Array:
        value = np.asarray(self.planted.forward(**self._primals(vector)), dtype=np.float64)
        return value * self.cotangent.astype(np.float64)

    def gradient(self, vector: Array) -> Array:
        _, vjp = self.planted.make_vjp(**self._primals(vector))
        gradients = vjp(self.cotangent)
        return np.concatenate([np.ravel(gradients[name]) for name in self.planted.wrt])

    def _primals(self, vector: Array) -> Named:
        shapes = [np.shape(self.constants[name]) for name in self.planted.wrt]
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]
        parts = np.split(vector, ends)
        arrays = [np.reshape(part, shape) for part, shape in zip(parts, shapes, strict=True)]
        return self.constants | dict(zip(self.planted.wrt, arrays, strict=True))


def scalarised(planted: Planted, rng: np.random.Generator) -> _Scalarised:
    """The scalar function φ(t) = ⟨u, f(x + t)⟩ that peers are asked about."""
    first_order_only(planted, "looks at the first alone")
    constants = copies(planted.primals)
    value = np.asarray(planted.forward(**copies(planted.primals)))
    return _Scalarised(
        planted,
        constants,
        start=np.concatenate([np.ravel(constants[name]) for name in planted.wrt]),
        cotangent=rng.standard_normal(value.shape).astype(value.dtype),
    )
