from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from reference_impls.computation import Array
from reference_impls.implicit import (
    adjoint,
    vectors,
)
from tests.reference_impls.implicit.shared import (
    RIDGE,
    Engine,
    Native,
    close,
    derivative,
    every_engine,
    ridge_layer,
    root_error,
)


def lost_minus(monkeypatch: pytest.MonkeyPatch) -> None:
    right = adjoint.Root.vjp

    def wrong(*arguments: Native) -> Native:
        return [-gradient for gradient in right(*arguments)]

    monkeypatch.setattr(adjoint.Root, "vjp", wrong)


def matrix_for_its_transpose(monkeypatch: pytest.MonkeyPatch) -> None:
    right = adjoint.Root.vjp

    def wrong(root: Native, *arguments: Native) -> Native:
        return right(replace(root, inverse=root.inverse.T), *arguments)

    monkeypatch.setattr(adjoint.Root, "vjp", wrong)


def damping_left_in_the_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    right = vectors.Numeric.jacobian

    def wrong(function: Native, x: Array) -> Array:
        return np.asarray(right(function, x) + 0.1 * np.eye(x.size))

    monkeypatch.setattr(vectors.Numeric, "jacobian", wrong)


def jacobian_at_the_initial_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    right = adjoint.Root.vjp

    def wrong(root: Native, x: Native, *arguments: Native) -> Native:
        return right(root, 0 * x, *arguments)

    monkeypatch.setattr(adjoint.Root, "vjp", wrong)


@every_engine
@pytest.mark.parametrize(
    "plant",
    [
        lost_minus,
        matrix_for_its_transpose,
        damping_left_in_the_matrix,
        jacobian_at_the_initial_guess,
    ],
)
def test_planted_faults_are_seen(
    engine: Engine,
    plant: Callable[[pytest.MonkeyPatch], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant(monkeypatch)
    assert root_error(engine) > 1e-5


@every_engine
def test_a_solution_without_its_own_derivative_is_seen(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Second derivatives go wrong if the backward takes y* for a constant; first ones do not."""
    right = adjoint.Root.vjp

    def wrong(root: Native, x: Native, *arguments: Native) -> Native:
        return right(root, root.engine.constant(x), *arguments)

    monkeypatch.setattr(adjoint.Root, "vjp", wrong)
    layer, penalty = ridge_layer(engine), engine.array(2.0)
    assert close(derivative(engine, layer, 1)(penalty), RIDGE[1])
    assert not close(derivative(engine, layer, 2)(penalty), RIDGE[2], 1e-3)
