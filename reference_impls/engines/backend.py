"""What the project asks of a library: the members of a backend, with NumPy at the boundary.

`make_vjp` is for checking: arrays in, arrays out. `prepare` is for timing: the callable it returns
finds its arguments converted and on the device already, and leaves its results there.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np

from reference_impls.computation import (
    Array,
    Arrays,
    Computation,
    Native,
    Vjp,
    not_written,
)
from reference_impls.graphs import Graph

Body = Callable[..., Any]
"""A computation written for one library."""

OPERATORS: tuple[Literal["value", "gradient"], ...] = ("value", "gradient")


class Backend(Protocol):
    """One library on one device: it computes values and VJPs, to be checked or to be timed."""

    @property
    def name(self) -> str:
        """What tables call the implementation: ``autograd``, ``torch``, ``manual`` or another."""
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

        The primals may be complex if `takes_complex`; otherwise complex ones raise TypeError.
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

    def body_of(self, computation: Computation) -> Body | None:
        """The computation as written for this library, or None if it is not.

        One without a body is left out of this backend's checks and timings.
        """
        ...

    def with_body(self, computation: Computation, body: Body) -> Computation:
        """The same computation with another body for this library.

        It is only called for a body that takes the keyword ``solve`` (see `Computation`).
        """
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
        """A native array as a NumPy array."""
        ...

    def synchronize(self) -> None:
        """Wait until the device has done everything it was asked to."""
        ...


@runtime_checkable
class SecondOrder(Backend, Protocol):
    """A backend that can differentiate its derivatives.

    Checks of second order leave out a backend that cannot. `reference_impls.derivatives` checks
    names, shapes and dtypes before it calls these methods, except those of the cotangent.
    """

    def jvp(
        self,
        computation: Computation,
        primals: Mapping[str, Array],
        cotangent: Array,
        tangents: Mapping[str, Array],
    ) -> Array:
        """J v, of the value's shape.

        Args:
            computation: the function f.
            primals: where.
            cotangent: any array of the value's shape except zero; the result does not depend on it.
            tangents: v, one array per name in ``computation.wrt``.
        """
        ...

    def second_pullback(
        self, computation: Computation, primals: Mapping[str, Array], cotangent: Array
    ) -> Callable[[Array], Arrays]:
        """The VJP of the gradient map x ↦ Jᵀu, to be called any number of times.

        It takes tangents v as one vector, in the order of ``computation.wrt``.
        """
        ...

    def forward_over_reverse(
        self,
        computation: Computation,
        primals: Mapping[str, Array],
        cotangent: Array,
        tangents: Mapping[str, Array],
    ) -> Array:
        """The JVP of the gradient map by the library's forward mode, as one vector.

        Raises NotImplementedError if the library has no forward rule for some node.
        """
        ...


@runtime_checkable
class Recording(Backend, Protocol):
    """A backend that records a graph, which can be shown.

    Those that do not are left out where graphs are drawn.
    """

    def graph(self, computation: Computation, primals: Mapping[str, Array]) -> Graph:
        """What is recorded for a backward pass, from the primals in ``computation.wrt`` on."""
        ...


class FieldBodies:
    """For a backend whose bodies are a field of `Computation`."""

    field: ClassVar[str]

    def body_of(self, computation: Computation) -> Body | None:
        """See `Backend.body_of`."""
        body: Body = getattr(computation, self.field)
        return None if body is not_written else body

    def with_body(self, computation: Computation, body: Body) -> Computation:
        """See `Backend.with_body`."""
        changes: dict[str, Any] = {self.field: body}
        return replace(computation, **changes)


def seed_cotangent(value: Array) -> Array:
    """The cotangent that timings use: 1 for a scalar, Gaussian otherwise, always the same.

    Not all ones: the gradient of a softmax or a batch normalisation along these is exactly zero,
    and says nothing about what computed it.
    """
    if value.ndim == 0:
        return np.ones_like(value)
    return np.random.default_rng(0).standard_normal(value.shape).astype(value.dtype)
