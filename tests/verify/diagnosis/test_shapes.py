from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from reference_impls import Array
from tests.verify.diagnosis.shared import KnownGradient, each_dtype
from verify.diagnosis import FAULTS, Diagnosis, diagnose_shape


def shape_of(
    known: KnownGradient,
    name: str,
    got: Any,  # noqa: ANN401 - any array
) -> Diagnosis | None:
    array = np.asarray(got, known.dtype)
    found = diagnose_shape(
        name,
        array,
        known.shapes[name],
        known.truth,
        dtype=known.dtype,
        rng=np.random.default_rng(5),
        primals=known.primals,
    )
    assert known.calls <= 40
    if found:
        assert found.fault in FAULTS
        entry = tuple(map(int, found.index[1:-1].split(","))) if found.index else ()
        assert found.got == array[entry]
    return found


@each_dtype
@pytest.mark.parametrize("rows", [2, 64, 3_000])
@pytest.mark.parametrize("kept", [False, True])
def test_a_broadcast_that_was_not_reduced_is_told(rows: int, dtype: str, kept: bool) -> None:  # noqa: FBT001 - a known
    shape = (1, 10) if kept else (10,)
    known = KnownGradient({"b": shape}, dtype)
    terms = known.rng.standard_normal((rows, 10))
    known.gradient["b"] = terms.sum(axis=0).reshape(shape)
    found = shape_of(known, "b", terms)
    assert found is not None
    assert found.fault == "un-reduced broadcast"
    assert found.sentence == f"gradient of b was not summed over axis 0 (length {rows})"
    column = int(found.index[1:-1].split(",")[1])
    assert abs(found.expected - terms[:, column].sum()) <= 1e-11


@each_dtype
def test_a_mean_that_was_not_taken_is_told(dtype: str) -> None:
    known = KnownGradient({"b": (10,)}, dtype)
    terms = known.rng.standard_normal((4, 10, 6))
    known.gradient["b"] = terms.mean(axis=(0, 2))
    found = shape_of(known, "b", terms)
    assert found is not None
    axes = "axis 0 (length 4) and axis 2 (length 6)"
    assert (found.fault, found.sentence) == (
        "un-reduced broadcast",
        f"gradient of b was not averaged over {axes}",
    )


@each_dtype
def test_of_a_square_the_axis_that_was_meant_is_found(dtype: str) -> None:
    known = KnownGradient({"b": (8,)}, dtype)
    terms = known.rng.standard_normal((8, 8))
    known.gradient["b"] = terms.sum(axis=1)
    found = shape_of(known, "b", terms)
    assert found is not None
    assert found.sentence == "gradient of b was not summed over axis 1 (length 8)"


@each_dtype
@pytest.mark.parametrize(("reduce", "verb"), [(np.sum, "summed"), (np.mean, "averaged")])
@pytest.mark.parametrize("axis", [0, 1, None])
def test_a_gradient_reduced_too_far_is_told(
    dtype: str, reduce: Callable[..., Array], verb: str, axis: int | None
) -> None:
    known = KnownGradient({"x": (7, 5)}, dtype)
    found = shape_of(known, "x", reduce(known.gradient["x"], axis=axis))
    assert found is not None
    assert found.fault == "over-reduced broadcast"
    lengths = [f"axis {k} (length {n})" for k, n in enumerate((7, 5)) if axis in {k, None}]
    where = " and ".join(lengths)
    assert found.sentence == f"gradient of x was {verb} over {where}, which the argument has"


@each_dtype
def test_a_transpose_of_another_shape_is_told(dtype: str) -> None:
    known = KnownGradient({"W": (7, 5)}, dtype)
    found = shape_of(known, "W", known.gradient["W"].T)
    assert found is not None
    assert found.fault == "transpose"
    wanted = "it has shape (5, 7), wanted (7, 5)"
    assert found.sentence == f"gradient of W is transposed: {wanted}"
    assert abs(found.got - found.expected) <= 1e-6


@each_dtype
@pytest.mark.parametrize("shape", [(6, 1), (1, 6), (2, 3)])
def test_right_numbers_in_a_wrong_shape_are_told(dtype: str, shape: tuple[int, ...]) -> None:
    known = KnownGradient({"b": (6,)}, dtype)
    found = shape_of(known, "b", known.gradient["b"].reshape(shape))
    assert found is not None
    assert found.fault == "wrong shape"
    says = f"gradient of b has shape {shape}, wanted (6,); its numbers are right"
    assert found.sentence == says


@each_dtype
def test_the_gradient_of_another_argument_is_told(dtype: str) -> None:
    known = KnownGradient({"x": (4, 3), "b": (3,)}, dtype)
    found = shape_of(known, "b", known.gradient["x"])
    assert found is not None
    assert (found.fault, found.sentence) == ("swapped arguments", "gradient of b is that of x")


@each_dtype
@pytest.mark.parametrize("shape", [(64, 10), (10, 1), (2, 5), (10, 10), (), (3,), (0,)])
def test_garbage_of_a_wrong_shape_is_nothing_in_particular(
    dtype: str, shape: tuple[int, ...]
) -> None:
    known = KnownGradient({"b": (10,), "x": (64, 10)}, dtype)
    assert shape_of(known, "b", known.rng.standard_normal(shape)) is None
    assert shape_of(known, "b", np.zeros(shape)) is None


def test_a_blunt_oracle_bears_out_no_shape() -> None:
    known = KnownGradient({"b": (10,)}, "float64", bar=3.0)
    assert shape_of(known, "b", known.rng.standard_normal((64, 10))) is None
    assert shape_of(known, "b", known.rng.standard_normal((10, 1))) is None
