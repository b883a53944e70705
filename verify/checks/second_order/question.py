"""What is asked about second derivatives, and of whom."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reference_impls.computation import Array, Arrays
from reference_impls.derivatives import SecondVjp
from verify.error_model.arrays import scale_of

FACTOR = 2.0
"""Of w in v - 2w: a power of two, so that the product is not rounded."""


Hvp = Callable[[Arrays, Arrays], Arrays]
"""From primals and tangents v to S(v), both by argument: in the dtype of the primals."""


Gradient = Callable[[Arrays], Arrays]
"""From primals, in float64 and maybe complex, to Jᵀu."""


class OnOneGraph:
    """An HVP that is linearised once for all tangents at the same primals.

    It is cheaper than one that begins anew each time, and shows what a graph does when it is walked
    more than once. Primals are told apart by identity: they must not be written to.

    Args:
        linearise: from primals to v ↦ S(v) there.
    """

    def __init__(self, linearise: Callable[[Arrays], SecondVjp]) -> None:
        self._linearise = linearise
        self._primals: Arrays | None = None
        self._second: SecondVjp | None = None

    def __call__(self, primals: Arrays, tangents: Arrays) -> Arrays:
        """S(v) at the primals."""
        if self._second is None or primals is not self._primals:
            self._primals, self._second = primals, self._linearise(primals)
        return self._second(tangents)


@dataclass(frozen=True)
class Question:
    """What every implementation is asked: S at x, for a few tangents.

    Attributes:
        primals: x, of the dtype; those that are not floating are handed on.
        wrt: of them, what to differentiate with respect to.
        dtype: ``float64`` or ``float32``.
        v: tangents, Gaussian at the scale of each primal.
        w: the same, drawn independently.
    """

    primals: Arrays
    wrt: tuple[str, ...]
    dtype: str
    v: Arrays
    w: Arrays

    @classmethod
    def drawn(
        cls, primals: Arrays, wrt: tuple[str, ...], dtype: str, rng: np.random.Generator
    ) -> "Question":
        """The question with v and w from a generator."""
        v, w = ({name: gaussian_tangent(primals[name], dtype, rng) for name in wrt} for _ in "vw")
        return cls(primals, wrt, dtype, v, w)

    def in_dtype(self, dtype: str) -> "Question":
        """The same numbers in a dtype."""
        primals, v, w = (in_dtype(each, dtype) for each in (self.primals, self.v, self.w))
        return Question(primals, self.wrt, dtype, v, w)

    @property
    def is_empty(self) -> bool:
        """Is there no entry to differentiate with respect to?"""
        return not any(self.primals[name].size for name in self.wrt)

    @property
    def floating(self) -> Arrays:
        """The primals that can be moved."""
        return {name: array for name, array in self.primals.items() if array.dtype.kind == "f"}

    @property
    def combined(self) -> Arrays:
        """The tangents v - 2w."""
        return {name: v - v.dtype.type(FACTOR) * self.w[name] for name, v in self.v.items()}

    @property
    def zero(self) -> Arrays:
        """The tangents 0."""
        return {name: np.zeros_like(v) for name, v in self.v.items()}


def gaussian_tangent(primal: Array, dtype: str, rng: np.random.Generator) -> Array:
    """A Gaussian tangent at the scale of its primal; zero where that is infinite, and stays so."""
    tangent = np.asarray(scale_of(primal) * rng.standard_normal(primal.shape), dtype)
    tangent[~np.isfinite(primal)] = 0.0
    return tangent


def in_dtype(arrays: Arrays, dtype: str) -> Arrays:
    """Arrays of floating-point numbers in a dtype, and the others as they are."""
    return {n: a.astype(dtype) if a.dtype.kind == "f" else a for n, a in arrays.items()}
