"""torch's `gradcheck`, slow and fast."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.autograd import gradcheck, gradgradcheck

from reference_impls.computation import copies
from reference_impls.engines.pytorch.function import TorchFunction
from verify.trust.peers.peer import UNLIMITED, named, native_of
from verify.trust.planted import Planted

FAST_CALLS = 20
"""Calls of the function or its VJP that fast gradcheck gets, and as many for each argument: to
accept, it needs 6 and 2 for each. When it rejects, it runs slow mode too, for its message alone; on
a large function that would take hours, and nothing about the ruling depends on it."""


def ask_slow_gradcheck(planted: Planted, rng: np.random.Generator) -> bool:
    """Does torch's `gradcheck` accept the planted function?"""
    return _gradcheck(planted, rng, fast=False, calls=UNLIMITED)


def ask_fast_gradcheck(planted: Planted, rng: np.random.Generator) -> bool:
    """Does torch's `gradcheck` in its fast mode accept the planted function?"""
    return _gradcheck(planted, rng, fast=True, calls=FAST_CALLS * (1 + len(planted.wrt)))


def _gradcheck(planted: Planted, rng: np.random.Generator, *, fast: bool, calls: int) -> bool:
    """The first derivative and, where that is in question, the second."""
    leaves = tuple(_leaf(planted.primals[name]) for name in planted.wrt)
    if planted.order == 1:
        return bool(gradcheck(_torch_function(planted, calls), leaves, fast_mode=fast))
    native = _native_torch_function(planted, calls)
    with torch.random.fork_rng():  # gradgradcheck draws its cotangents from the global generator
        torch.manual_seed(int(rng.integers(2**31)))
        return bool(
            gradcheck(native, leaves, fast_mode=fast)
            and gradgradcheck(native, leaves, fast_mode=fast)
        )


def _leaf(primal: Any) -> torch.Tensor:  # noqa: ANN401 - an array or a NumPy scalar
    """A tensor as torch itself would lay it out: it refuses or copies what NumPy calls strides."""
    source = torch.from_numpy(np.array(primal, order="C"))
    return torch.empty(source.shape, dtype=source.dtype).copy_(source).requires_grad_()


def _torch_function(planted: Planted, calls: int) -> Callable[..., Any]:
    """The function as a node of torch's graph, of the tensors that are differentiated."""
    constants = copies(planted.primals)
    budget = _Budget(calls)

    class Wrapped(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *tensors: torch.Tensor) -> torch.Tensor:  # noqa: ANN401 - torch's context
            budget.spend()
            arrays = tuple(tensor.detach().numpy() for tensor in tensors)
            value, ctx.vjp = planted.make_vjp(**constants | named(planted, arrays))
            return torch.tensor(np.asarray(value))

        @staticmethod
        def backward(ctx: Any, *cotangents: torch.Tensor) -> tuple[torch.Tensor, ...]:  # noqa: ANN401
            budget.spend()
            gradients = ctx.vjp(*(cotangent.numpy() for cotangent in cotangents))
            return tuple(torch.from_numpy(np.array(gradients[name])) for name in planted.wrt)

    apply: Callable[..., Any] = Wrapped.apply
    return apply


def _native_torch_function(planted: Planted, calls: int) -> Callable[..., Any]:
    """The torch function that an adapter was made from, of the differentiated tensors."""
    native = native_of(planted, TorchFunction, "torch")
    constants = {name: _as_tensor(primal) for name, primal in copies(planted.primals).items()}
    budget = _Budget(calls)

    def function(*tensors: torch.Tensor) -> torch.Tensor:
        budget.spend()
        value: torch.Tensor = native(constants | named(planted, tensors))
        return value

    return function


def _as_tensor(primal: Any) -> Any:  # noqa: ANN401 - a primal may be anything
    return (
        torch.from_numpy(np.array(primal, order="C")) if isinstance(primal, np.ndarray) else primal
    )


@dataclass
class _Budget:
    """Calls that are left."""

    calls: int

    def spend(self) -> None:
        self.calls -= 1
        if self.calls < 0:
            raise RuntimeError("fast mode found a mismatch; its slow mode was cut short")
