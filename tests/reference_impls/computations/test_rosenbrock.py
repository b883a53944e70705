import numpy as np
import pytest
from scipy.optimize import rosen, rosen_der

from reference_impls import Backend
from tests.reference_impls.shared import BOUNDS, distance, every_backend, every_dtype, run_body


@every_backend
@every_dtype
@pytest.mark.parametrize("size", [2, 3, 10])
def test_value_and_gradient_are_scipys(backend: Backend, dtype: str, size: int) -> None:
    x = np.asarray(np.random.default_rng(0).uniform(-2, 2, size), dtype)
    value, cotangents = run_body(backend, "rosenbrock", {"x": x}, 1.0, dtype)
    wide = x.astype(np.float64)
    assert value == pytest.approx(rosen(wide), rel=BOUNDS[dtype])
    assert distance(cotangents, {"x": rosen_der(wide)}) <= BOUNDS[dtype]


@every_backend
def test_the_minimum_is_zero_at_ones(backend: Backend) -> None:
    value, cotangents = run_body(backend, "rosenbrock", {"x": np.ones(5)}, 1.0, "float64")
    assert value == 0
    np.testing.assert_array_equal(cotangents["x"], np.zeros(5))
