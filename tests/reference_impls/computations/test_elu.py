import numpy as np
import numpy.typing as npt
import pytest

from reference_impls import Backend
from tests.reference_impls.shared import every_backend, every_dtype, run_body

TUTORIAL_Z = [-2.0, -1.0, 0.0, 1.0, 2.0, 3.0]


@every_backend
@every_dtype
@pytest.mark.parametrize("name", ["elu", "composite_elu"])
def test_elu_and_its_slope_at_the_tutorials_six_points_zero_among_them(
    backend: Backend, dtype: str, name: str
) -> None:
    primals: dict[str, npt.ArrayLike] = {"z": TUTORIAL_Z, "alpha": 0.5}
    value, cotangents = run_body(backend, name, primals, np.ones(6), dtype)
    below = np.exp([-2.0, -1.0])
    bound = 2 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(value, [*(0.5 * (below - 1)), 0, 1, 2, 3], rtol=0, atol=bound)
    # At the kink, the slope is the left one, as the tutorial's formula has it.
    np.testing.assert_allclose(cotangents["z"], [*(0.5 * below), 0.5, 1, 1, 1], rtol=0, atol=bound)
    np.testing.assert_allclose(cotangents["alpha"], (below - 1).sum(), rtol=0, atol=4 * bound)
