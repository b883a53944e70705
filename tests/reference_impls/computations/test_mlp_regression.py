import numpy as np
import pytest

from reference_impls import Arrays, Backend, Computation, value
from reference_impls.computations import mlp_regression, relu_regression
from reference_impls.nested import flatten
from tests.reference_impls.shared import every_backend

STARTS = [
    (mlp_regression.COMPUTATION, [337.02, 326.93, 342.21, 343.96]),
    (relu_regression.COMPUTATION, [314.6, 333.2, 362.2, 308.4]),
]
"""The losses that the tutorial's training starts from at seeds 0, 1, 2 and 3, of a run of it."""


def tutorials_primals(seed: int) -> Arrays:
    """In the order in which the tutorial draws them."""
    rng = np.random.RandomState(seed)
    x = np.linspace(-5, 5, 1000)
    t = x**3 - 20 * x + 10 + rng.normal(0, 4, 1000)
    shapes = {"W1": (1, 4), "b1": (4,), "W2": (4, 4), "b2": (4,), "W3": (4, 1), "b3": (1,)}
    theta, _ = flatten({name: rng.standard_normal(shape) for name, shape in shapes.items()})
    return {"theta": theta, "x": x[:, None], "t": t}


@every_backend
@pytest.mark.parametrize(("computation", "losses"), STARTS, ids=["tanh", "relu"])
def test_a_training_starts_from_the_losses_of_the_tutorials_recipe(
    backend: Backend, computation: Computation, losses: list[float]
) -> None:
    got = [value(backend, computation, tutorials_primals(seed)) for seed in range(4)]
    np.testing.assert_allclose(got, losses, rtol=0, atol=0.05)
