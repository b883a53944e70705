import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from reference_impls.engines.pytorch.choice import from_torch
from reference_impls.engines.pytorch.function import TorchVjp
from tests.reference_impls.engines.shared import (
    Anything,
    B,
    Context,
    Cube,
    Native,
    Scale,
    U,
    X,
    assert_close,
    each_dtype,
)


class Unreduced(Scale):
    @staticmethod
    def backward(ctx: Context, *cotangents: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (u,) = cotangents
        x, b = ctx.saved_tensors
        return u * b, u * x


class Drifting(Scale):
    @staticmethod
    def backward(ctx: Context, *cotangents: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        gx, gb = Scale.backward(ctx, *cotangents)
        assert gx is not None
        return gx.double(), gb


class Misshapen(Scale):
    @staticmethod
    def backward(ctx: Context, *cotangents: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        gx, gb = Scale.backward(ctx, *cotangents)
        assert gx is not None
        return gx.flatten(), gb


class Forgetful(Scale):
    @staticmethod
    def backward(ctx: Context, *cotangents: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return Scale.backward(ctx, *cotangents)[0], None


class TooFew(Scale):
    @staticmethod
    def backward(ctx: Context, *cotangents: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return Scale.backward(ctx, *cotangents)[:1]


class InNumpy(Scale):
    @staticmethod
    def backward(ctx: Context, *cotangents: torch.Tensor) -> Native:
        gx, gb = Scale.backward(ctx, *cotangents)
        assert gx is not None
        return gx.numpy(), gb


def custom(backward: Callable[..., Any], forward: Callable[..., Any] = torch.add) -> Native:
    """A Function of two inputs with this backward, which is given no context."""

    class Custom(torch.autograd.Function):
        @staticmethod
        def forward(_: Context, x: torch.Tensor, y: torch.Tensor) -> Native:
            return forward(x, y)

        @staticmethod
        def backward(_: Context, *cotangents: torch.Tensor) -> Native:
            return backward(*cotangents)

    return Custom.apply


@each_dtype
def test_a_right_custom_function_has_its_gradients(dtype: str) -> None:
    x, b, u = (array.astype(dtype) for array in (X, B, U))
    for primals in ((x, b), {"b": b, "x": x}):
        adapter = from_torch(Scale.apply)
        value, vjp = adapter(*primals) if isinstance(primals, tuple) else adapter(**primals)
        assert_close(value, x * b)
        gradients = vjp(u)
        gx, gb = gradients if isinstance(primals, tuple) else (gradients["x"], gradients["b"])
        assert_close(gx, u * b)
        assert_close(gb, np.sum(u * x, axis=0))
        assert all(map(np.array_equal, gradients, vjp(u)))


def test_a_default_of_a_custom_function_is_filled_in_by_name() -> None:
    assert_close(from_torch(Cube.apply)(x=B)[1](B)["x"], B * 3 * B**2)
    gradients = from_torch(Cube.apply)(x=B, power=4)[1](B)
    assert gradients["power"] is None
    assert_close(gradients["x"], B * 4 * B**3)

    class Weighted(torch.autograd.Function):
        @staticmethod
        def forward(
            ctx: Context, x: torch.Tensor, factor: float = 3.0, y: torch.Tensor | None = None
        ) -> torch.Tensor:
            ctx.factor = factor
            return x * factor if y is None else x * factor + y

        @staticmethod
        def backward(ctx: Context, *cotangents: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
            return cotangents[0] * ctx.factor, None, cotangents[0]

    value, vjp = from_torch(Weighted.apply)(x=X, y=U)
    assert_close(value, 3 * X + U)
    assert_close(vjp(X)["x"], 3 * X)
    assert_close(vjp(X)["y"], X)


def test_an_input_of_a_custom_function_that_is_missing_is_named() -> None:
    with pytest.raises(TypeError, match=r"^Scale: missing a required argument: 'b'$"):
        from_torch(Scale.apply)(x=X)


def test_an_unreduced_broadcast_keeps_its_shape() -> None:
    assert_close(from_torch(Unreduced.apply)(X, B)[1](U)[1], U * X)


def test_a_gradient_of_another_dtype_keeps_it() -> None:
    x, b, u = (array.astype(np.float32) for array in (X, B, U))
    assert from_torch(Drifting.apply)(x, b)[1](u)[0].dtype == np.float64


def test_a_gradient_of_the_wrong_shape_keeps_it() -> None:
    assert from_torch(Misshapen.apply)(X, B)[1](U)[0].shape == (12,)


def test_a_gradient_of_none_is_zero() -> None:
    assert_close(from_torch(Forgetful.apply)(X, B)[1](U)[1], np.zeros_like(B))


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (TooFew, "TooFew.backward returned 1 gradients, wanted 2, one for each input of forward"),
        (InNumpy, "InNumpy.backward returned a numpy.ndarray of float64, wanted tensors or None"),
    ],
)
def test_what_backward_must_not_return_is_refused_in_one_line(
    function: type[Scale], words: str
) -> None:
    _, vjp = from_torch(function.apply)(X, B)
    with pytest.raises(TypeError, match=f"^{re.escape(words)}$"):
        vjp(U)


@pytest.mark.parametrize(
    ("function", "fault"),
    [
        (Scale, ()),
        (Unreduced, ("Unreduced.backward: the gradient of input 1 has shape (3, 4), wanted (4,)",)),
        (Drifting, ("Drifting.backward: the gradient of input 0 is float64, wanted float32",)),
    ],
)
def test_inside_another_function_what_the_engine_repairs_is_noted(
    function: type[Scale], fault: tuple[str, ...]
) -> None:
    x, b, u = (array.astype(np.float32) for array in (X, B, U))
    scale: Callable[..., torch.Tensor] = function.apply
    _, vjp = from_torch(lambda x, b: 2 * scale(x, b * 3))(x, b)
    assert isinstance(vjp, TorchVjp)
    for _ in range(2):
        gradients = vjp(u)
        assert_close(gradients[0], 6 * u * b)
        assert vjp.repaired == fault


def test_a_second_function_beneath_the_first_is_watched_too() -> None:
    outer: Callable[..., torch.Tensor] = Scale.apply
    inner: Callable[..., torch.Tensor] = Unreduced.apply
    for function in (
        lambda x, b: outer(inner(x, b), b).exp(),
        lambda x, b: x * outer(inner(x, b), b),
    ):
        _, vjp = from_torch(function)(X, B)
        vjp(U)
        assert isinstance(vjp, TorchVjp)
        assert len(vjp.repaired) == 1


class Affine(torch.autograd.Function):
    """x W + b, with arguments that are no tensors before, between and behind those that are."""

    @staticmethod
    def forward(
        ctx: Context,
        *arguments: Anything,
    ) -> torch.Tensor:
        x, W, b = (each for each in arguments if isinstance(each, torch.Tensor))
        ctx.save_for_backward(x, W)
        ctx.places = [isinstance(each, torch.Tensor) for each in arguments]
        return x @ W + b

    @staticmethod
    def backward(ctx: Context, *cotangents: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, W = ctx.saved_tensors
        (u,) = cotangents
        gradients = iter((u @ W.T, x.T @ u, u.sum(0)))
        return tuple(next(gradients) if is_tensor else None for is_tensor in ctx.places)


class UnsummedAffine(Affine):
    @staticmethod
    def backward(ctx: Context, *cotangents: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        gradients = Affine.backward(ctx, *cotangents)
        last = max(number for number, each in enumerate(gradients) if each is not None)
        return (*gradients[:last], cotangents[0], *gradients[last + 1 :])


ARGUMENTS: dict[str, Callable[..., tuple[Anything, ...]]] = {
    "tensors alone": lambda x, W, b: (x, W, b),
    "a word between": lambda x, W, b: (x, W, "mode", b),
    "words before": lambda x, W, b: (len, "mode", x, W, b),
    "None before and behind": lambda x, W, b: (None, x, None, W, b, None),
    "lists and dicts": lambda x, W, b: ([1, 2], x, {"of": 3}, W, (4,), b),
    "a list of tensors": lambda x, W, b: ([x, W], x, W, b),
}

LAST = {"tensors alone": 2, "a word between": 3, "words before": 4, "None before and behind": 4}
"""Where b is among the arguments."""

each_call = pytest.mark.parametrize("call", ARGUMENTS)


@each_call
@pytest.mark.parametrize("varied", ["xWb", "xb", "Wb", "b"])
def test_gradients_of_inputs_that_are_no_tensors_are_passed_over(call: str, varied: str) -> None:
    apply: Callable[..., torch.Tensor] = Affine.apply
    primals = {"x": X, "W": X.T @ X, "b": B}
    adapter = from_torch(lambda x, W, b: 2 * apply(*ARGUMENTS[call](x, W, b)))
    _, vjp = adapter.with_respect_to(("primals", name) for name in varied)(**primals)
    assert_close(vjp(U)["b"], 2 * U.sum(axis=0))
    assert isinstance(vjp, TorchVjp)
    assert vjp.repaired == ()


@each_call
@pytest.mark.parametrize("varied", ["xWb", "xb", "Wb", "b"])
def test_a_gradient_that_is_not_summed_is_noted_behind_inputs_that_are_no_tensors(
    call: str, varied: str
) -> None:
    apply: Callable[..., torch.Tensor] = UnsummedAffine.apply
    primals = {"x": X, "W": X.T @ X, "b": B}
    adapter = from_torch(lambda x, W, b: 2 * apply(*ARGUMENTS[call](x, W, b)))
    _, vjp = adapter.with_respect_to(("primals", name) for name in varied)(**primals)
    vjp(U)
    place = LAST.get(call, len(ARGUMENTS[call](X, X, B)) - 1)
    name = f"UnsummedAffine.backward: the gradient of input {place}"
    assert isinstance(vjp, TorchVjp)
    assert vjp.repaired == (f"{name} has shape (3, 4), wanted (4,)",)


def test_a_gradient_that_is_for_nobody_needs_no_repair() -> None:
    function = custom(lambda u: (u, u.double()))
    x = X.astype(np.float32)
    _, vjp = from_torch(lambda x: function(x, torch.ones(3, 4)) * 1)(x)
    assert_close(vjp(U.astype(np.float32))[0], U.astype(np.float32))
    assert isinstance(vjp, TorchVjp)
    assert vjp.repaired == ()


def test_the_graph_is_left_as_it_was() -> None:
    nodes: list[Native] = []

    class Remembered(Scale):
        @staticmethod
        def forward(ctx: Context, x: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            nodes.append(ctx)
            return Scale.forward(ctx, x, b)

    apply: Callable[..., torch.Tensor] = Remembered.apply
    from_torch(lambda x, b: apply(x, b) * 1)(X, B)[1](U)
    assert ["apply" in vars(node) for node in nodes] == [False]


def test_two_gradients_in_one_storage_share_it() -> None:
    def backward(u: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        both = 2 * u
        return both, both.view(-1).view(3, 4)

    gradients = from_torch(custom(backward))(X, X)[1](U)
    assert np.shares_memory(*gradients)


def test_a_buffer_that_backward_uses_again_is_seen_to_change() -> None:
    buffer = torch.zeros(3, 4, dtype=torch.float64)
    _, vjp = from_torch(custom(lambda u: (buffer.copy_(u), u)))(X, X)
    first = vjp(U)[0]
    vjp(2 * U)
    assert np.array_equal(first, 2 * U)


@pytest.mark.parametrize("view", [lambda u: u, lambda u: u.view(3, 4), torch.clone])
def test_what_torch_takes_for_immutable_is_returned_as_copies(
    view: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    def backward(u: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        gradient = view(u)
        return gradient, gradient

    u = U.copy()
    one, other = from_torch(custom(backward))(X, X)[1](u)
    assert not any(np.shares_memory(*pair) for pair in ((one, other), (one, u), (other, u)))


def test_a_function_that_writes_to_its_input_is_seen_to() -> None:
    x = X.copy()
    from_torch(custom(lambda u: (u, u), lambda x, y: x.mul_(2) + y))(x, X)
    assert np.array_equal(x, 2 * X)
    x = X.copy()
    from_torch(lambda x: x.data.mul_(2) * x)(x)
    assert np.array_equal(x, 2 * X)


def test_a_function_that_writes_to_a_differentiable_input_is_stopped_by_torch() -> None:
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        from_torch(lambda x: x.mul_(2))(X.copy())


@pytest.mark.parametrize("wrap", [lambda f: f, lambda f: lambda x, y: f(x, y).view(3, 4)])
def test_a_backward_that_writes_to_the_cotangent_is_seen_to(
    wrap: Callable[[Callable[..., Native]], Callable[..., Native]],
) -> None:
    u = U.copy()
    function = custom(lambda u: (u.mul_(2), u))
    _, vjp = from_torch(wrap(function))(X, X)
    vjp(u)
    assert np.array_equal(u, 2 * U)


def test_strides_reach_the_function() -> None:
    seen: list[tuple[int, ...]] = []

    def f(x: torch.Tensor) -> torch.Tensor:
        seen.append(x.stride())
        return x * 2

    read_only = X[:, ::2].view()
    read_only.flags.writeable = False
    for x in (X.T, X[:, ::2], read_only, np.broadcast_to(B, (3, 4))):
        from_torch(f)(x)
    assert seen == [(1, 4), (4, 2), (4, 2), (0, 1)]


def test_a_sparse_gradient_comes_back_dense() -> None:
    def look_up(table: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.embedding(rows, table, sparse=True)

    expected = np.zeros_like(X)
    np.add.at(expected, [2, 2, 0], U)
    assert_close(from_torch(look_up)(X, np.array([2, 2, 0]))[1](U)[0], expected)
