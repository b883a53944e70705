from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from reference_impls.engines.adapter import Adapter
from reference_impls.engines.pytorch.graph import REAL_ONLY, refusing_complex
from tests.reference_impls.engines.shared import Context, U, X
from verify import check, from_torch

Native = torch.Tensor

ONES = torch.ones(1, dtype=torch.float64)

REFUSED: dict[str, Callable[[Native], Native]] = {
    "relu": torch.relu,
    "leaky relu": functional.leaky_relu,
    "prelu": lambda x: functional.prelu(x, ONES.to(x.dtype)),
    "elu": functional.elu,
    "celu": functional.celu,
    "gelu": functional.gelu,
    "softplus": functional.softplus,
    "logsigmoid": functional.logsigmoid,
    "hardtanh": functional.hardtanh,
    "hardswish": functional.hardswish,
    "hardsigmoid": functional.hardsigmoid,
    "mish": functional.mish,
    "glu": functional.glu,
    "threshold": lambda x: functional.threshold(x, 0.1, 0.0),
    "clamp": lambda x: x.clamp(-1, 1),
    "clamp from below": lambda x: torch.clamp_min(x, 0),
    "clamp from above": lambda x: torch.clamp_max(x, 0),
    "maximum": lambda x: torch.maximum(x, 2 * x),
    "minimum": lambda x: torch.minimum(x, 2 * x),
    "round": torch.round,
    "floor": torch.floor,
    "sign": torch.sign,
    "max": torch.max,
    "max of an axis": lambda x: x.max(0).values,
    "min": torch.min,
    "amax": lambda x: x.amax(0),
    "amin": lambda x: x.amin(0),
    "median": torch.median,
    "sort": lambda x: x.sort().values,
    "topk": lambda x: x.topk(2).values,
    "kthvalue": lambda x: x.kthvalue(2).values,
    "cummax": lambda x: x.cummax(0).values,
    "cdist": lambda x: torch.cdist(x[:, None], x[:, None] + 1),
    "softmax": lambda x: x.softmax(0),
    "log softmax": lambda x: x.log_softmax(0),
    "layer norm": lambda x: functional.layer_norm(x, x.shape),
    "mean squares": lambda x: functional.mse_loss(x, 2 * x),
    "smooth l1": lambda x: functional.smooth_l1_loss(x, 2 * x),
    "huber": lambda x: functional.huber_loss(x, 2 * x),
    "cross entropy": lambda x: functional.binary_cross_entropy_with_logits(x, torch.ones_like(x)),
}

TAKEN: list[Callable[[Native], Native]] = [
    torch.tanh,
    torch.abs,
    functional.silu,
    lambda x: x.logsumexp(0),
    lambda x: torch.where(x.real > 0, x, 2 * x),
]

x = torch.tensor(X)


@pytest.mark.parametrize("operation", REFUSED.values(), ids=REFUSED)
def test_what_is_said_to_refuse_complex_numbers_does(
    operation: Callable[[Native], Native],
) -> None:
    leaf = x.flatten()[:4].clone().requires_grad_()
    assert refusing_complex(operation(leaf).grad_fn, [leaf]) == [True]
    with pytest.raises((RuntimeError, NotImplementedError)):
        operation(x.flatten()[:4].to(torch.complex128))


def test_every_operation_that_is_listed_is_tried() -> None:
    values = [f(x.flatten()[:4].clone().requires_grad_()) for f in REFUSED.values()]
    seen = {node.name() for value in values if (node := value.grad_fn)}

    def kind(name: str) -> str:
        return name.rstrip("012").removesuffix("Backward")

    assert {kind(name) for name in REAL_ONLY} == {kind(name) for name in seen}


@pytest.mark.parametrize("operation", TAKEN)
def test_what_takes_them_is_asked(operation: Callable[[Native], Native]) -> None:
    leaf = x.clone().requires_grad_()
    assert refusing_complex(operation(leaf).grad_fn, [leaf]) == [False]
    adapter = from_torch(operation)
    adapter(X)
    assert np.iscomplexobj(adapter.forward(X + 1j * U)) or operation is torch.abs


def test_complex_numbers_are_refused_before_anything_is_computed() -> None:
    calls = []

    def network(x: Native) -> Native:
        calls.append(x.dtype)
        return torch.relu(x @ x.T)

    adapter = from_torch(network)
    square = X.reshape(-1, 1)
    adapter(square)
    with pytest.raises(TypeError, match=r"^network: something in it has no complex numbers"):
        adapter.forward(square + 1j)
    assert calls == [torch.float64]


def test_only_what_an_argument_goes_through_refuses_it() -> None:
    def gated(x: Native, w: Native) -> Native:
        return torch.tanh(x) * w.softmax(0)

    adapter = from_torch(gated)
    adapter(X, U)
    assert np.iscomplexobj(adapter.forward(X + 1j * U, U))
    with pytest.raises(TypeError, match="has no complex numbers"):
        adapter.forward(X, U + 1j * X)
    report = check(gated_with_an_error_of(1e-11), (X, U), wrt="x")
    assert report.verdict == "disagree"
    assert any(each.against == "complex step" for each in report.checks)


def gated_with_an_error_of(relative: float) -> Adapter:
    class Tanh(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Context, x: Native) -> Native:
            y = x.tanh()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx: Context, *cotangents: Native) -> Any:  # noqa: ANN401
            (u,) = cotangents
            (y,) = ctx.saved_tensors
            return (1 + relative) * u * (1 - y * y)

    def gated(x: Native, w: Native) -> Any:  # noqa: ANN401
        return Tanh.apply(x) * w.softmax(0)  # type: ignore[no-untyped-call]

    return from_torch(gated)


def test_code_that_turns_where_complex_numbers_are_refused_is_still_diagnosed() -> None:
    calls = count()

    class Doubled(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Context, x: Native) -> Native:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx: Context, *cotangents: Native) -> Any:  # noqa: ANN401
            (u,) = cotangents
            (x,) = ctx.saved_tensors
            return 4 * u * x

    def turning(x: Native) -> Any:  # noqa: ANN401
        y = Doubled.apply(x)  # type: ignore[no-untyped-call]
        later = next(calls) > 12 and not x.is_complex()
        return torch.relu(y) if later else y  # the same, as a square is

    report = check(from_torch(turning), (X,))
    assert report.verdict == "disagree"
    assert "2 times" in str(report)
