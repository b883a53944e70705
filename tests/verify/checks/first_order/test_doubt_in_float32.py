"""Rounding that float32 shows and does not measure accuses nobody; what is gross still does."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from reference_impls import Array
from verify import check, from_torch

Maths = Callable[[Tensor], Tensor]
SEEDS = range(10)


def normal(*shape: int, times: float = 1.0) -> Callable[[np.random.Generator], Array]:
    return lambda rng: times * rng.standard_normal(shape)


CANCELLING = {
    "deviation beside 1": (lambda a: (1 + 1e-5 * a).std(), normal(5)),
    "logsumexp less the largest": (lambda a: torch.logsumexp(a, 0) - a.max(), normal(6, times=20)),
    "distances by a product": (
        lambda a: (2 * (a * a).sum() - 2 * a @ a + 1e-3 + (a[0] - a[1]) ** 2).sqrt(),
        normal(4, times=10),
    ),
}


@pytest.mark.parametrize(("function", "draw"), CANCELLING.values(), ids=CANCELLING)
def test_a_right_gradient_is_not_accused_of_its_rounding(
    function: Maths, draw: Callable[[np.random.Generator], Array]
) -> None:
    for seed in SEEDS:
        x = draw(np.random.default_rng(seed)).astype(np.float32)
        report = check(from_torch(function), x, seed=seed)
        assert report.verdict != "disagree", str(report)


@pytest.mark.parametrize("factor", [1.5, -1.0, 0.0])
def test_a_wrong_one_beside_it_stays_convicted(factor: float) -> None:
    class Deviation(torch.autograd.Function):
        @staticmethod
        def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return (1 + 1e-5 * x).std()

        @staticmethod
        def backward(ctx: torch.autograd.Function, grad: Tensor) -> Tensor:
            (x,) = ctx.saved_tensors
            slope = 1e-5 * (x - x.mean()) / x.std() / (x.numel() - 1)
            return factor * grad * slope

    for seed in SEEDS:
        x = np.random.default_rng(seed).standard_normal(5).astype(np.float32)
        assert check(from_torch(Deviation.apply), x, seed=seed).verdict == "disagree"
