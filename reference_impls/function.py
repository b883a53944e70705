"""What a checker needs of one implementation of a function: values and VJPs, NumPy in and out.

A computation of the catalogue with a backend that differentiates it is a `Function`, and so is what
a user hands to `verify.check`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from inspect import signature
from typing import Protocol

from reference_impls.computation import Array, Computation, Vjp
from reference_impls.engines.backend import Backend

DEVICE_MARK = "/"
"""Between an implementation's name and its device, where that is not the CPU."""


class Function(Protocol):
    """One implementation of a function f."""

    @property
    def name(self) -> str:
        """Of the implementation: in the catalogue its backend's, with the device if on a GPU."""
        ...

    @property
    def wrt(self) -> tuple[str, ...]:
        """The primals it is differentiated with respect to, in the order of its cotangents."""
        ...

    @property
    def takes_complex(self) -> bool:
        """Does its code compute on complex numbers, where the mathematics is analytic?"""
        ...

    def forward(self, primals: Mapping[str, Array]) -> Array:
        """f's value and nothing else: no derivative code runs, and nothing is validated.

        The primals may be complex where `takes_complex`; elsewhere that raises TypeError.
        """
        ...

    def make_vjp(self, primals: Mapping[str, Array]) -> tuple[Array, Vjp]:
        """f's value at the primals, and the map from a cotangent u to Jᵀu.

        Args:
            primals: NumPy arrays of one dtype, float64 or float32.

        Returns:
            The value, and a VJP that can be called any number of times with a cotangent of the
            value's shape and dtype; it returns one array per name in `wrt`, of that primal's shape
            and dtype.
        """
        ...


@dataclass(frozen=True)
class Implementation:
    """A computation of the catalogue as one backend differentiates it: a `Function`.

    Attributes:
        computation: the function f.
        backend: what differentiates it.
    """

    computation: Computation
    backend: Backend

    @property
    def name(self) -> str:
        """See `label`."""
        return label(self.backend)

    @property
    def wrt(self) -> tuple[str, ...]:
        """See `Function.wrt`."""
        return self.computation.wrt

    @property
    def takes_complex(self) -> bool:
        """See `Function.takes_complex`; what solves for an argmin takes real numbers alone."""
        body = self.backend.body_of(self.computation)
        return self.backend.takes_complex and not (body and "solve" in signature(body).parameters)

    def forward(self, primals: Mapping[str, Array]) -> Array:
        """See `Function.forward`."""
        return self.backend.forward(self.computation, primals)

    def make_vjp(self, primals: Mapping[str, Array]) -> tuple[Array, Vjp]:
        """See `Function.make_vjp`; raises as `Backend.make_vjp` does."""
        return self.backend.make_vjp(self.computation, primals)


def implementations(computation: Computation, backends: Iterable[Backend]) -> list[Implementation]:
    """The computation as each of the backends that have a body for it differentiates it."""
    return [Implementation(computation, each) for each in backends if each.body_of(computation)]


def label(backend: Backend) -> str:
    """A backend's name, and its device where that is not the CPU."""
    name, device = backend.name, backend.device
    return name if device == "cpu" else name + DEVICE_MARK + device
