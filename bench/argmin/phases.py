"""A layer's forward and backward pass, apart and together, as callables to be timed.

Arrays are converted before the first call, and what a call returns stays the library's own.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module

import torch

from bench.argmin.formulations import Formulation, Solve
from reference_impls import Array, Arrays, Autograd, Computation, Manual, Torch
from reference_impls.computation import Native
from reference_impls.engines.backend import seed_cotangent

Cotangents = Mapping[str, Native]


@dataclass(frozen=True)
class Phases:
    """One formulation of a layer at given primals.

    Attributes:
        forward: returns the value, recorded for a backward pass.
        record: makes a forward pass and returns its backward pass: it can be called any number of
            times, and returns the cotangents by name, for `seed_cotangent`.
        both: makes both passes, and returns the value and the cotangents.
        to_numpy: from the library's arrays.
    """

    forward: Callable[[], Native]
    record: Callable[[], Callable[[], Cotangents]]
    both: Callable[[], tuple[Native, Cotangents]]
    to_numpy: Callable[[Native], Array]

    def result(self) -> tuple[Array, Arrays]:
        """The value and the cotangents, in NumPy."""
        value, cotangents = self.both()
        return self.to_numpy(value), {name: self.to_numpy(c) for name, c in cotangents.items()}


def phases_of(formulation: Formulation, computation: Computation, primals: Arrays) -> Phases:
    """The phases of a computation whose bodies are given the formulation's operator.

    Args:
        formulation: one that is not `missing`.
        computation: one whose bodies take `solve`.
        primals: of the computation.
    """
    if formulation.package:
        import_module(formulation.package)  # so that no first call's time includes the import
    variant = solved_by(computation, formulation.solve) if formulation.solve else computation
    return _ENGINES[formulation.engine](variant, primals)


def solved_by(computation: Computation, solve: Solve) -> Computation:
    """The computation with this operator in the bodies of both engines."""
    return replace(
        computation,
        by_torch=partial(computation.by_torch, solve=solve),
        by_autograd=partial(computation.by_autograd, solve=solve),
    )


def _in_torch(computation: Computation, primals: Arrays) -> Phases:
    leaves = {name: torch.tensor(array) for name, array in primals.items()}
    varied = {name: leaves[name].requires_grad_() for name in computation.wrt}
    cotangent = torch.tensor(_cotangent(computation, primals))

    def record() -> Callable[[], Cotangents]:
        _, pull = Torch().pullback(computation, leaves)
        return lambda: pull(cotangent)

    def both() -> tuple[torch.Tensor, Cotangents]:
        value = computation.by_torch(**leaves)
        # The graph is freed as it is walked, as in a training step.
        bars = torch.autograd.grad(value, list(varied.values()), cotangent)
        return value, dict(zip(varied, bars, strict=True))

    return Phases(lambda: computation.by_torch(**leaves), record, both, Torch().to_numpy)


def _in_autograd(computation: Computation, primals: Arrays) -> Phases:
    cotangent = _cotangent(computation, primals)

    def record() -> Callable[[], Cotangents]:
        _, pull = Autograd().pullback(computation, primals)
        return lambda: pull(cotangent)

    def both() -> tuple[Array, Cotangents]:
        value, pull = Autograd().pullback(computation, primals)
        return value, pull(cotangent)

    forward = partial(Autograd().pullback, computation, primals)
    return Phases(forward, record, both, Autograd().to_numpy)


def _by_hand(computation: Computation, primals: Arrays) -> Phases:
    cotangent = _cotangent(computation, primals)

    def record() -> Callable[[], Cotangents]:
        _, pull = computation.by_hand(**primals)
        return lambda: pull(cotangent)

    def both() -> tuple[Array, Cotangents]:
        value, pull = computation.by_hand(**primals)
        return value, pull(cotangent)

    return Phases(partial(computation.by_hand, **primals), record, both, Manual().to_numpy)


def _in_jax(computation: Computation, primals: Arrays) -> Phases:
    """The bodies for autograd, compiled on the first call: JAX arrays know the same arithmetic."""
    # One thread, as for every other library. JAX reads this when it computes for the first time.
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
    import jax  # noqa: PLC0415 -- optional

    fixed = {name: array for name, array in primals.items() if name not in computation.wrt}

    def function(*varied: Native) -> Native:
        return computation.by_autograd(**dict(zip(computation.wrt, varied, strict=True)), **fixed)

    def pullback(*varied: Native) -> Native:
        return jax.vjp(function, *varied)

    def gradient(cotangent: Native, *varied: Native) -> Native:
        value, pull = pullback(*varied)
        return value, pull(cotangent)

    def compiled(traced: Callable[..., Native]) -> Callable[..., Native]:
        compute = jax.jit(traced)

        def in_full_precision(*arguments: Native) -> Native:
            with jax.enable_x64(True):  # noqa: FBT003 -- as JAX spells it
                return jax.block_until_ready(compute(*arguments))

        return in_full_precision

    with jax.enable_x64(True):  # noqa: FBT003 -- as JAX spells it
        arrays = [jax.numpy.asarray(primals[name]) for name in computation.wrt]
        cotangent = jax.numpy.asarray(_cotangent(computation, primals))
    forward, backward, both = (
        compiled(pullback),
        compiled(lambda pull, g: pull(g)),
        compiled(gradient),
    )

    def named(bars: Native) -> Cotangents:
        return dict(zip(computation.wrt, bars, strict=True))

    def record() -> Callable[[], Cotangents]:
        _, pull = forward(*arrays)
        return lambda: named(backward(pull, cotangent))

    def value_and_cotangents() -> tuple[Native, Cotangents]:
        value, bars = both(cotangent, *arrays)
        return value, named(bars)

    return Phases(partial(forward, *arrays), record, value_and_cotangents, Manual().to_numpy)


_ENGINES: dict[str, Callable[[Computation, Arrays], Phases]] = {
    "torch": _in_torch,
    "autograd": _in_autograd,
    "manual": _by_hand,
    "jax": _in_jax,
}


def _cotangent(computation: Computation, primals: Arrays) -> Array:
    """The seed cotangent, for a value of the shape that the derivation by hand gives it."""
    value, _ = computation.by_hand(**primals)
    return seed_cotangent(Manual().to_numpy(value))
