"""Backpropagation by hand as a backend: bodies in plain NumPy, on the CPU or on CuPy arrays."""

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import numpy as np

from reference_impls.computation import Array, Arrays, Computation, Native, Vjp
from reference_impls.engines.backend import OPERATORS, Body, seed_cotangent
from reference_impls.engines.gradient_map import (
    COTANGENT,
    DoubleVjp,
    as_vector,
    by_argument,
    check_shape,
)
from reference_impls.validation import check_choice, check_cotangent, check_primals

COMPLEX_STEP = 2.0**-70
"""Small enough that its square is below any rounding, large enough for float32's exponents."""


ROUNDINGS = 64.0
"""So many of the primals may lie between the two pairings of a gradient that tell what is analytic:
both are sums of a few dozen terms."""


class Manual(DoubleVjp):
    """Backpropagation derived on paper, in NumPy on the CPU or CuPy on a GPU.

    The bodies call plain `numpy` functions; on CuPy arrays these dispatch to CuPy (NEP 18).

    Second derivatives are taken by a complex step: with x + ihv in place of x, the imaginary part
    of the value is h J v and that of the VJP is h S(v), both exact to rounding. (Squire & Trapp,
    *Using complex variables to estimate derivatives of real functions*, 1998.) For a body that is
    not analytic they raise ValueError.
    """

    name = "manual"
    field = "by_hand"
    takes_complex = True

    def __init__(self, device: str = "cpu") -> None:
        check_choice("device", device, ("cpu", "cuda"))
        self.device = device

    def missing(self) -> str | None:
        """Why CuPy cannot run here, or None."""
        if self.device == "cpu":
            return None
        if find_spec("cupy") is None:
            return "CuPy is not installed"
        try:
            count = self._module.cuda.runtime.getDeviceCount()
        except self._module.cuda.runtime.CUDARuntimeError as error:
            return f"CuPy finds no CUDA device ({error})"
        return None if count else "CuPy finds no CUDA device"

    def forward(self, computation: Computation, primals: Mapping[str, Array]) -> Array:
        """See `Backend.forward`."""
        native = {name: self._module.asarray(primal) for name, primal in primals.items()}
        return self.to_numpy(computation.by_hand(**native)[0])

    def make_vjp(self, computation: Computation, primals: Mapping[str, Array]) -> tuple[Array, Vjp]:
        """See `Backend.make_vjp`."""
        native_value, pull = computation.by_hand(**self._native(computation, primals))
        value = self.to_numpy(native_value)

        def vjp(cotangent: Array) -> Arrays:
            given = check_cotangent(computation, cotangent, value)
            cotangents = pull(self._module.asarray(given))
            return {name: self.to_numpy(cotangents[name]) for name in computation.wrt}

        return value, vjp

    def prepare(
        self, computation: Computation, primals: Mapping[str, Array], operator: str
    ) -> Callable[[], Native]:
        """See `Backend.prepare`."""
        check_choice("operator", operator, OPERATORS)
        native = self._native(computation, primals)
        if operator == "value":
            return lambda: computation.by_hand(**native)[0]
        value_now = self.to_numpy(computation.by_hand(**native)[0])
        cotangent = self._module.asarray(seed_cotangent(value_now))

        def gradient() -> Native:
            value, pull = computation.by_hand(**native)
            return value, pull(cotangent)

        return gradient

    def _pairing(self, computation: Computation, tangents: Mapping[str, Array]) -> Body:
        def pairing(*, cotangent: Array, **primals: Array) -> tuple[Array, Callable[..., Arrays]]:
            directional, _ = _complex_step(computation, primals, tangents, cotangent)
            return np.sum(cotangent * directional), lambda scale: {COTANGENT: scale * directional}

        return pairing

    def forward_over_reverse(
        self,
        computation: Computation,
        primals: Mapping[str, Array],
        cotangent: Array,
        tangents: Mapping[str, Array],
    ) -> Array:
        """See `SecondOrder.forward_over_reverse`. Both modes are the same complex step here."""
        second = self.second_pullback(computation, primals, cotangent)
        return as_vector(second(as_vector(tangents, computation.wrt)), computation.wrt)

    def _gradient_map(self, computation: Computation) -> Body:
        def gradient_map(
            *, cotangent: Array, **primals: Array
        ) -> tuple[Array, Callable[..., Arrays]]:
            value, pull = computation.by_hand(**primals)
            check_shape(computation, cotangent, value)

            def vjp(v: Array) -> Arrays:
                tangents = by_argument(v, {name: primals[name] for name in computation.wrt})
                _, second = _complex_step(computation, primals, tangents, cotangent)
                return second

            return as_vector(pull(cotangent), computation.wrt), vjp

        return gradient_map

    def to_numpy(self, native: Native) -> Array:
        """See `Backend.to_numpy`."""
        return np.asarray(native if self.device == "cpu" else self._module.asnumpy(native))

    def synchronize(self) -> None:
        """See `Backend.synchronize`."""
        if self.device == "cuda":
            self._module.cuda.get_current_stream().synchronize()

    @property
    def _module(self) -> ModuleType:
        return np if self.device == "cpu" else import_module("cupy")

    def _native(self, computation: Computation, primals: Mapping[str, Array]) -> dict[str, Native]:
        arrays = check_primals(computation, primals)
        return {name: self._module.asarray(array) for name, array in arrays.items()}


def _complex_step(
    computation: Computation, primals: Arrays, tangents: Mapping[str, Array], cotangent: Array
) -> tuple[Array, Arrays]:
    shifted = {
        name: primal + 1j * COMPLEX_STEP * tangents[name] if name in tangents else primal
        for name, primal in primals.items()
    }
    shifted_value, shifted_vjp = computation.by_hand(**shifted)
    directional = np.imag(shifted_value) / COMPLEX_STEP
    shifted_cotangents = shifted_vjp(cotangent)
    second = {name: np.imag(shifted_cotangents[name]) / COMPLEX_STEP for name in computation.wrt}
    # At a minimum the gradient is zero but for rounding: by as much as it changes with roundings of
    # the primals, its two pairings may differ.
    floor = ROUNDINGS * sum(float(np.sum(np.abs(second[n] * primals[n]))) for n in second)
    _check_analytic(computation, shifted_cotangents, tangents, cotangent, directional, floor)
    return directional, second


def _check_analytic(
    computation: Computation,
    cotangents: Arrays,
    tangents: Mapping[str, Array],
    cotangent: Array,
    directional: Array,
    floor: float,
) -> None:
    # abs, norm, svd and the like take complex numbers without complaint, but are not analytic.
    # Then ⟨u, J v⟩ and ⟨Jᵀu, v⟩, which should be equal, differ.
    forward = [np.ravel(cotangent * directional)]
    backward = [np.ravel(np.real(cotangents[n]) * tangents[n]) for n in computation.wrt]
    terms = np.concatenate(forward + backward)
    gap = abs(sum(map(np.sum, forward)) - sum(map(np.sum, backward)))
    eps = np.finfo(terms.dtype).eps
    if not gap <= np.sqrt(eps) * np.sum(np.abs(terms)) + eps * floor:
        raise ValueError(
            f"{computation.name}: by_hand is not analytic in complex arithmetic, so its JVP and "
            "HVP cannot be taken by a complex step; use autograd's or torch's"
        )
