from collections.abc import Mapping
from typing import Any, get_args

import numpy as np
import pytest
import torch

from reference_impls.engines.adapter import Mode
from reference_impls.engines.pytorch.choice import from_torch
from tests.reference_impls.engines.shared import (
    B,
    U,
    X,
    assert_close,
    draw,
    each_dtype,
    network,
    weights,
)


@each_dtype
def test_a_module_is_a_function_of_its_input_in_the_inputs_dtype(dtype: str) -> None:
    module = torch.nn.Linear(4, 2)
    W, b = (weights(module)[name].astype(dtype) for name in ("weight", "bias"))
    x, u = X.astype(dtype), draw(3, 2, dtype=dtype)
    for value, gradient in (
        (from_torch(module)(x)[0], from_torch(module)(x)[1](u)[0]),
        (from_torch(module)(input=x)[0], from_torch(module)(input=x)[1](u)["input"]),
    ):
        assert_close(value, x @ W.T + b)
        assert_close(gradient, u @ W)


def test_parameters_are_primals_nested_flat_and_in_part() -> None:
    module, x, u = network(), X, draw(3, 2)
    held = weights(module)
    hidden = np.tanh(x @ held["0.weight"].T + held["0.bias"])
    back = (u @ held["2.weight"]) * (1 - hidden**2)
    expected = {"0.weight": back.T @ x, "2.bias": u.sum(0)}

    nested = {"0": {"weight": held["0.weight"]}, "2": {"bias": held["2.bias"]}, "input": x}
    gradients = from_torch(module)(**nested)[1](u)
    assert_close(gradients["0"]["weight"], expected["0.weight"])
    assert_close(gradients["2"]["bias"], expected["2.bias"])
    assert_close(gradients["input"], back @ held["0.weight"])

    flat = from_torch(module)(**{name: held[name] for name in expected}, input=x)[1](u)
    assert list(flat) == ["0.weight", "2.bias", "input"]
    for name, gradient in expected.items():
        assert_close(flat[name], gradient)


def test_parameters_given_are_those_that_count() -> None:
    value, _ = from_torch(torch.nn.Linear(4, 2))(weight=np.ones((2, 4)), bias=np.zeros(2), input=X)
    assert_close(value, np.repeat(X.sum(1)[:, None], 2, 1))


def test_tied_parameters_are_one_under_either_name() -> None:
    module = torch.nn.Sequential(
        torch.nn.Linear(4, 4, bias=False), torch.nn.Linear(4, 4, bias=False)
    )
    module[1].weight = module[0].weight
    W = draw(4, 4)
    for name in ("0.weight", "1.weight"):
        value, _ = from_torch(module)(**{name: W}, input=X)
        assert_close(value, X @ W.T @ W.T)


def state_of(module: torch.nn.Module) -> dict[str, Any]:
    return {
        name: (tensor.clone(), tensor.dtype, tensor.requires_grad, tensor.data_ptr(), tensor.grad)
        for name, tensor in (*module.named_parameters(), *module.named_buffers())
    }


def assert_untouched(module: torch.nn.Module, before: Mapping[str, Any]) -> None:
    for name, (tensor, *rest) in state_of(module).items():
        assert torch.equal(tensor, before[name][0])
        assert rest == list(before[name][1:])


@each_dtype
@pytest.mark.parametrize("training", [True, False])
def test_a_batch_norm_is_checked_in_either_dtype_and_its_statistics_stay(
    dtype: str, *, training: bool
) -> None:
    module = torch.nn.BatchNorm1d(4).train(training)
    module(torch.from_numpy(draw(8, 4, dtype="float32")))
    before = state_of(module)
    adapter = from_torch(module)
    x, u = (draw(8, 4, seed=seed, dtype=dtype) for seed in (3, 4))
    gamma = (B + 2).astype(dtype)
    held = {name: array.astype(dtype) for name, array in weights(module).items()}
    mean, variance = (
        (x.mean(0), x.var(0)) if training else (held["running_mean"], held["running_var"])
    )
    standard = (x - mean) / np.sqrt(variance + np.array(module.eps, dtype))
    value, vjp = adapter(weight=gamma, input=x)
    assert_close(value, standard * gamma)
    gradients = vjp(u)
    assert_close(gradients["weight"], (u * standard).sum(0))
    assert_close(adapter.forward(weight=gamma, input=x), value)
    tangents = {"weight": gamma}
    assert_close(adapter.jvp({"weight": gamma, "input": x}, tangents), value)
    for mode in get_args(Mode):
        products = adapter.hvp({"weight": gamma, "input": x}, u, tangents, mode)
        assert_close(products["weight"], np.zeros_like(gamma))
        assert_close(products["input"], gradients["input"])
    assert_untouched(module, before)
    assert module.training == training


class Counting(torch.nn.Module):
    """Reassigns a buffer, and adds up in another."""

    calls: torch.Tensor
    total: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
        self.register_buffer("total", torch.zeros(4))
        self.scale = torch.nn.Parameter(torch.ones(4))

    def forward(self, x: torch.Tensor, *, power: float = 1.0) -> torch.Tensor:
        self.calls = self.calls + 1
        self.total.add_(x.detach().sum(0))
        return (self.scale * x) ** power + self.total


def test_buffers_that_forward_writes_to_do_not_leak() -> None:
    module = Counting()
    before = state_of(module)
    adapter = from_torch(module)
    first, again = adapter(X)[0], adapter(X)[0]
    assert np.array_equal(first, again)
    assert_close(first, X + X.sum(0))
    assert_untouched(module, before)


class Shift(torch.nn.Module):
    """x + exp(offset), with the offset in a buffer."""

    offset: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("offset", torch.zeros(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.offset.exp()


def test_a_buffer_may_be_a_primal() -> None:
    value, vjp = from_torch(Shift())(x=X, offset=B)
    assert_close(value, X + np.exp(B))
    gradients = vjp(U)
    assert_close(gradients["x"], U)
    assert_close(gradients["offset"], U.sum(0) * np.exp(B))


def test_an_input_of_a_module_may_be_a_number() -> None:
    gradients = from_torch(Counting())(x=X, power=2.0)[1](U)
    assert gradients["power"] is None
    assert_close(gradients["x"], 2 * X * U)


def test_a_module_with_integers_alone_keeps_its_dtype() -> None:
    module = torch.nn.Embedding(5, 3)
    value, vjp = from_torch(module)(np.array([1, 3]))
    assert value.dtype == np.float32
    assert vjp(np.ones_like(value)) == (None,)


@pytest.mark.parametrize("given", [{"wieght": B}, {"0": {"wieght": B}}, {"0.weight.x": B}])
def test_a_name_that_a_module_does_not_know_is_refused_in_one_line(given: dict[str, Any]) -> None:
    words = (
        r"^Sequential: got (0\.)?(wieght|weight\.x), wanted inputs of forward \(input\) "
        r"or parameters \(0\.weight, 0\.bias, 2\.weight, 2\.bias\)$"
    )
    with pytest.raises(TypeError, match=words):
        from_torch(network())(input=X, **given)


def test_a_name_of_both_an_input_and_a_parameter_is_refused_in_one_line() -> None:
    class Both(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.x = torch.nn.Parameter(torch.ones(4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * self.x

    with pytest.raises(TypeError, match=r"^Both: x is both an input of forward and held by"):
        from_torch(Both())(x=X)
    assert_close(from_torch(Both())(X)[1](U)[0], U)
