"""A toy engine: dual numbers x + ε v over NumPy, where ε² = 0, in about sixty lines.

It differentiates forwards: J v is one run of a body, and Jᵀu is taken from as many as there are
entries. It has bodies for two computations of the catalogue. pytest's option ``-p`` takes this
module as a plugin, which registers the engine.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from reference_impls.computation import Array, Arrays, Computation, Vjp
from reference_impls.engines import register
from reference_impls.engines.backend import Body, seed_cotangent
from reference_impls.validation import check_cotangent, check_primals


@dataclass(frozen=True)
class Dual:
    """x + ε v."""

    x: Array
    v: Array

    def __add__(self, other: "Dual") -> "Dual":
        return Dual(self.x + other.x, self.v + other.v)

    def __matmul__(self, other: "Dual") -> "Dual":
        return Dual(self.x @ other.x, self.v @ other.x + self.x @ other.v)

    @property
    def T(self) -> "Dual":  # noqa: N802 -- NumPy's name
        return Dual(self.x.T, self.v.T)

    def tanh(self) -> "Dual":
        y = np.tanh(self.x)
        return Dual(y, (1 - y**2) * self.v)


BODIES: dict[str, Body] = {"linear": lambda x, W, b: x @ W.T + b, "tanh": lambda x: x.tanh()}


class Duals:
    """The engine. Nothing of the project knows of it."""

    name = "dual"
    device = "cpu"
    takes_complex = False

    def missing(self) -> None: ...

    def synchronize(self) -> None: ...

    def body_of(self, computation: Computation) -> Body | None:
        return BODIES.get(computation.name)

    def with_body(self, computation: Computation, body: Body) -> Computation:
        raise NotImplementedError

    def to_numpy(self, native: Any) -> Array:  # noqa: ANN401 -- a dual number, or an array
        return np.array(native.x if isinstance(native, Dual) else native)

    def forward(self, computation: Computation, primals: Mapping[str, Array]) -> Array:
        if any(map(np.iscomplexobj, primals.values())):
            raise TypeError("a dual number is real here")
        return self._run(computation, primals, {}).x

    def make_vjp(self, computation: Computation, primals: Mapping[str, Array]) -> tuple[Array, Vjp]:
        arrays = check_primals(computation, primals)
        value = self.to_numpy(self._run(computation, arrays, {}))

        def entry(name: str, index: tuple[int, ...], u: Array) -> Any:  # noqa: ANN401 -- a number
            v = np.zeros_like(arrays[name])
            v[index] = 1
            return np.sum(u * self._run(computation, arrays, {name: v}).v)

        def vjp(cotangent: Array) -> Arrays:
            u = check_cotangent(computation, cotangent, value)
            return {
                name: np.reshape(
                    [entry(name, index, u) for index in np.ndindex(arrays[name].shape)],
                    arrays[name].shape,
                ).astype(value.dtype)
                for name in computation.wrt
            }

        return value, vjp

    def prepare(
        self, computation: Computation, primals: Mapping[str, Array], operator: str
    ) -> Callable[[], Any]:
        if operator == "value":
            return lambda: self._run(computation, primals, {})

        def gradient() -> tuple[Array, Arrays]:
            value, vjp = self.make_vjp(computation, primals)
            return value, vjp(seed_cotangent(value))

        return gradient

    def _run(
        self, computation: Computation, primals: Mapping[str, Array], tangents: Mapping[str, Array]
    ) -> Dual:
        duals = {n: Dual(x, tangents.get(n, np.zeros_like(x))) for n, x in primals.items()}
        value: Dual = BODIES[computation.name](**duals)
        return value


def pytest_configure() -> None:
    """Register the engine, in a run with ``-p``."""
    register(Duals())
