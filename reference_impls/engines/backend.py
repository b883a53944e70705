"""How each library differentiates: the only module that knows.

Three adapters, one per library, with NumPy at the boundary. `make_vjp` is for checking: arrays
in, arrays out. `prepare` is for timing: everything is converted and in place on the device before
the returned callable is first called, and what it returns stays there.
"""

from collections.abc import Callable, Mapping
from typing import Literal, Protocol

import numpy as np

from reference_impls.computation import Array, Computation, Native, Vjp

OPERATORS: tuple[Literal["value", "gradient"], ...] = ("value", "gradient")


class Backend(Protocol):
    """One library on one device: values and VJPs, NumPy in and out, and native ones to time."""

    @property
    def name(self) -> str:
        """Of the implementation: ``autograd``, ``torch`` or ``manual`` in the catalogue."""
        ...

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""
        ...

    @property
    def takes_complex(self) -> bool:
        """Do its bodies compute on complex numbers, where the mathematics is analytic?"""
        ...

    def forward(self, computation: Computation, primals: Mapping[str, Array]) -> Array:
        """f's value and nothing else: no derivative code runs, and nothing is validated.

        The primals may be complex where `takes_complex`; elsewhere that raises TypeError.
        """
        ...

    def make_vjp(self, computation: Computation, primals: Mapping[str, Array]) -> tuple[Array, Vjp]:
        """f's value at the primals, and the map from a cotangent u to Jᵀu.

        Args:
            computation: the function f.
            primals: finite NumPy arrays of one dtype, float64 or float32.

        Returns:
            The value, and a VJP that can be called any number of times with a cotangent of the
            value's shape and dtype; it returns one array per name in ``computation.wrt``, of that
            primal's shape and dtype.

        Raises:
            TypeError: wrong names or dtypes.
            ValueError: wrong shapes, empty arrays, NaN or infinity.
        """
        ...

    @property
    def body(self) -> str:
        """The field of `Computation` that holds this implementation."""
        ...

    def missing(self) -> str | None:
        """Why this backend cannot run here, or None if it can."""
        ...

    def prepare(
        self, computation: Computation, primals: Mapping[str, Array], operator: str
    ) -> Callable[[], Native]:
        """A callable that computes one operator on native arrays already in place.

        ``"value"`` returns f's value and records nothing for differentiation. ``"gradient"``
        returns ``(value, cotangents)``, the VJP of `seed_cotangent`: for a scalar f, its value and
        gradient. Raises as `make_vjp` does, and ValueError for an unknown operator.
        """
        ...

    def to_numpy(self, native: Native) -> Array:
        """A native array brought to the boundary."""
        ...

    def synchronize(self) -> None:
        """Wait until the device has done everything it was asked to."""
        ...


def seed_cotangent(value: Array) -> Array:
    """The cotangent that timings use: 1 for a scalar, Gaussian otherwise, always the same.

    Not all-ones: a normalised output (softmax, batch normalisation) has a gradient of exactly
    zero along it, and nothing would be computed that could be checked.
    """
    if value.ndim == 0:
        return np.ones_like(value)
    return np.random.default_rng(0).standard_normal(value.shape).astype(value.dtype)
