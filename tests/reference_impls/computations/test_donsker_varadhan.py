import numpy as np
import pytest

from reference_impls import Arrays, Backend
from reference_impls.computations.donsker_varadhan import COMPUTATION
from reference_impls.trainings.divergence import record
from tests.reference_impls.shared import BOUNDS, distance, every_backend


@pytest.fixture(scope="module")
def start() -> Arrays:
    """The tutorial's samples, and its network before training."""
    given = record(0)
    return {**given.data, **given.parameters}


@every_backend
def test_at_the_tutorials_start_the_first_weights_have_a_gradient(
    backend: Backend, start: Arrays
) -> None:
    value, vjp = backend.make_vjp(COMPUTATION, start)
    cotangents = vjp(np.ones_like(value))
    first = COMPUTATION.wrt[0]
    assert first == "W1"
    assert cotangents[first].shape == (100, 2)
    assert (cotangents[first] != 0).all()
    expected = COMPUTATION.by_hand(**start)[1](np.ones_like(value))
    by_name = {name: expected[name] for name in COMPUTATION.wrt}
    assert distance(cotangents, by_name) <= BOUNDS["float64"]


@every_backend
def test_at_the_tutorials_start_the_estimate_is_as_near_to_zero_as_the_network_is(
    backend: Backend, start: Arrays
) -> None:
    value, _ = backend.make_vjp(COMPUTATION, start)
    # Three layers of weights near 0.02: outputs spread by 0.0012, and the estimate is a
    # difference of two of their means.
    assert 0 < abs(value) < 2 * 0.0012
