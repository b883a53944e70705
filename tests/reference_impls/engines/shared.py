from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
import torch

from reference_impls import Array
from reference_impls.engines.adapter import Mode
from reference_impls.engines.hips.function import from_autograd
from reference_impls.engines.pytorch.choice import from_torch
from verify.error_model.arrays import unit_roundoff

Native = Any  # a tensor, or autograd's box

Context = Any  # what torch hands to a custom Function

Anything = Any

ENGINES: dict[str, Callable[[Callable[..., Native]], Any]] = {
    "torch": from_torch,
    "autograd": from_autograd,
}

each_engine = pytest.mark.parametrize("adapt", ENGINES.values(), ids=ENGINES)

each_mode = pytest.mark.parametrize("mode", get_args(Mode))

each_dtype = pytest.mark.parametrize("dtype", ["float64", "float32"])


def draw(*shape: int, seed: int = 0, dtype: str = "float64") -> Array:
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)


def assert_close(got: Array, expected: Array) -> None:
    """Equal up to the rounding of a few dozen operations; of one dtype and shape."""
    assert isinstance(got, np.ndarray)
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    bound = 64 * unit_roundoff(expected.dtype) * np.abs(expected).max(initial=0)
    assert np.abs(got - expected).max(initial=0) <= bound


def cubic(x: Native, w: Native) -> Native:
    """f = x³ w, of shape (n,) each."""
    return x * x * x * w


def cubic_vjp(x: Array, w: Array, u: Array) -> tuple[Array, Array]:
    return 3 * x * x * w * u, x * x * x * u


class Scale(torch.autograd.Function):
    """x (N, D) times b (D,), right."""

    @staticmethod
    def forward(ctx: Context, x: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x, b)
        return x * b

    @staticmethod
    def backward(ctx: Context, *cotangents: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (u,) = cotangents
        x, b = ctx.saved_tensors
        return u * b, (u * x).sum(0)


class Cube(torch.autograd.Function):
    """x³ with a forward mode, and a context set up apart."""

    @staticmethod
    def forward(x: torch.Tensor, power: int = 3) -> torch.Tensor:
        return x**power

    @staticmethod
    def setup_context(ctx: Context, inputs: tuple[Any, ...], output: Native) -> None:
        del output
        ctx.save_for_backward(inputs[0])
        ctx.save_for_forward(inputs[0])
        ctx.power = inputs[1]

    @staticmethod
    def backward(ctx: Context, *cotangents: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        return cotangents[0] * ctx.power * x ** (ctx.power - 1), None

    @staticmethod
    def jvp(ctx: Context, *tangents: Native) -> Native:
        (x,) = ctx.saved_tensors
        return tangents[0] * ctx.power * x ** (ctx.power - 1)


X, B, U = (draw(3, 4), draw(4), draw(3, 4, seed=1))


def weights(module: torch.nn.Module) -> dict[str, Array]:
    return {name: tensor.double().numpy().copy() for name, tensor in module.state_dict().items()}


def network() -> torch.nn.Sequential:
    generator = torch.Generator().manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2))
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, generator=generator)
    return module
