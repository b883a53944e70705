"""Functions that compute in a narrower format inside: the right agree, the wrong are convicted."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from reference_impls import DTYPES, Array
from tests.verify.checks.first_order.shared import appeal_of
from verify import check, from_torch

Maths = Callable[[Tensor], Tensor]
Draw = Callable[[np.random.Generator], Array]

SEEDS = range(8)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)

LABELS = torch.tensor([1, 2, 0])


def in_torch(function: Maths) -> Any:  # noqa: ANN401 -- what `from_torch` makes of it
    """The function, whose value is of the dtype of its primals again."""

    def same_dtype(x: Tensor) -> Tensor:
        return function(x).to(x.dtype)

    return from_torch(same_dtype)


def verdicts(function: Maths, draw: Draw | tuple[int, ...], dtype: str) -> Counter[str]:
    """How often each verdict is given, over the seeds; normal numbers of a shape, or drawn so."""
    found: Counter[str] = Counter()
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        x = rng.standard_normal(draw) if isinstance(draw, tuple) else draw(rng)
        found[check(in_torch(function), x.astype(dtype), seed=seed).verdict] += 1
    return found


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

    return Own.apply


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
    found = verdicts(function, (3, 8), dtype)
    assert found["disagree"] == 0
    assert found["agree"] >= len(SEEDS) - 1


@each_dtype
@pytest.mark.parametrize("by", [1e-2, 1e-4])
def test_a_gradient_that_depends_on_the_layout_is_convicted(by: float, dtype: str) -> None:
    def backward(x: Tensor, g: Tensor) -> Tensor:
        return g * x * (2 if x.is_contiguous() else 2 * (1 + by))

    wrong = with_backward(lambda x: x.float().square(), backward)
    assert verdicts(wrong, (4, 6), dtype) == {"disagree": len(SEEDS)}


def with_a_zero(*shape: int) -> Draw:
    def draw(rng: np.random.Generator) -> Array:
        x = rng.standard_normal(shape)
        x.flat[3] = 0
        return x

    return draw


KINKS: dict[str, Maths] = {
    "relu": lambda x: functional.relu(x.float()),
    "leaky relu": lambda x: functional.leaky_relu(x.float()),
    "absolute value": lambda x: x.float().abs(),
    "sum of relu": lambda x: functional.relu(x.float()).sum(),
    "elu": lambda x: functional.elu(x.float(), 2.0),
    "mean absolute error": lambda x: functional.l1_loss(x.float(), torch.zeros(10)),
}


@each_dtype
@pytest.mark.parametrize("function", KINKS.values(), ids=KINKS)
def test_a_kink_is_found_over_steps_that_its_values_resolve(function: Maths, dtype: str) -> None:
    found = verdicts(function, with_a_zero(10), dtype)
    assert found["disagree"] == 0
    assert found["agree"] >= len(SEEDS) - 2


@each_dtype
@pytest.mark.parametrize("function", KINKS.values(), ids=KINKS)
def test_beside_a_kink_it_agrees(function: Maths, dtype: str) -> None:
    found = verdicts(function, (10,), dtype)
    assert found["disagree"] == 0
    assert found["agree"] >= len(SEEDS) - 1


@pytest.mark.parametrize("seed", SEEDS)
def test_what_a_relu_stills_does_not_hide_the_format(seed: int) -> None:
    x = with_a_zero(10)(np.random.default_rng(seed))
    found = appeal_of(in_torch(KINKS["relu"]), x).computes_in
    assert found is not None
    assert found.name == "float32"


WRONG_KINKS: dict[str, Maths] = {
    "another slope below": with_backward(
        lambda x: functional.leaky_relu(x.float(), 0.1),
        lambda x, g: torch.where(x > 0, g, 0.2 * g),
    ),
    "no slope below": with_backward(lambda x: x.float().abs(), lambda x, g: g * (x > 0)),
    "its absolute value": with_backward(
        lambda x: functional.relu(x.float()), lambda x, g: g.abs() * (x > 0)
    ),
}


@each_dtype
@pytest.mark.parametrize("function", WRONG_KINKS.values(), ids=WRONG_KINKS)
def test_and_a_wrong_gradient_at_it_is_convicted(function: Maths, dtype: str) -> None:
    found = verdicts(function, with_a_zero(10), dtype)
    assert found["disagree"] >= len(SEEDS) - 1


DROPPED: dict[str, Maths] = {
    "exponential": with_backward(lambda x: x.float().exp(), lambda _, g: 0 * g),
    "matrix product": with_backward(lambda x: x.float() @ torch.ones(12, 3), lambda x, _: 0 * x),
    "sum of squares": with_backward(lambda x: x.float().square().sum(), lambda x, _: 0 * x),
}


@each_dtype
@pytest.mark.parametrize("function", DROPPED.values(), ids=DROPPED)
def test_a_gradient_of_zero_is_not_right_because_short_steps_move_nothing(
    function: Maths, dtype: str
) -> None:
    assert verdicts(function, (12,), dtype) == {"disagree": len(SEEDS)}
