"""The baselines are right: what they are timed for is a formulation, not a mistake."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from bench.argmin.closed_form import closed_form
from bench.argmin.hessians import full_hessian, k_alone, k_batched
from bench.argmin.phases import solved_by
from bench.gate import layer_errors
from reference_impls import Arrays, Torch, draw
from reference_impls.computations import ridge_argmin
from reference_impls.engines.backend import seed_cotangent

RIDGE = ridge_argmin.COMPUTATION
SMALL = 1

Solve = Callable[..., torch.Tensor]

BASELINES = (full_hessian, k_alone, k_batched)
BASELINE_NAMES = ("full Hessian", "K alone", "K batched")


def errors(solve: Solve, primals: Arrays) -> tuple[float, float]:
    value, vjp = Torch().make_vjp(solved_by(RIDGE, solve), primals)
    found = layer_errors(RIDGE, primals, value, vjp(seed_cotangent(value)))
    return found.value, max(found.by_argument.values())


@pytest.mark.parametrize(
    "solve",
    [*(partial(solve, tolerance=1e-12) for solve in BASELINES), closed_form],
    ids=[*BASELINE_NAMES, "closed form"],
)
class TestOperators:
    def test_every_gradient_is_that_of_the_closed_form(self, solve: Solve) -> None:
        assert max(errors(solve, draw(RIDGE, SMALL, "float64"))) < 1e-9

    def test_one_gradient_alone(self, solve: Solve) -> None:
        x, y, lam = (torch.tensor(array) for array in draw(RIDGE, SMALL, "float64").values())
        W = RIDGE.by_torch(x, y, lam.requires_grad_(), solve=solve)
        torch.autograd.backward(W.sum())
        _, vjp = RIDGE.by_hand(x.numpy(), y.numpy(), lam.detach().numpy())
        assert lam.grad is not None
        assert lam.grad.item() == pytest.approx(vjp(np.ones(W.shape))["lam"], rel=1e-8)


@pytest.mark.parametrize("solve", BASELINES, ids=BASELINE_NAMES)
class TestSearch:
    def test_torchs_own_rule_stops_early_but_near(self, solve: Solve) -> None:
        value_error, gradient_error = errors(solve, draw(RIDGE, SMALL, "float64"))
        assert 1e-9 < value_error < 1e-3
        assert gradient_error < 1e-3

    def test_the_initial_guess_stays_as_it_is_and_gets_no_gradient(self, solve: Solve) -> None:
        initial = torch.ones(3, dtype=torch.float64, requires_grad=True)
        target = torch.arange(3, dtype=torch.float64, requires_grad=True)
        y = solve(lambda y, target: ((y - target) ** 2).sum(), initial, target)
        torch.autograd.backward(y.sum())
        assert initial.tolist() == [1, 1, 1]
        assert initial.grad is None
        assert target.grad is not None
        assert target.grad.tolist() == pytest.approx([1, 1, 1])

    def test_a_small_k_is_no_zero(self, solve: Solve) -> None:
        target = torch.arange(3, dtype=torch.float64, requires_grad=True)

        def objective(y: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            return 1e-8 * ((y - target) ** 2).sum()

        torch.autograd.backward(solve(objective, target.detach().clone(), target).sum())
        assert target.grad is not None
        assert target.grad.tolist() == pytest.approx([1, 1, 1])


def test_k_in_a_batch_is_one_walk_of_the_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    walks = []
    grad = torch.autograd.grad

    def counted(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 -- as torch's
        walks.append(options.get("is_grads_batched", False))
        return grad(*arguments, **options)

    target = torch.arange(3, dtype=torch.float64, requires_grad=True)
    y = k_batched(lambda y, t: ((y - t) ** 2).sum(), torch.ones(3, dtype=torch.float64), target)
    monkeypatch.setattr(torch.autograd, "grad", counted)
    torch.autograd.backward(y.sum())
    assert walks == [False, True, False]
