import numpy as np
import numpy.typing as npt
import pytest

from reference_impls import Backend
from tests.reference_impls.shared import every_backend, every_dtype, run_body


@every_backend
@every_dtype
def test_the_gradient_is_right_where_the_matrix_is_not_symmetric(
    backend: Backend, dtype: str
) -> None:
    # f = ½ (x² + 6 x y + 2 y²), where the matrix has 6 and 0 in place of 3 and 3.
    primals: dict[str, npt.ArrayLike] = {"x": [1.0, 2.0], "A": [[1.0, 6.0], [0.0, 2.0]]}
    value, cotangents = run_body(backend, "quadratic", primals, 1.0, dtype)
    assert value == pytest.approx(10.5)
    np.testing.assert_allclose(cotangents["x"], [7.0, 7.0])
