"""HIPS autograd as a backend: bodies in `autograd.numpy`, traced on boxed arrays."""

from collections.abc import Callable, Mapping

import numpy as np
from autograd.core import make_vjp as autograd_make_vjp

from reference_impls.computation import Array, Arrays, Computation, Native, Vjp
from reference_impls.engines.backend import OPERATORS, seed_cotangent
from reference_impls.validation import check_choice, check_cotangent, check_primals


class Autograd:
    """HIPS autograd: traces `autograd.numpy` calls on boxed arrays.

    Bodies divide a sum by a Python integer where they mean a mean: the VJP of `anp.mean` divides by
    a NumPy integer, which turns a float32 cotangent into float64.
    """

    name = "autograd"
    device = "cpu"
    body = "by_autograd"
    takes_complex = True

    def missing(self) -> str | None:
        """Autograd is a dependency: it always runs."""
        return None

    def forward(self, computation: Computation, primals: Mapping[str, Array]) -> Array:
        """See `Backend.forward`."""
        return self.to_numpy(computation.by_autograd(**primals))

    def pullback(
        self, computation: Computation, primals: Mapping[str, Native]
    ) -> tuple[Native, Callable[[Native], dict[str, Native]]]:
        """`make_vjp` inside a traced body: primals may be boxes, and so may what comes back."""
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

    def to_numpy(self, native: Native) -> Array:
        """See `Backend.to_numpy`."""
        return np.asarray(native)

    def synchronize(self) -> None:
        """NumPy has finished by the time it returns."""
