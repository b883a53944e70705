"""The networks that classify digits, and the log-probabilities that their losses are made of."""

import numpy as np

from reference_impls import Arrays, Backend, draw, gradient, value
from reference_impls.computations import mlp_classifier, mlp_log_probabilities, relu_classifier
from tests.reference_impls.shared import BOUNDS, distance, every_backend, every_dtype

ROWS = 50


def labelled(dtype: str) -> tuple[Arrays, Arrays]:
    """Digits and the tanh network's parameters; the same with labels."""
    primals = draw(mlp_classifier.COMPUTATION, ROWS, dtype)
    return {name: array for name, array in primals.items() if name != "y"}, primals


@every_backend
@every_dtype
def test_the_exponentials_of_a_digits_log_probabilities_sum_to_one(
    backend: Backend, dtype: str
) -> None:
    primals, _ = labelled(dtype)
    got = value(backend, mlp_log_probabilities.COMPUTATION, primals)
    assert got.shape == (ROWS, 10)
    assert (got < 0).all()
    # Ten numbers near 1/10: each exponential has a few roundings, and so has their sum.
    bound = 16 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(np.exp(got).sum(axis=1), 1, rtol=0, atol=bound)


@every_backend
@every_dtype
def test_the_loss_is_the_mean_of_what_the_labels_log_probabilities_lack(
    backend: Backend, dtype: str
) -> None:
    primals, with_labels = labelled(dtype)
    computation = mlp_log_probabilities.COMPUTATION
    log_probabilities, vjp = backend.make_vjp(computation, primals)
    y = with_labels["y"]
    loss = value(backend, mlp_classifier.COMPUTATION, with_labels)
    own = log_probabilities[y == 1]
    assert own.shape == (ROWS,)
    assert abs(loss + own.mean(dtype=np.float64)) <= BOUNDS[dtype] * loss
    expected = gradient(backend, mlp_classifier.COMPUTATION, with_labels)
    assert distance(vjp((-y / ROWS).astype(dtype)), expected) <= BOUNDS[dtype]


@every_backend
def test_a_relu_network_whose_hidden_units_are_all_off_learns_its_last_bias_alone(
    backend: Backend,
) -> None:
    computation = relu_classifier.COMPUTATION
    primals = draw(computation, ROWS, "float64")
    primals["b3"] = np.full_like(primals["b3"], -100)
    got = gradient(backend, computation, primals)
    assert all(not got[name].any() for name in computation.wrt if name != "b4")
    # Every digit has the same probabilities, so what is left is how often each class occurs.
    odds = np.exp(primals["b4"] - primals["b4"].max())
    expected = odds / odds.sum() - primals["y"].mean(axis=0)
    assert distance({"b4": got["b4"]}, {"b4": expected}) <= BOUNDS["float64"]
