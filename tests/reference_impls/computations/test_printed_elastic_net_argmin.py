import numpy as np
import pytest

from reference_impls import Array, Arrays, Backend, draw
from reference_impls.computations import elastic_net_argmin
from reference_impls.computations.printed_elastic_net_argmin import (
    COMPUTATION,
    L2,
    SignsError,
    signs_of_a_minimum,
)
from reference_impls.datasets import tutorial_regression
from reference_impls.implicit import NotConvergedError
from tests.reference_impls.shared import every_backend

PRINTED = [
    *(3.3349, 9.3753, 0.1935, -0.2837, 4.7919, 0.1489, 2.9468, 0.0318, 0.3177, -0.0361),
    *(0.6610, 1.7553, -0.0704, 0.5406, 0.1594, 1.7986, 0.5532, 5.1842, -0.1253, -0.0440),
]
"""What the tutorial shows of the true weights less those found."""


def tutorial() -> Arrays:
    return draw(COMPUTATION, COMPUTATION.tutorial_size, "float64")


@every_backend
def test_the_weights_are_those_that_the_tutorial_printed(backend: Backend) -> None:
    w, _ = backend.make_vjp(COMPUTATION, tutorial())
    np.testing.assert_allclose(tutorial_regression().coefficients - w, PRINTED, rtol=0, atol=1e-4)
    assert w.mean() == pytest.approx(24.17075, abs=5e-5)


@every_backend
def test_their_mean_has_a_gradient_where_the_tutorial_printed_zeros(backend: Backend) -> None:
    w, vjp = backend.make_vjp(COMPUTATION, tutorial())
    gradient = vjp(np.full_like(w, 1 / w.size))
    assert gradient["l1"] == pytest.approx(-0.0123002, abs=1e-6)
    assert gradient["l2"] == pytest.approx(-1.1956398, abs=1e-6)


@every_backend
def test_signs_that_the_minimum_does_not_have_are_refused(backend: Backend) -> None:
    primals = tutorial()
    primals["signs"][3] *= -1
    with pytest.raises(SignsError, match=r"signs: got -1 for weight 3, .* has 1 there"):
        backend.make_vjp(COMPUTATION, primals)


@every_backend
def test_a_positive_penalty_that_leaves_no_weight_at_zero_gives_the_only_minimum(
    backend: Backend,
) -> None:
    primals = tutorial() | {"l1": np.asarray(0.01)}
    w, vjp = backend.make_vjp(COMPUTATION, primals)
    del primals["signs"]
    expected, expected_vjp = elastic_net_argmin.by_hand(**primals)
    np.testing.assert_allclose(w, expected, rtol=1e-12)
    u = np.random.default_rng(0).standard_normal(w.shape)
    for name, cotangent in expected_vjp(u).items():
        np.testing.assert_allclose(vjp(u)[name], cotangent, rtol=1e-11)


def signs_at(l1: float, l2: float = L2) -> Array:
    data = tutorial_regression()
    return signs_of_a_minimum(data.features, data.targets, np.asarray(l1), np.asarray(l2))


@pytest.mark.parametrize("l1", [0.01, 0.1])
def test_a_positive_penalty_has_the_signs_of_the_only_minimum(l1: float) -> None:
    data = tutorial_regression()
    w, _ = elastic_net_argmin.by_hand(data.features, data.targets, np.asarray(l1), np.asarray(L2))
    np.testing.assert_array_equal(signs_at(l1), np.sign(w))


def test_a_positive_penalty_that_holds_weights_at_zero_is_refused() -> None:
    with pytest.raises(SignsError, match=r"l1: got 5, which holds 4 of 20 weights at zero"):
        signs_at(5.0)


def test_an_objective_without_a_minimum_is_given_up() -> None:
    with pytest.raises(NotConvergedError, match="change after 100 rounds with l1 -50 and l2 -30"):
        signs_at(-50.0, -30.0)
