"""Backpropagation by hand as a backend: bodies in plain NumPy, on the CPU or on CuPy arrays."""

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import numpy as np

from reference_impls.computation import Array, Arrays, Computation, Native, Vjp
from reference_impls.engines.backend import OPERATORS, seed_cotangent
from reference_impls.validation import check_choice, check_cotangent, check_primals


class Manual:
    """Backpropagation derived on paper, in NumPy on the CPU or CuPy on a GPU.

    The bodies call plain `numpy` functions; on CuPy arrays these dispatch to CuPy (NEP 18).
    """

    name = "manual"
    body = "by_hand"
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
