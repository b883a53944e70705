"""Functions that compute in a narrower format inside: the right agree, the wrong are convicted."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from reference_impls import DTYPES
from verify import check, from_torch

Maths = Callable[[Tensor], Tensor]

SEEDS = range(8)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)

LABELS = torch.tensor([1, 2, 0])


def verdicts(function: Maths, shape: tuple[int, ...], dtype: str) -> Counter[str]:
    """How often each verdict is given, over the seeds."""

    def same_dtype(x: Tensor) -> Tensor:
        return function(x).to(x.dtype)

    drawn = (np.random.default_rng(seed).standard_normal(shape) for seed in SEEDS)
    return Counter(
        check(from_torch(same_dtype), x.astype(dtype), seed=seed).verdict
        for seed, x in enumerate(drawn)
    )


def with_backward(function: Maths, backward: Callable[[Tensor, Tensor], Tensor]) -> Maths:
    """The function, with a gradient of somebody's own: of x and of the output's gradient."""

    class Own(torch.autograd.Function):
        @staticmethod
        def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return function(x).to(x.dtype)

        @staticmethod
        def backward(ctx: torch.autograd.Function, grad: Tensor) -> Tensor:
            (x,) = ctx.saved_tensors
            return backward(x, grad).to(x.dtype)

    return Own.apply  # type: ignore[no-any-return]


SUMS: dict[str, tuple[Maths, tuple[int, ...]]] = {
    "cross entropy": (lambda x: functional.cross_entropy(x.float(), LABELS), (3, 8)),
    "sum of exponentials": (lambda x: x.float().exp().sum(), (20,)),
    "mean squared error": (lambda x: functional.mse_loss(x.float(), torch.ones(20)), (20,)),
    "norm": (lambda x: x.float().norm(), (20,)),
    "sum of squares": (lambda x: x.float().square().sum(), (20,)),
    "Huber": (lambda x: functional.smooth_l1_loss(x.float(), torch.full((12,), 4.0)), (12,)),
    "sum of sines": (lambda x: x.float().sin().sum(), (15,)),
    "mean of tanh": (lambda x: x.float().tanh().mean(), (30,)),
}


@each_dtype
@pytest.mark.parametrize(("function", "shape"), SUMS.values(), ids=SUMS)
def test_one_number_that_is_added_up_in_float32_agrees(
    function: Maths, shape: tuple[int, ...], dtype: str
) -> None:
    """Its values are so few that entries of a table of differences are equal by chance."""
    found = verdicts(function, shape, dtype)
    assert found["disagree"] == 0
    assert found["agree"] >= len(SEEDS) - 1


WRONG_SUMS: dict[str, tuple[Maths, tuple[int, ...]]] = {
    "a tenth too much": (
        with_backward(lambda x: x.float().exp().sum(), lambda x, g: 1.1 * g * x.exp()),
        (10,),
    ),
    "labels left out": (
        with_backward(
            lambda x: functional.cross_entropy(x.float(), LABELS),
            lambda x, g: g * x.softmax(-1) / 3,
        ),
        (3, 8),
    ),
    "a sign": (with_backward(lambda x: x.float().norm(), lambda x, g: -g * x / x.norm()), (20,)),
}


@each_dtype
@pytest.mark.parametrize(("function", "shape"), WRONG_SUMS.values(), ids=WRONG_SUMS)
def test_and_a_wrong_gradient_of_it_is_convicted(
    function: Maths, shape: tuple[int, ...], dtype: str
) -> None:
    assert verdicts(function, shape, dtype) == {"disagree": len(SEEDS)}


def exponentials(x: Tensor) -> Tensor:
    return x.float().exp()


NOT_LINEAR: dict[str, Maths] = {
    "its absolute value": with_backward(
        lambda x: exponentials(x).sum(), lambda x, g: g.abs() * exponentials(x)
    ),
    "clamped": with_backward(
        lambda x: exponentials(x).sum(), lambda x, g: g.clamp(-1.9, 1.9) * exponentials(x)
    ),
    "a square added": with_backward(
        exponentials, lambda x, g: (g + 1e-3 * g * g) * exponentials(x)
    ),
    "clipped by its norm": with_backward(
        lambda x: x.float().tanh(),
        lambda x, g: 2 * g / g.norm().clamp(min=2) * (1 - x.float().tanh() ** 2),
    ),
    "its sign": with_backward(lambda x: x.float().square().sum(), lambda x, g: 2 * g.sign() * x),
}


@each_dtype
@pytest.mark.parametrize("function", NOT_LINEAR.values(), ids=NOT_LINEAR)
def test_what_is_not_linear_in_the_cotangent_is_convicted_by_the_contract(
    function: Maths, dtype: str
) -> None:
    """Roughness is in units of float64, and would excuse all of a float32 gradient."""
    for seed in SEEDS:
        x = np.random.default_rng(seed).standard_normal(20).astype(dtype)
        report = check(from_torch(function), x, seed=seed)
        (contract,) = (each for each in report.checks if each.kind == "contract")
        assert contract.verdict == "disagree"


def root_mean_square_normalised(x: Tensor) -> Tensor:
    inside = x.float()
    return inside * torch.rsqrt(inside.pow(2).mean(-1, keepdim=True) + 1e-6)


ROWS: dict[str, Maths] = {
    "RMSNorm": root_mean_square_normalised,
    "layer norm": lambda x: functional.layer_norm(x.float(), (8,)),
    "of unit length": lambda x: functional.normalize(x.float(), dim=-1),
    "loss of a Gram matrix": lambda x: (x.float() @ x.float().T).square().mean(),
    "attention": lambda x: torch.softmax(x.float() @ x.float().T, -1) @ x.float(),
}


@each_dtype
@pytest.mark.parametrize("function", ROWS.values(), ids=ROWS)
def test_sums_in_another_order_are_no_dependence_on_the_layout(function: Maths, dtype: str) -> None:
    assert verdicts(function, (3, 8), dtype) == {"agree": len(SEEDS)}


@each_dtype
@pytest.mark.parametrize("by", [1e-2, 1e-4])
def test_a_gradient_that_depends_on_the_layout_is_convicted(by: float, dtype: str) -> None:
    def backward(x: Tensor, g: Tensor) -> Tensor:
        return g * x * (2 if x.is_contiguous() else 2 * (1 + by))

    wrong = with_backward(lambda x: x.float().square(), backward)
    assert verdicts(wrong, (4, 6), dtype) == {"disagree": len(SEEDS)}
