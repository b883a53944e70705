"""The manual bodies outside NumPy's float64 and float32: extended, complex, on another device."""

from typing import Any

import numpy as np
import pytest

from reference_impls import COMPUTATIONS, Arrays, Computation, draw
from reference_impls.computation import cast
from tests.reference_impls.device_array import DeviceArray, from_device, to_device
from tests.reference_impls.shared import (
    BOUNDS,
    BY_NAME,
    DECOMPOSING,
    distance,
    every_computation,
    every_dtype,
    gaussian_cotangent,
    gaussian_tangents,
    norm,
)

WITHOUT_LAPACK = [
    computation for computation in COMPUTATIONS if computation.name not in DECOMPOSING
]

ITERATIVE = {"logistic_argmin", "root_argmin"}
"""Newton's method may take a step more or less."""

all_that_decompose_nothing = pytest.mark.parametrize(
    "computation", WITHOUT_LAPACK, ids=lambda c: c.name
)


def small(computation: Computation, dtype: str = "float64") -> Arrays:
    return draw(computation, min(computation.sizes), dtype)


def run(
    computation: Computation, primals: Arrays, cotangent_dtype: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    value, vjp = computation.by_hand(**primals)
    cotangent = gaussian_cotangent(computation, np.zeros(value.shape))
    return {"value": value}, vjp(np.asarray(cotangent, cotangent_dtype))


@all_that_decompose_nothing
def test_extended_precision_gives_the_same_and_stays_extended(computation: Computation) -> None:
    primals = small(computation)
    value, cotangents = run(computation, primals, "float64")
    long_value, long_cotangents = run(computation, cast(primals, np.longdouble), "longdouble")
    for array in (*long_value.values(), *long_cotangents.values()):
        assert array.dtype == np.longdouble
    assert distance(value, long_value) <= BOUNDS["float64"]
    assert distance(cotangents, long_cotangents) <= BOUNDS["float64"]


@pytest.mark.parametrize("name", sorted(DECOMPOSING))
def test_least_squares_has_no_extended_precision(name: str) -> None:
    computation = BY_NAME[name]
    with pytest.raises(TypeError, match="unsupported in linalg"):
        computation.by_hand(**cast(small(computation), np.longdouble))


@all_that_decompose_nothing
def test_the_complex_step_of_the_value_pairs_with_the_vjp(computation: Computation) -> None:
    step = 2.0**-70
    primals = small(computation)
    tangents = gaussian_tangents(computation, primals)
    shifted = {
        name: primal + 1j * step * tangents[name] if name in tangents else primal
        for name, primal in primals.items()
    }
    value, _ = computation.by_hand(**shifted)
    cotangent = gaussian_cotangent(computation, np.real(value))
    _, vjp = computation.by_hand(**primals)
    cotangents = vjp(cotangent)

    forward = np.sum(cotangent * np.imag(value) / step)
    backward = sum(np.sum(cotangents[name] * tangents[name]) for name in tangents)
    # By Cauchy and Schwarz, what a gradient within the bound can change of the pairing.
    bound = BOUNDS["float64"] * norm(cotangents.values()) * norm(tangents.values())
    assert abs(forward - backward) <= bound


def run_on_device(
    computation: Computation, primals: Arrays
) -> tuple[dict[str, DeviceArray], dict[str, DeviceArray], list[str]]:
    log: list[str] = []
    value, vjp = computation.by_hand(**to_device(primals, log))
    like = np.zeros(value.shape, next(iter(primals.values())).dtype)
    cotangent = gaussian_cotangent(computation, like)
    return {"value": value}, vjp(DeviceArray(cotangent, log)), log


@every_dtype
@every_computation
def test_arrays_of_another_library_stay_on_their_device(
    computation: Computation, dtype: str
) -> None:
    primals = small(computation, dtype)
    expected_value, expected = run(computation, primals, dtype)
    value, cotangents, log = run_on_device(computation, primals)
    assert log
    for got, wanted in ((value, expected_value), (cotangents, expected)):
        arrays = {name: from_device(array) for name, array in got.items()}
        assert all(array.dtype == dtype for array in arrays.values())
        assert distance(arrays, wanted) <= BOUNDS[dtype]


@every_computation
def test_no_python_loop_runs_over_samples(computation: Computation) -> None:
    fewer, more = sorted(computation.sizes)[:2]
    _, _, short = run_on_device(computation, draw(computation, fewer, "float64"))
    _, _, long = run_on_device(computation, draw(computation, more, "float64"))
    if computation.name in ITERATIVE:
        assert set(short) == set(long)
        assert len(long) < 2 * len(short)
    else:
        assert short == long


def test_the_stand_in_refuses_what_cupy_refuses() -> None:
    array = DeviceArray(np.ones(3), [])
    with pytest.raises(TypeError, match="implicit conversion"):
        np.asarray(array)
    for mix in (lambda: array + np.ones(3), lambda: np.ones(3) * array):
        with pytest.raises(TypeError, match="among device arrays"):
            mix()
    with pytest.raises(TypeError, match="among device arrays"):
        np.concatenate([array, np.ones(3)])
    with pytest.raises(TypeError, match=r"eye\(\) got an unexpected keyword argument 'device'"):
        np.eye(3, like=array)
    with pytest.raises(AssertionError, match="wanted a DeviceArray"):
        from_device(np.ones(3))  # type: ignore[arg-type]
