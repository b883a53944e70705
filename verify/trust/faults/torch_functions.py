"""Custom functions of torch: their VJPs are right, their second derivatives mostly are not.

Each is made anew by a function without arguments, so that what it remembers is its own.
"""

from collections.abc import Callable

import torch

from verify.trust.faults.second_order import OfTorch, Twice, cube, gated


def _applied(function: type[torch.autograd.Function], *inputs: OfTorch) -> OfTorch:
    return function.apply(*inputs)  # type: ignore[no-untyped-call]


def detached() -> Twice:
    """x³ whose slope is a number to whoever differentiates it: ctx keeps it as an attribute."""

    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx: OfTorch, x: torch.Tensor) -> torch.Tensor:
            ctx.slope = 3 * x * x
            return cube(x)  # type: ignore[no-any-return]

        @staticmethod
        def backward(ctx: OfTorch, *cotangents: torch.Tensor) -> torch.Tensor:
            return cotangents[0] * ctx.slope  # type: ignore[no-any-return]

    def custom_cube(x: OfTorch) -> OfTorch:
        return _applied(Cube, x)

    return custom_cube


def _with_slope(second: Callable[[torch.Tensor], torch.Tensor]) -> Twice:
    """x³ whose slope is a Function of its own, with a second derivative written by hand."""

    class Slope(torch.autograd.Function):
        @staticmethod
        def forward(ctx: OfTorch, x: torch.Tensor) -> torch.Tensor:
            ctx.save_for_backward(x)
            return 3 * x * x

        @staticmethod
        def backward(ctx: OfTorch, *cotangents: torch.Tensor) -> torch.Tensor:
            (x,) = ctx.saved_tensors
            return cotangents[0] * second(x)

    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx: OfTorch, x: torch.Tensor) -> torch.Tensor:
            ctx.save_for_backward(x)
            return cube(x)  # type: ignore[no-any-return]

        @staticmethod
        def backward(ctx: OfTorch, *cotangents: torch.Tensor) -> torch.Tensor:
            (x,) = ctx.saved_tensors
            return cotangents[0] * _applied(Slope, x)  # type: ignore[no-any-return]

    def custom_cube(x: OfTorch) -> OfTorch:
        return _applied(Cube, x)

    return custom_cube


def by_hand() -> Twice:
    """x³, right to the second order; it has no forward mode."""
    return _with_slope(lambda x: 6 * x)


def half() -> Twice:
    """x³ with half its second derivative."""
    return _with_slope(lambda x: 3 * x)


def accumulating() -> Twice:
    """x³ whose second derivative is added to what it was in the call before."""
    total: torch.Tensor | None = None

    def second(x: torch.Tensor) -> torch.Tensor:
        nonlocal total
        total = 6 * x if total is None else total + 6 * x
        return total

    return _with_slope(second)


def mixed_lost() -> Twice:
    """w x² without ∂²/∂x∂w: w is detached."""

    class Gated(torch.autograd.Function):
        @staticmethod
        def forward(ctx: OfTorch, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
            ctx.save_for_backward(x)
            ctx.w = w.detach()
            return gated(x, w)  # type: ignore[no-any-return]

        @staticmethod
        def backward(ctx: OfTorch, *cotangents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            (x,) = ctx.saved_tensors
            return 2 * cotangents[0] * ctx.w * x, cotangents[0] * x * x

    def custom_gated(x: OfTorch, w: OfTorch) -> OfTorch:
        return _applied(Gated, x, w)

    return custom_gated


def wrong_forward_mode() -> Twice:
    """eˣ, whose reverse mode is right to any order, with half of it as its JVP."""

    class Exponential(torch.autograd.Function):
        @staticmethod
        def forward(x: torch.Tensor) -> torch.Tensor:
            return torch.exp(x)

        @staticmethod
        def setup_context(ctx: OfTorch, inputs: tuple[OfTorch, ...], output: OfTorch) -> None:
            del inputs
            ctx.save_for_backward(output)
            ctx.save_for_forward(output)

        @staticmethod
        def backward(ctx: OfTorch, *cotangents: torch.Tensor) -> torch.Tensor:
            (y,) = ctx.saved_tensors
            return cotangents[0] * y  # type: ignore[no-any-return]

        @staticmethod
        def jvp(ctx: OfTorch, *tangents: torch.Tensor) -> torch.Tensor:
            (y,) = ctx.saved_tensors
            return tangents[0] * y / 2  # type: ignore[no-any-return]

    def custom_exponential(x: OfTorch) -> OfTorch:
        return _applied(Exponential, x)

    return custom_exponential
