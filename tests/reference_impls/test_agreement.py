from itertools import combinations

import numpy as np
import pytest

from reference_impls import BACKENDS, COMPUTATIONS, Computation, draw
from tests.reference_impls.shared import (
    BOUNDS,
    distance,
    every_dtype,
    gaussian_cotangent,
)

CASES = [
    pytest.param(computation, size, id=f"{computation.name}-{size}")
    for computation in COMPUTATIONS
    for size in computation.sizes
]


@every_dtype
@pytest.mark.parametrize(("computation", "size"), CASES)
def test_implementations_agree_at_every_size(
    computation: Computation, size: int, dtype: str
) -> None:
    primals = draw(computation, size, dtype)
    values, gradients = {}, {}
    for backend in BACKENDS:
        value, vjp = backend.make_vjp(computation, primals)
        cotangents = vjp(gaussian_cotangent(computation, value))
        assert list(cotangents) == list(computation.wrt)
        for name, cotangent in cotangents.items():
            assert cotangent.shape == primals[name].shape, (backend.name, name)
        for name, array in {"value": value, **cotangents}.items():
            assert array.dtype == dtype, (backend.name, name)
            assert np.isfinite(array).all(), (backend.name, name)
        values[backend.name], gradients[backend.name] = {"value": value}, cotangents

    for one, other in combinations(values, 2):
        assert values[one]["value"].shape == values[other]["value"].shape
        assert distance(values[one], values[other]) <= BOUNDS[dtype], (one, other)
        assert distance(gradients[one], gradients[other]) <= BOUNDS[dtype], (one, other)
