"""First derivatives that are right, and second ones that are not.

A custom `torch.autograd.Function` is as differentiable as its backward was written to be, and torch
does not ask. The VJP of each of these is right, its derivative is wrong.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from reference_impls.computation import Array
from verify.trust.planted import Fault, Plant, Planted, rounded

SIZES = (10, 1_000, 100_000)


Native = Any
"""A tensor, or torch's context."""


Twice = Callable[..., Native]


def cube(x: Native) -> Native:
    """f(x) = x³, elementwise; of arrays and tensors."""
    return x * x * x


def gated(x: Native, w: Native) -> Native:
    """f(x, w) = w x², elementwise; of arrays and tensors."""
    return w * x * x


def planted(
    make: Callable[[], Twice], right: Twice, *names: str, forward: Twice | None = None
) -> Plant:
    """Plants a torch function of vectors with these names.

    Args:
        make: returns it; called for every planting, so that what it remembers is its own.
        right: the same, differentiated by torch itself.
        names: of its arguments.
        forward: its value, of arrays; `right` if it takes these.
    """

    def plant(size: int, dtype: str, rng: np.random.Generator) -> Planted:
        from reference_impls.engines.pytorch.choice import (  # noqa: PLC0415 -- only who plants these needs it
            from_torch,
        )

        primals = {name: rng.standard_normal(size) for name in names}
        return Planted(
            make_vjp=from_torch(make()),
            primals=rounded(primals, dtype),
            forward=forward or right,
            wrt=names,
            true_vjp=from_torch(right),
            order=2,
        )

    return plant


def _applied(function: type[torch.autograd.Function], *inputs: Native) -> Native:
    return function.apply(*inputs)  # type: ignore[no-untyped-call]


def _exponential(x: Array) -> Array:
    return np.exp(x)


def _detached() -> Twice:
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Native, x: torch.Tensor) -> torch.Tensor:
            ctx.slope = 3 * x * x
            return cube(x)  # type: ignore[no-any-return]

        @staticmethod
        def backward(ctx: Native, *cotangents: torch.Tensor) -> torch.Tensor:
            return cotangents[0] * ctx.slope  # type: ignore[no-any-return]

    def custom_cube(x: Native) -> Native:
        return _applied(Cube, x)

    return custom_cube


def _with_slope(second: Callable[[torch.Tensor], torch.Tensor]) -> Twice:
    """x³ whose slope is a Function of its own, with a second derivative written by hand."""

    class Slope(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Native, x: torch.Tensor) -> torch.Tensor:
            ctx.save_for_backward(x)
            return 3 * x * x

        @staticmethod
        def backward(ctx: Native, *cotangents: torch.Tensor) -> torch.Tensor:
            (x,) = ctx.saved_tensors
            return cotangents[0] * second(x)

    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Native, x: torch.Tensor) -> torch.Tensor:
            ctx.save_for_backward(x)
            return cube(x)  # type: ignore[no-any-return]

        @staticmethod
        def backward(ctx: Native, *cotangents: torch.Tensor) -> torch.Tensor:
            (x,) = ctx.saved_tensors
            return cotangents[0] * _applied(Slope, x)  # type: ignore[no-any-return]

    def custom_cube(x: Native) -> Native:
        return _applied(Cube, x)

    return custom_cube


def by_hand() -> Twice:
    """Right, to the second order; it has no forward mode."""
    return _with_slope(lambda x: 6 * x)


def _half() -> Twice:
    return _with_slope(lambda x: 3 * x)


def _accumulating() -> Twice:
    """The second derivative is added to what it was in the call before."""
    total: torch.Tensor | None = None

    def second(x: torch.Tensor) -> torch.Tensor:
        nonlocal total
        total = 6 * x if total is None else total + 6 * x
        return total

    return _with_slope(second)


def _mixed_lost() -> Twice:
    class Gated(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Native, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
            ctx.save_for_backward(x)
            ctx.w = w.detach()
            return gated(x, w)  # type: ignore[no-any-return]

        @staticmethod
        def backward(ctx: Native, *cotangents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            (x,) = ctx.saved_tensors
            return 2 * cotangents[0] * ctx.w * x, cotangents[0] * x * x

    def custom_gated(x: Native, w: Native) -> Native:
        return _applied(Gated, x, w)

    return custom_gated


def _wrong_forward_mode() -> Twice:
    """Its reverse mode is right, to any order."""

    class Exponential(torch.autograd.Function):
        @staticmethod
        def forward(x: torch.Tensor) -> torch.Tensor:
            return torch.exp(x)

        @staticmethod
        def setup_context(ctx: Native, inputs: tuple[Native, ...], output: Native) -> None:
            del inputs
            ctx.save_for_backward(output)
            ctx.save_for_forward(output)

        @staticmethod
        def backward(ctx: Native, *cotangents: torch.Tensor) -> torch.Tensor:
            (y,) = ctx.saved_tensors
            return cotangents[0] * y  # type: ignore[no-any-return]

        @staticmethod
        def jvp(ctx: Native, *tangents: torch.Tensor) -> torch.Tensor:
            (y,) = ctx.saved_tensors
            return tangents[0] * y / 2  # type: ignore[no-any-return]

    def custom_exponential(x: Native) -> Native:
        return _applied(Exponential, x)

    return custom_exponential


SECOND_ORDER_FAULTS = (
    Fault(
        name="double backward detached",
        story="pytorch #58509: what forward keeps on ctx, and not by save_for_backward, is a "
        "constant to the double backward, whose result is then zero.",
        diagnosis="second derivative",
        sizes=SIZES,
        plant=planted(_detached, cube, "x"),
    ),
    Fault(
        name="double backward wrong by a factor",
        story="A second derivative written by hand, with the 6 of (x³)'' as a 3.",
        diagnosis="second derivative",
        sizes=SIZES,
        plant=planted(_half, cube, "x"),
    ),
    Fault(
        name="double backward wrong on the second call",
        story="The second derivative is right once, and then added to; pytorch #18619 is of one "
        "that could be taken only once.",
        diagnosis="second derivative",
        sizes=SIZES,
        plant=planted(_accumulating, cube, "x"),
    ),
    Fault(
        name="mixed second derivative lost",
        story="One of two saved tensors is detached (pytorch #76185): the Hessian has its diagonal "
        "blocks, and is not symmetric.",
        diagnosis="second derivative",
        sizes=SIZES,
        plant=planted(_mixed_lost, gated, "x", "w"),
    ),
    Fault(
        name="forward over reverse differs from reverse over reverse",
        story="A custom Function whose jvp is not the transpose of its backward. In "
        "HIPS/autograd #154, too, forward mode over reverse mode was the one order of the two that "
        "came out wrong.",
        diagnosis="second derivative",
        sizes=SIZES,
        plant=planted(_wrong_forward_mode, torch.exp, "x", forward=_exponential),
    ),
)
