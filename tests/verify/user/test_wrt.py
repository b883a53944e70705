"""What `wrt` leaves out is a constant to every engine: it needs no derivative there."""

from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
import autograd.scipy.special
import numpy as np
import pytest
import torch
from torch.nn import functional

from reference_impls.computation import Array
from reference_impls.nested import Tree
from verify import Report, check, from_autograd, from_numpy, from_torch

Native = Any

RNG = np.random.default_rng(14)
X = RNG.standard_normal((4, 3))
LABELS = np.array([0, 1, 2, 0])
POSITIVE = np.array([0.5, 1.5, 3.0])
OTHER = np.array([2.0, 0.7, 1.1])


def faults(report: Report) -> set[str]:
    return {each.fault for each in report.checks if each.verdict == "disagree"}


def named(function: Callable[..., Native]) -> Callable[..., Native]:
    """A function written in C, whose arguments have no names."""

    def of(a: Native, x: Native) -> Native:
        return function(a, x)

    return of


TORCH: dict[str, tuple[Callable[..., Native], dict[str, Tree]]] = {
    "batch_norm, running": (
        lambda x, mean, variance: functional.batch_norm(x, mean, variance, training=True),
        {"x": X, "mean": np.zeros(3), "variance": np.ones(3)},
    ),
    "batch_norm, given": (
        functional.batch_norm,
        {"input": X, "running_mean": np.zeros(3), "running_var": np.ones(3)},
    ),
    "instance_norm": (
        functional.instance_norm,
        {"input": X[:, :, None] * OTHER, "running_mean": np.zeros(3), "running_var": np.ones(3)},
    ),
    "nll_loss": (
        functional.nll_loss,
        {"input": X, "target": LABELS, "weight": POSITIVE},
    ),
    "cross_entropy": (
        functional.cross_entropy,
        {"input": X, "target": LABELS, "weight": POSITIVE},
    ),
    "gammainc": (named(torch.special.gammainc), {"a": OTHER, "x": POSITIVE}),
    "gammaincc": (named(torch.special.gammaincc), {"a": OTHER, "x": POSITIVE}),
    "zeta": (named(torch.special.zeta), {"a": OTHER + 1, "x": POSITIVE}),
    "a leaf": (
        lambda params: torch.special.gammainc(*params["both"]),
        {"params": {"both": (OTHER, POSITIVE)}},
    ),
    "read by NumPy": (
        lambda x, edges: x[: int(edges.numpy().sum())].sin(),
        {"x": X, "edges": np.array([0.5, 1.5])},
    ),
    "counted in": (
        lambda x, state: (state["calls"].add_(1), x.sin())[1],
        {"x": X, "state": {"calls": np.zeros(())}},
    ),
}

WRT = {"a leaf": "params['both'][1]"}
"""Where it is not the argument called x or input."""


def asked_for(name: str) -> str:
    return WRT.get(name, "x" if "x" in TORCH[name][1] else "input")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", TORCH)
def test_torch_needs_no_derivative_in_what_is_left_out(name: str, dtype: str) -> None:
    function, primals = TORCH[name]
    wrt = asked_for(name)
    cast = {
        key: value.astype(dtype)
        if isinstance(value, np.ndarray) and value.dtype == float
        else value
        for key, value in primals.items()
    }
    report = check(from_torch(function), cast, wrt=wrt)
    assert report.verdict == "agree", str(report)
    if wrt in cast:
        report = check(from_torch(function), tuple(cast.values()), wrt=wrt)
        assert report.verdict == "agree", str(report)


@pytest.mark.parametrize("name", ["batch_norm, given", "nll_loss", "gammainc", "counted in"])
def test_nor_a_second_one(name: str) -> None:
    function, primals = TORCH[name]
    report = check(from_torch(function), primals, wrt=asked_for(name), order=2)
    assert report.verdict == "agree", str(report)


def sampled(x: Native, points: Native) -> Native:
    """Autograd refuses a traced array for an index or for NumPy's own functions."""
    return anp.sin(x) * np.interp(0.5, points, np.arange(len(points)))


HIPS: dict[str, tuple[Callable[..., Native], dict[str, Tree]]] = {
    "gammainc": (autograd.scipy.special.gammainc, {"a": OTHER, "x": POSITIVE}),
    "gammaincc": (autograd.scipy.special.gammaincc, {"a": OTHER, "x": POSITIVE}),
    "bessel function": (autograd.scipy.special.jn, {"n": np.ones(3), "x": POSITIVE}),
    "NumPy's interpolation": (sampled, {"x": X, "points": np.array([0.0, 1.0, 2.0])}),
    "an order": (
        autograd.scipy.special.polygamma,
        {"a": np.ones(3), "x": POSITIVE},
    ),
}


@pytest.mark.parametrize("name", HIPS)
def test_autograd_needs_no_derivative_in_what_is_left_out(name: str) -> None:
    function, primals = HIPS[name]
    adapter = from_autograd(named(function))
    wrt = "a" if next(iter(primals)) == "x" else "x"
    report = check(adapter, tuple(primals.values()), wrt=wrt)
    assert report.verdict == "agree", str(report)


@pytest.mark.parametrize("adapt", [from_torch, from_autograd], ids=["torch", "autograd"])
@pytest.mark.parametrize("wrt", ["x", "y['b']", ["x", "y['c'][0]"], None])
def test_of_what_is_asked_for_every_derivative_is_checked(
    adapt: Callable[..., Any], wrt: str | list[str] | None
) -> None:
    primals = {"x": X, "y": {"b": X + 1, "c": [X - 2, X * 3]}}
    adapter = adapt(lambda x, y: x * x * y["b"] * y["c"][0] + y["c"][1] * x)
    report = check(adapter, primals, wrt=wrt, order=2)
    assert report.verdict == "agree", str(report)
    assert check(adapter, tuple(primals.values()), wrt=wrt).verdict == "agree"


class Spoilt(torch.autograd.Function):
    """x y, with the gradient of one of them spoilt."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:  # noqa: ANN401 -- the context is untyped in torch
        ctx.save_for_backward(x, y)
        return x * y

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor) -> tuple[torch.Tensor, ...]:  # noqa: ANN401 -- the context is untyped in torch
        x, y = ctx.saved_tensors
        return cotangents[0] * y, 1.5 * cotangents[0] * x


@pytest.mark.parametrize("inside", [False, True])
def test_a_fault_is_seen_where_its_derivative_is_asked_for(*, inside: bool) -> None:
    apply: Callable[..., torch.Tensor] = Spoilt.apply
    adapter = from_torch(lambda x, y: 1 * apply(x, y)) if inside else from_torch(apply)
    assert faults(check(adapter, (X, X + 1))) == {"constant factor"}
    assert faults(check(adapter, (X, X + 1), wrt="y")) == {"constant factor"}
    assert check(adapter, (X, X + 1), wrt="x").verdict == "agree"


def test_needs_input_grad_says_what_is_asked_for() -> None:
    """A copied condition shows only if each is asked for alone."""

    class Copied(Spoilt):
        @staticmethod
        def backward(ctx: Any, *cotangents: torch.Tensor) -> Native:  # noqa: ANN401 -- the context is untyped in torch
            x, y = ctx.saved_tensors
            needed = ctx.needs_input_grad[0]  # and so for y as well
            return tuple(cotangents[0] * each if needed else None for each in (y, x))

    assert check(from_torch(Copied.apply), (X, X + 1)).verdict == "agree"
    assert check(from_torch(Copied.apply), (X, X + 1), wrt="x").verdict == "agree"
    assert faults(check(from_torch(Copied.apply), (X, X + 1), wrt="y")) == {"dropped dependency"}


@pytest.mark.parametrize("wrt", ["x", "labels"])
def test_what_is_left_out_must_not_be_changed_if_the_answer_depends_on_it(wrt: str) -> None:
    def lowering(x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        labels.data.sub_(1)
        return x * labels

    report = check(from_torch(lowering), (X, X + 1), wrt=wrt)
    assert faults(report) == {"mutation"}


class TestGradientsInNumpy:
    @staticmethod
    def value(a: Array, x: Array) -> Array:
        return np.asarray(np.sum(a * x**2))

    each_gradient = pytest.mark.parametrize(
        "gradient",
        [
            lambda a, x: 2 * a * x,
            lambda a, x: (2 * a * x,),
            lambda a, x: [2 * a * x],
            lambda a, x: {"x": 2 * a * x},
            lambda a, x: (None, 2 * a * x),
            lambda a, x: (x**2, 2 * a * x),
            lambda a, x, cotangent: cotangent * 2 * a * x,
        ],
        ids=["alone", "tuple", "list", "dict", "None for the rest", "all", "of a cotangent"],
    )

    @each_gradient
    @pytest.mark.parametrize("by_name", [False, True])
    def test_may_be_of_what_is_asked_for_alone(
        self, gradient: Callable[..., Tree], *, by_name: bool
    ) -> None:
        adapter = from_numpy(self.value, gradient)
        primals = {"x": POSITIVE, "a": OTHER} if by_name else (OTHER, POSITIVE)
        report = check(adapter, primals, wrt="x")
        assert report.verdict == "agree", str(report)

    @each_gradient
    def test_are_judged_for_what_is_asked(self, gradient: Callable[..., Tree]) -> None:
        adapter = from_numpy(lambda a, x: 2 * self.value(a, x), gradient)
        assert check(adapter, (OTHER, POSITIVE), wrt="x").verdict == "disagree"

    def test_of_two_arguments_out_of_three(self) -> None:
        adapter = from_numpy(lambda a, x, y: np.sum(a * x * y), lambda a, x, y: (a * y, a * x))
        primals = (OTHER, POSITIVE, OTHER + 1)
        assert check(adapter, primals, wrt=["x", "y"]).verdict == "agree"
        assert check(adapter, primals, wrt=["a", "y"]).verdict == "disagree"
