import numpy as np
import numpy.typing as npt

from reference_impls import Backend, value
from reference_impls.computations.perceptron import COMPUTATION
from tests.reference_impls.shared import BOUNDS, every_backend, every_dtype, run_body


@every_backend
@every_dtype
def test_the_distance_is_how_far_a_point_was_moved_from_the_surface(
    backend: Backend, dtype: str
) -> None:
    w, b = np.array([3.0, -4.0]), 10.0
    normal, along = np.array([0.6, -0.8]), np.array([0.8, 0.6])
    moved = np.array([-1.5, 0.0, 2.0])
    # The surface is -b/‖w‖ = -2 from the origin, and has w at a right angle.
    x = -2 * normal + 7 * along + moved[:, None] * normal
    got, _ = run_body(backend, "perceptron", {"x": x, "w": w, "b": b}, np.ones((3, 2)), dtype)
    bound = 10 * BOUNDS[dtype]
    np.testing.assert_allclose(got[:, 1], moved, rtol=0, atol=bound)
    np.testing.assert_allclose(got[:, 0], 1 / (1 + np.exp(-5 * moved)), rtol=0, atol=bound)


@every_backend
@every_dtype
def test_a_point_that_moves_along_w_comes_as_much_further_from_the_surface(
    backend: Backend, dtype: str
) -> None:
    primals: dict[str, npt.ArrayLike] = {"x": [[1.0, 2.0]], "w": [3.0, -4.0], "b": 10.0}
    _, cotangents = run_body(backend, "perceptron", primals, [[0, 1]], dtype)
    # The gradient of a distance has length one; y = 5 here, so d = 1, and d̄ = 1.
    expected: dict[str, npt.ArrayLike] = {
        "x": [[0.6, -0.8]],
        "w": [1 / 5 - 3 / 25, 2 / 5 + 4 / 25],
        "b": 1 / 5,
    }
    for name, wanted in expected.items():
        np.testing.assert_allclose(cotangents[name], np.asarray(wanted), rtol=0, atol=BOUNDS[dtype])


@every_backend
def test_longer_weights_make_the_answer_surer_and_the_distance_no_other(backend: Backend) -> None:
    x = np.random.default_rng(0).standard_normal((20, 2))
    w, b = np.array([1.0, -2.0]), np.asarray(0.5)
    once = value(backend, COMPUTATION, {"x": x, "w": w, "b": b})
    twice = value(backend, COMPUTATION, {"x": x, "w": 2 * w, "b": 2 * b})
    np.testing.assert_allclose(twice[:, 1], once[:, 1], rtol=0, atol=BOUNDS["float64"])
    assert (np.abs(twice[:, 0] - 0.5) > np.abs(once[:, 0] - 0.5)).all()
