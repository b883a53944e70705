from typing import Any

import numpy as np
import pytest
import torch

from reference_impls import Arrays, Backend, draw, value
from reference_impls.computations.ridge_intercept_argmin import COMPUTATION, by_autograd, by_torch
from reference_impls.engines.hips.argmin import autograd_argmin
from reference_impls.engines.pytorch.argmin import torch_argmin
from tests.reference_impls.shared import BOUNDS, distance, every_backend


def tutorial() -> Arrays:
    return draw(COMPUTATION, COMPUTATION.tutorial_size, "float64")


@every_backend
def test_the_weights_are_those_of_centred_data_and_the_intercept_is_what_is_left(
    backend: Backend,
) -> None:
    primals = tutorial()
    x, y, lam = primals["x"], primals["y"], primals["lam"]
    X, Y = x - x.mean(axis=0), y - y.mean(axis=0)
    rows, p = x.shape
    W = np.linalg.solve(X.T @ X + lam * rows / p * np.eye(p), X.T @ Y).T
    expected = np.column_stack([W, y.mean(axis=0) - W @ x.mean(axis=0)])
    got = value(backend, COMPUTATION, primals)
    assert distance({"Z": got}, {"Z": expected}) <= BOUNDS["float64"]


@every_backend
def test_targets_that_all_move_take_the_intercept_along_and_leave_the_weights(
    backend: Backend,
) -> None:
    Z, vjp = backend.make_vjp(COMPUTATION, tutorial())
    u = np.random.default_rng(0).standard_normal(Z.shape)
    np.testing.assert_allclose(vjp(u)["y"].sum(axis=0), u[:, -1], rtol=1e-10)


@every_backend
def test_a_large_penalty_leaves_the_mean_of_the_targets(backend: Backend) -> None:
    primals = tutorial() | {"lam": np.asarray(1e9)}
    Z = value(backend, COMPUTATION, primals)
    np.testing.assert_allclose(Z[:, :-1], 0, atol=1e-8)
    np.testing.assert_allclose(Z[:, -1], primals["y"].mean(axis=0), rtol=1e-7)


def shapes_asked_for(engine: str) -> dict[str, tuple[int, ...]]:
    asked: dict[str, tuple[int, ...]] = {}
    operator: Any = autograd_argmin if engine == "autograd" else torch_argmin

    def solve(objective: Any, unknowns: Any, *parameters: Any) -> Any:  # noqa: ANN401 -- of either engine
        asked.update({name: tuple(unknown.shape) for name, unknown in unknowns.items()})
        return operator(objective, unknowns, *parameters)

    primals = tutorial()
    if engine == "autograd":
        by_autograd(**primals, solve=solve)
    else:
        tensors = {name: torch.tensor(primal) for name, primal in primals.items()}
        by_torch(**tensors, solve=solve)
    return asked


@pytest.mark.parametrize("engine", ["autograd", "torch"])
def test_the_operator_is_asked_for_two_unknowns_of_different_shapes(engine: str) -> None:
    assert shapes_asked_for(engine) == {"W": (3, 20), "b": (3,)}
