from itertools import combinations

import numpy as np
import pytest

from reference_impls import BACKENDS, COMPUTATIONS, Array, Arrays, Computation, draw
from reference_impls.computation import generator
from tests.reference_impls.shared import (
    BOUNDS,
    distance,
    every_dtype,
    gaussian,
    gaussian_cotangent,
)
from verify.checks.argmin.problem import Problem

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
    values: dict[str, Arrays] = {}
    gradients: dict[str, Arrays] = {}
    for backend in BACKENDS:
        value, vjp = backend.make_vjp(computation, primals)
        values[backend.name], gradients[backend.name] = {"value": value}, {}
        for number, cotangent in enumerate(gaussian_cotangents(computation, value)):
            cotangents = vjp(cotangent)
            assert list(cotangents) == list(computation.wrt)
            for name, array in cotangents.items():
                assert array.shape == primals[name].shape, (backend.name, name)
            for name, array in {"value": value, **cotangents}.items():
                assert array.dtype == dtype, (backend.name, name)
                assert np.isfinite(array).all(), (backend.name, name)
                gradients[backend.name][f"{name} {number}"] = array

    bound = BOUNDS[dtype] * (conditioning(computation, primals) if dtype == "float32" else 1)
    for one, other in combinations(values, 2):
        assert values[one]["value"].shape == values[other]["value"].shape
        assert distance(values[one], values[other]) <= bound, (one, other)
        assert distance(gradients[one], gradients[other]) <= bound, (one, other)


def gaussian_cotangents(computation: Computation, value: Array) -> list[Array]:
    """Three: along one alone, a gradient of one or two numbers may cancel to mere noise."""
    rng = generator(computation.name, value.size, 1)
    return [gaussian_cotangent(computation, value), gaussian(value, rng), gaussian(value, rng)]


def conditioning(computation: Computation, primals: Arrays) -> float:
    """The digits that solving with K may cost beyond the three that the bounds allow for."""
    if computation.optimality is None:
        return 1.0
    exact = {name: primal.astype(np.float64) for name, primal in primals.items()}
    return max(1.0, Problem.solved(computation.optimality, exact).condition_number / 1000)
