"""Adapters that are told which leaves to differentiate."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from autograd.tracer import isbox

from reference_impls.engines.hips.function import from_autograd
from reference_impls.engines.pytorch.choice import from_torch
from tests.reference_impls.engines.shared import B, U, X, assert_close, each_engine, each_mode

PRIMALS = {"x": X, "rest": {"y": [X + 1, X + 2], "rows": np.arange(3), "word": "sum"}}

CHOSEN = [("primals", "x"), ("primals", "rest", "y", 1)]


def product(x: Any, rest: Any) -> Any:  # noqa: ANN401 -- tensors or boxes
    return x * rest["y"][0] * rest["y"][1]


def test_torch_records_no_graph_for_the_others() -> None:
    seen: list[list[bool]] = []

    def f(x: torch.Tensor, rest: Any) -> torch.Tensor:  # noqa: ANN401 -- an array, a tensor or a box
        seen.append([each.requires_grad for each in (x, *rest["y"])])
        return torch.as_tensor(product(x, rest))

    adapter = from_torch(f).with_respect_to(CHOSEN)
    adapter(**PRIMALS)
    tangents = {"x": X, "rest": {"y": [None, X]}}
    for mode in ("reverse over reverse", "forward over reverse"):
        adapter.hvp(PRIMALS, U, tangents, mode)
    adapter.forward(**PRIMALS)
    # Once with a graph, twice differentiated twice, and the value alone.
    assert seen == [[True, False, True]] * 3 + [[False] * 3]


def test_autograd_traces_none_of_the_others() -> None:
    seen: list[list[bool]] = []

    def f(x: Any, rest: Any) -> Any:  # noqa: ANN401 -- an array, a tensor or a box
        seen.append([isbox(each) for each in (x, *rest["y"])])
        return product(x, rest)

    from_autograd(f).with_respect_to(CHOSEN)(**PRIMALS)
    assert seen == [[True, False, True]]


def test_a_function_that_differentiates_by_itself_has_a_graph_of_what_is_chosen() -> None:
    """As a loss with a gradient penalty does."""
    seen: list[bool] = []

    def f(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        seen.append(y.requires_grad)
        (slope,) = torch.autograd.grad((x**3 * y).sum(), x, create_graph=True)
        return slope

    adapter = from_torch(f).with_respect_to([("primals", 0)])
    assert_close(adapter.forward(X, X), 3 * X**3)
    assert not any(seen)


@each_engine
def test_gradients_are_of_what_is_chosen_and_the_rest_is_none(adapt: Callable[..., Any]) -> None:
    _, vjp = adapt(product).with_respect_to(CHOSEN)(**PRIMALS)
    gradients = vjp(U)
    assert_close(gradients["x"], U * (X + 1) * (X + 2))
    assert_close(gradients["rest"]["y"][1], U * X * (X + 1))
    assert gradients["rest"] | {"y": None} == {"y": None, "rows": None, "word": None}
    assert gradients["rest"]["y"][0] is None


@each_engine
@each_mode
def test_second_derivatives_are_of_what_is_chosen(adapt: Callable[..., Any], mode: str) -> None:
    adapter = adapt(product).with_respect_to(CHOSEN)
    found = adapter.hvp(PRIMALS, U, {"x": X, "rest": {"y": [U, X]}}, mode)
    assert_close(found["x"], U * (X + 1) * X)
    assert found["rest"]["y"][0] is None
    assert_close(found["rest"]["y"][1], U * (X + 1) * X)
    assert_close(adapter.jvp(PRIMALS, {"x": X}), X * (X + 1) * (X + 2))


@each_engine
def test_the_adapter_itself_is_left_as_it_was(adapt: Callable[..., Any]) -> None:
    adapter = adapt(lambda x, b: x * b)
    restricted = adapter.with_respect_to([("primals", 1)])
    assert (restricted.name, restricted.function) == (adapter.name, adapter.function)
    assert restricted(X, B)[1](U)[0] is None
    assert_close(adapter(X, B)[1](U)[0], U * B)


@pytest.mark.parametrize("by_name", [False, True])
def test_of_a_custom_function_backward_is_told(*, by_name: bool) -> None:
    needed: list[tuple[bool, ...]] = []

    class Asked(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor, b: torch.Tensor) -> torch.Tensor:  # noqa: ANN401 -- the context is untyped in torch
            ctx.save_for_backward(x, b)
            return x * b

        @staticmethod
        def backward(ctx: Any, *cotangents: torch.Tensor) -> Any:  # noqa: ANN401 -- the context is untyped in torch
            needed.append(ctx.needs_input_grad)
            _, b = ctx.saved_tensors
            return cotangents[0] * b, None

    primals: Any = {"x": X, "b": B} if by_name else (X, B)
    adapter = from_torch(Asked.apply).with_respect_to([("primals", "x" if by_name else 0)])
    _, vjp = adapter(**primals) if by_name else adapter(*primals)
    gradients = vjp(U)
    got, rest = (gradients["x"], gradients["b"]) if by_name else gradients
    assert_close(got, U * B)
    assert rest is None
    assert needed == [(True, False)]
