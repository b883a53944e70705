import warnings
from collections.abc import Callable

import numpy as np
import pytest

from reference_impls.computation import Array
from reference_impls.engines.hips.argmin import AutogradEngine
from reference_impls.engines.pytorch.argmin import TorchEngine
from reference_impls.implicit import (
    NotConvergedError,
    NotSymmetricError,
    RankDeficientWarning,
    SingularError,
    solvers,
)
from reference_impls.implicit.solvers import (
    LU,
    Cholesky,
    ConjugateGradients,
    Factorization,
    PseudoInverse,
    Solver,
    conjugate_gradients,
)
from tests.reference_impls.implicit.shared import (
    AUTOGRAD,
    RIDGE,
    TORCH,
    Engine,
    Native,
    close,
    cubic,
    derivative,
    every_engine,
    flat,
    numbers,
    ridge_layer,
    skewed,
    torch_array,
)


def test_conjugate_gradients_never_form_the_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the Jacobian is formed")

    for engine, adapter in ((TORCH, TorchEngine), (AUTOGRAD, AutogradEngine)):
        monkeypatch.setattr(adapter, "jacobian", refuse)
        layer = ridge_layer(engine, solver=ConjugateGradients())
        with pytest.raises(AssertionError):
            ridge_layer(engine)(engine.array(2.0))
        penalty = engine.array(2.0)
        assert close(layer(penalty), RIDGE[0])
        assert close(derivative(engine, layer, 2)(penalty), RIDGE[2], 1e-8)


@every_engine
def test_conjugate_gradients_are_accurate_on_an_ill_conditioned_matrix(engine: Engine) -> None:
    scales = np.logspace(0, 4, 12)
    rotation = np.linalg.qr(np.random.default_rng(3).standard_normal((12, 12)))[0]
    K = rotation @ np.diag(scales) @ rotation.T
    native = engine.array((K + K.T) / 2)

    def layer(b: Native) -> Native:
        return engine.argmin(
            lambda y, b: y @ native @ y / 2 - b @ y, b * 0, b, solver=ConjugateGradients()
        )

    inverse = rotation @ np.diag(1 / scales) @ rotation.T
    assert close(engine.jacobian(layer)(engine.array(np.ones(12))), inverse)


@every_engine
def test_a_pseudo_inverse_reports_what_it_drops(engine: Engine) -> None:
    message = "K has rank 2 of 3, dropped singular values .*e-1.: derivatives along their"
    initial, x = engine.array([1.0, 0.5, -0.3]), engine.array([1.0, 2.0, 3.0])
    with pytest.warns(RankDeficientWarning, match=message):
        y = engine.argmin(flat, initial, x, solver=PseudoInverse())
    assert close(numbers(y) / np.linalg.norm(numbers(y)), np.array([1, 2, 3]) / np.sqrt(14))


@every_engine
def test_a_pseudo_inverse_that_drops_nothing_is_silent(engine: Engine) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ridge_layer(engine, solver=PseudoInverse())(engine.array(2.0))
    assert not caught


@every_engine
def test_a_pseudo_inverse_allows_redundant_constraints(engine: Engine) -> None:
    def layer(b: Native) -> Native:
        return engine.argmin(
            lambda y, b: (y**2).sum() + 0 * b,
            engine.array([0.3, 0.1]),
            b,
            constraint=lambda y, b: [y.sum() - b, 2 * y.sum() - 2 * b],
            solver=PseudoInverse(),
        )

    with pytest.warns(RankDeficientWarning, match="rank 3 of 4"):
        assert close(engine.jacobian(layer)(engine.array(1.0)), (0.5, 0.5))


@every_engine
@pytest.mark.parametrize("solver", [Cholesky(), ConjugateGradients()], ids=str)
def test_an_unsymmetric_condition_is_refused(engine: Engine, solver: Solver) -> None:
    A, b = map(engine.array, skewed())
    with pytest.raises(NotSymmetricError, match=r"K = ∂F/∂y is not symmetric.*; solve with LU\(\)"):
        engine.root(cubic, b * 0, A, b, solver=solver)


def test_unconverged_conjugate_gradients_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solvers, "CG_RESIDUAL", 0.0)
    with pytest.raises(NotConvergedError, match="conjugate gradients: not converged, residual"):
        ridge_layer(TORCH, solver=ConjugateGradients())(torch_array(2.0))


@pytest.mark.parametrize("scale", [1e-25, 1e20])
def test_conjugate_gradients_take_any_size_of_vector(scale: float) -> None:
    K = np.array([[4, 1], [1, 3]], np.float32)
    inverse = conjugate_gradients(lambda v: K @ v, np.zeros(2, np.float32))
    b = np.array([1, 2], np.float32)
    found = inverse(np.float32(scale) * b) / np.float32(scale)
    np.testing.assert_allclose(found, np.linalg.solve(K, b), rtol=1e-5)


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_conjugate_gradients_of_what_is_not_finite_are_not_zero(bad: float) -> None:
    inverse = conjugate_gradients(lambda v: 2 * v, np.zeros(2))
    assert np.isnan(inverse(np.array([bad, 1.0]))).all()


@pytest.mark.parametrize("solver", [Cholesky(), LU()], ids=str)
def test_different_units_are_no_ill_condition(solver: Factorization) -> None:
    units = np.array([1.0, 1e9, 1e-9])
    K = np.array([[4.0, 1, 0], [1, 3, 1], [0, 1, 2]]) * units * units[:, None]
    b = np.array([1.0, 2.0, 3.0]) * units
    inverse = solver.inverse(K)
    for one in (inverse, inverse.T):
        np.testing.assert_allclose((K @ one(b)), b, rtol=1e-12)


@pytest.mark.parametrize("make", [Cholesky, LU, ConjugateGradients, PseudoInverse])
@pytest.mark.parametrize("tolerance", ["x", 0, -1.0, float("nan"), 1j])
def test_a_tolerance_that_is_not_positive_is_refused(
    make: Callable[..., Solver], tolerance: Native
) -> None:
    with pytest.raises(ValueError, match=r"^tolerance: got .*, wanted a positive number$"):
        make(tolerance=tolerance)


@pytest.mark.parametrize("make", [Cholesky, LU, ConjugateGradients, PseudoInverse])
def test_a_search_that_is_no_function_is_refused_where_it_is_given(
    make: Callable[..., Solver],
) -> None:
    with pytest.raises(TypeError, match=r"^search: got an int, wanted a function$"):
        make(search=3)


def of_condition(condition: float) -> Array:
    """A symmetric matrix that no change of units makes any better."""
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((6, 6)))[0]
    K = rotation * np.logspace(0, -np.log10(condition), 6) @ rotation.T
    return np.asarray((K + K.T) / 2)


def test_what_has_digits_left_is_taken_and_what_has_none_is_refused() -> None:
    LU().inverse(of_condition(1e12))
    with pytest.raises(SingularError, match="singular to working precision"):
        LU().inverse(of_condition(1e15))


def test_a_pseudo_inverse_keeps_what_is_small_but_certain() -> None:
    K = of_condition(1e9)
    inverse = PseudoInverse().inverse(K)
    assert not inverse.defect
    np.testing.assert_allclose(K @ inverse(np.ones(6)), np.ones(6), rtol=1e-6)
