import numpy as np
import numpy.typing as npt

from reference_impls import Backend
from reference_impls.computations import logistic_argmin
from tests.reference_impls.shared import BOUNDS, every_backend, every_dtype, run_body


@every_backend
def test_the_gradient_is_zero_at_the_argmin(backend: Backend) -> None:
    data = logistic_argmin.sample(np.random.default_rng(0), 100)
    w, _ = logistic_argmin.by_hand(**data)
    _, cotangents = run_body(backend, "logistic_regression", {"w": w, **data}, 1.0, "float64")
    assert np.abs(cotangents["w"]).max() < BOUNDS["float64"]


@every_backend
@every_dtype
def test_sure_answers_cost_nothing_if_right_and_their_logit_if_wrong(
    backend: Backend, dtype: str
) -> None:
    # Logits of 1000 and -1000, whose exponentials overflow; one answer is right, one wrong.
    primals: dict[str, npt.ArrayLike] = {
        "w": [1000.0],
        "X": [[1.0], [-1.0]],
        "y": [1.0, 1.0],
        "lam": 0.0,
    }
    value, cotangents = run_body(backend, "logistic_regression", primals, 1.0, dtype)
    assert value == 500
    np.testing.assert_array_equal(cotangents["w"], [0.5])
