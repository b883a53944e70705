import numpy as np
import pytest

from bench.argmin import training
from bench.argmin.formulations import (
    CLOSED_FORM,
    CLOSED_FORM_TORCH,
    GENERAL,
    GENERAL_AUTOGRAD,
    Formulation,
)
from reference_impls import Arrays, draw
from reference_impls.computations import timeseries_net

NETWORK = timeseries_net.COMPUTATION
EXACT = (CLOSED_FORM_TORCH, CLOSED_FORM, GENERAL_AUTOGRAD)


@pytest.fixture(scope="module")
def primals() -> Arrays:
    return draw(NETWORK, NETWORK.tutorial_size, "float64")


def after_three_steps(formulation: Formulation, primals: Arrays) -> Arrays:
    network = training.start(formulation, NETWORK, primals)
    for _ in range(3):
        network.step()
    return network.parameters()


@pytest.fixture(scope="module")
def wanted(primals: Arrays) -> Arrays:
    return after_three_steps(GENERAL, primals)


@pytest.mark.parametrize("formulation", EXACT, ids=str)
def test_every_engine_takes_the_same_steps(
    formulation: Formulation, primals: Arrays, wanted: Arrays
) -> None:
    found = after_three_steps(formulation, primals)
    assert list(found) == [name for name in NETWORK.wrt if name != "x"]
    for name, array in found.items():
        np.testing.assert_allclose(array, wanted[name], rtol=1e-7, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("formulation", [GENERAL, *EXACT], ids=str)
def test_a_step_moves_every_parameter_and_reset_moves_it_back(
    formulation: Formulation, primals: Arrays
) -> None:
    before = {name: array.copy() for name, array in primals.items()}
    network = training.start(formulation, NETWORK, primals)
    network.step()
    for name, array in network.parameters().items():
        assert (array != before[name]).all(), name
    network.reset()
    for name, array in network.parameters().items():
        np.testing.assert_array_equal(array, before[name])
    for name, array in primals.items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize("formulation", [GENERAL, *EXACT], ids=str)
def test_the_gradient_is_that_of_the_network_by_hand(
    formulation: Formulation, primals: Arrays
) -> None:
    loss, gradient = training.start(formulation, NETWORK, primals).gradient()
    expected, vjp = NETWORK.by_hand(**primals)
    assert loss == pytest.approx(expected)
    for name, bar in vjp(np.ones(())).items():
        if name != "x":
            np.testing.assert_allclose(gradient[name], bar, rtol=1e-6, atol=1e-9, err_msg=name)
