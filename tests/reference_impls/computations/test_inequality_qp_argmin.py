from contextlib import suppress

import numpy as np
import pytest
import torch
from scipy.optimize import nnls

from reference_impls import Arrays, Backend, draw, value
from reference_impls.computations.inequality_qp_argmin import (
    COMPUTATION,
    InfeasibleError,
    active_set,
    margin,
    search,
)
from tests.reference_impls.shared import BOUNDS, every_backend


def below(h: list[float], target: list[float]) -> Arrays:
    """½ ‖x - target‖² with x ≤ h, entry by entry."""
    identity = np.eye(len(h))
    return {"Q": identity, "c": -np.array(target), "G": identity, "h": np.array(h)}


@every_backend
@pytest.mark.parametrize("size", [2, 20, 60])
@pytest.mark.parametrize("seed", range(3))
def test_the_kkt_conditions_hold(backend: Backend, size: int, seed: int) -> None:
    primals = draw(COMPUTATION, size, "float64", seed)
    Q, c, G, h = primals.values()
    solution = value(backend, COMPUTATION, primals)
    x, mu = solution[:size], solution[size:]
    room = h - G @ x
    np.testing.assert_allclose(Q @ x + c + G.T @ mu, 0, atol=1e-13 * size)
    assert (mu >= 0).all()
    # As drawn: half of the constraints are active, each by half or more, with as much room to all
    # others.
    assert (mu > 0).sum() == size // 2
    assert mu[mu > 0].min() > 0.49
    assert room[mu == 0].min() > 0.49
    np.testing.assert_allclose(room[mu > 0], 0, atol=1e-13 * size)


@every_backend
def test_a_bound_holds_the_unknown_that_it_stops(backend: Backend) -> None:
    solution, vjp = backend.make_vjp(COMPUTATION, below(h=[1.0, 4.0], target=[3.0, 2.0]))
    np.testing.assert_allclose(solution, [1, 2, 2, 0], atol=1e-15)
    cotangents = vjp(np.array([10.0, 20.0, 5.0, 7.0]))
    # x₀ = h₀ and μ₀ = -c₀ - h₀; x₁ = -c₁, and μ₁ stays zero.
    np.testing.assert_allclose(cotangents["h"], [10 - 5, 0], atol=1e-14)
    np.testing.assert_allclose(cotangents["c"], [-5, -20], atol=1e-14)
    # With g for G₀₀ alone, x₀ = h₀/g and μ₀ = (-c₀ - x₀)/g. With g for G₀₁ alone, x₀ = h₀ - g x₁,
    # x₁ = -c₁ - g μ₀ and μ₀ = -c₀ - x₀.
    of_the_first = [-10 + 5 * (1 - 2), -2 * 10 - 2 * 20 + 2 * 5]
    np.testing.assert_allclose(cotangents["G"], [of_the_first, [0, 0]], atol=1e-14)


@every_backend
def test_where_no_constraint_is_active_none_has_a_derivative(backend: Backend) -> None:
    solution, vjp = backend.make_vjp(COMPUTATION, below(h=[5.0, 5.0], target=[3.0, 2.0]))
    np.testing.assert_allclose(solution, [3, 2, 0, 0], atol=1e-15)
    cotangents = vjp(np.ones(4))
    np.testing.assert_allclose(cotangents["c"], [-1, -1], atol=1e-15)
    assert not cotangents["G"].any()
    assert not cotangents["h"].any()


def test_without_constraints_it_is_the_programme_without_them() -> None:
    Q, c = np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([1.0, -2.0])
    primals = {"Q": Q, "c": c, "G": np.zeros((0, 2)), "h": np.zeros(0)}
    expected = np.linalg.solve(Q, -c)
    by_hand, vjp = COMPUTATION.by_hand(**primals)
    by_torch = COMPUTATION.by_torch(**{name: torch.tensor(a) for name, a in primals.items()})
    for x in (by_hand, by_torch.numpy(), COMPUTATION.by_autograd(**primals), search(0, **primals)):
        np.testing.assert_allclose(x, expected, rtol=1e-14)
    np.testing.assert_allclose(vjp(c)["c"], expected, rtol=1e-14)
    assert margin(by_hand, **primals) == np.inf


@every_backend
def test_constraints_that_exclude_each_other_are_refused(backend: Backend) -> None:
    primals = {"Q": np.eye(1), "c": np.zeros(1), "G": np.array([[1.0], [-1.0]])}
    with pytest.raises(InfeasibleError, match="no x satisfies all constraints"):
        value(backend, COMPUTATION, primals | {"h": np.array([1.0, -1.5])})
    solution = value(backend, COMPUTATION, primals | {"h": np.array([1.5, -1.0])})
    np.testing.assert_allclose(solution, [1, 0, 1], atol=1e-15)


@pytest.mark.parametrize("gap", [1e-8, 1e-5, 1e-3])
@pytest.mark.parametrize("slope", [0.0, 1.0, 1e3])
def test_a_programme_that_is_hardly_infeasible_is_refused_too(gap: float, slope: float) -> None:
    sides = np.array([[1.0], [-1.0]])
    with pytest.raises(InfeasibleError):
        active_set(np.eye(1), np.array([slope]), sides, np.array([0.0, -gap]))


def test_whatever_is_accepted_satisfies_the_constraints() -> None:
    """Each has no solution by a hair: Farkas' combination of its rows excludes every x."""
    accepted = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(2, 12))
        G = rng.standard_normal((2 * n, n))
        G[-1] = -G[:-1].T @ rng.uniform(0, 1, 2 * n - 1)
        h = G @ rng.standard_normal(n)
        weights, _ = nnls(G[:-1].T, -G[-1])
        h[-1] = -(weights @ h[:-1]) - 1e-3
        with suppress(InfeasibleError):
            active_set(np.eye(n), rng.standard_normal(n), G, h)
            accepted += 1
    assert accepted == 0


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_active_set_does_not_depend_on_units(scale: float) -> None:
    primals = draw(COMPUTATION, 20, "float64")
    expected = active_set(**primals)
    of_x = primals | {"c": scale * primals["c"], "h": scale * primals["h"]}
    of_constraints = primals | {"G": scale * primals["G"], "h": scale * primals["h"]}
    of_objective = primals | {"Q": scale * primals["Q"], "c": scale * primals["c"]}
    for scaled in (of_x, of_constraints, of_objective):
        np.testing.assert_array_equal(active_set(**scaled), expected)


@every_backend
def test_only_the_symmetric_part_of_the_matrix_counts(backend: Backend) -> None:
    primals = draw(COMPUTATION, 20, "float64")
    expected = value(backend, COMPUTATION, primals)
    skew = np.random.default_rng(0).standard_normal((20, 20))
    got = value(backend, COMPUTATION, primals | {"Q": primals["Q"] + skew - skew.T})
    np.testing.assert_allclose(got, expected, rtol=0, atol=BOUNDS["float64"] * 10)
