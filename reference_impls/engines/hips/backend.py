"""HIPS autograd as a backend: bodies in `autograd.numpy`, traced on boxed arrays."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import autograd.numpy as anp
import numpy as np
from autograd.core import make_jvp as autograd_make_jvp
from autograd.core import make_vjp as autograd_make_vjp

from reference_impls.computation import Array, Arrays, Computation, Native, Vjp
from reference_impls.engines.backend import OPERATORS, Body, seed_cotangent
from reference_impls.engines.gradient_map import (
    COTANGENT,
    DoubleVjp,
    check_shape,
    gradient_map_of,
)
from reference_impls.engines.hips.graph import graph_of
from reference_impls.graphs import Graph
from reference_impls.validation import check_choice, check_cotangent, check_primals


class Autograd(DoubleVjp):
    """HIPS autograd: traces `autograd.numpy` calls on boxed arrays.

    For a mean, bodies divide a sum by a Python integer: the VJP of `anp.mean` divides by a NumPy
    integer, which turns a float32 cotangent into float64.
    """

    name = "autograd"
    field = "by_autograd"
    takes_complex = True

    def __init__(self, device: str = "cpu") -> None:
        check_choice("device", device, ("cpu",))
        self.device = device

    def missing(self) -> str | None:
        """None: autograd is a dependency of the project, and runs anywhere."""
        return None

    def forward(self, computation: Computation, primals: Mapping[str, Array]) -> Array:
        """See `Backend.forward`."""
        return self.to_numpy(computation.by_autograd(**primals))

    def pullback(
        self, computation: Computation, primals: Mapping[str, Native]
    ) -> tuple[Native, Callable[[Native], dict[str, Native]]]:
        """As `make_vjp`, for use inside a traced body: primals and results may be boxes."""
        wrt = {name: primals[name] for name in computation.wrt}
        fixed = {name: primal for name, primal in primals.items() if name not in wrt}
        vjp, value = autograd_make_vjp(
            lambda varied: computation.by_autograd(**varied, **fixed), wrt
        )
        return value, vjp

    def make_vjp(self, computation: Computation, primals: Mapping[str, Array]) -> tuple[Array, Vjp]:
        """See `Backend.make_vjp`."""
        native_value, pull = self.pullback(computation, check_primals(computation, primals))
        value = self.to_numpy(native_value)

        def vjp(cotangent: Array) -> Arrays:
            cotangents = pull(check_cotangent(computation, cotangent, value))
            return {name: self.to_numpy(cotangents[name]) for name in computation.wrt}

        return value, vjp

    def prepare(
        self, computation: Computation, primals: Mapping[str, Array], operator: str
    ) -> Callable[[], Native]:
        """See `Backend.prepare`."""
        check_choice("operator", operator, OPERATORS)
        arrays = check_primals(computation, primals)
        if operator == "value":
            return lambda: computation.by_autograd(**arrays)
        cotangent = seed_cotangent(self.to_numpy(computation.by_autograd(**arrays)))

        def gradient() -> Native:
            value, pull = self.pullback(computation, arrays)
            return value, pull(cotangent)

        return gradient

    def _pairing(self, computation: Computation, tangents: Mapping[str, Array]) -> Body:
        def pairing(*, cotangent: Native, **primals: Native) -> Native:
            _, pull = self.pullback(computation, primals)
            cotangents = pull(cotangent)
            return sum((cotangents[name] * tangents[name]).sum() for name in computation.wrt)

        return pairing

    def second_pullback(
        self, computation: Computation, primals: Mapping[str, Array], cotangent: Array
    ) -> Vjp:
        """See `SecondOrder.second_pullback`."""
        with _quiet():
            return super().second_pullback(computation, primals, cotangent)

    def forward_over_reverse(
        self,
        computation: Computation,
        primals: Mapping[str, Array],
        cotangent: Array,
        tangents: Mapping[str, Array],
    ) -> Array:
        """See `SecondOrder.forward_over_reverse`."""
        given = check_primals(gradient_map_of(computation), {**primals, COTANGENT: cotangent})
        fixed = {name: primal for name, primal in given.items() if name not in tangents}
        varied = {name: given[name] for name in tangents}
        gradient_map = self._gradient_map(computation)
        with _quiet():
            push = autograd_make_jvp(lambda wrt: gradient_map(**wrt, **fixed), varied)
            return np.asarray(push(dict(tangents))[1])

    def _gradient_map(self, computation: Computation) -> Body:
        def gradient_map(*, cotangent: Native, **primals: Native) -> Native:
            value, pull = self.pullback(computation, primals)
            check_shape(computation, cotangent, value)
            cotangents = pull(cotangent)
            return anp.concatenate([anp.ravel(cotangents[name]) for name in computation.wrt])

        return gradient_map

    def graph(self, computation: Computation, primals: Mapping[str, Array]) -> Graph:
        """See `Recording.graph`."""
        arrays = check_primals(computation, primals)
        varied = {name: arrays.pop(name) for name in computation.wrt}
        return graph_of(partial(computation.by_autograd, **arrays), varied)

    def to_numpy(self, native: Native) -> Array:
        """See `Backend.to_numpy`."""
        return np.asarray(native)

    def synchronize(self) -> None:
        """Nothing to wait for: NumPy has finished by the time it returns."""


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences autograd where a second derivative is zero, as that of a linear function."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Output seems independent of input")
        yield
