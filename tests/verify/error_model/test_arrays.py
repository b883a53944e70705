import numpy as np
import pytest

from verify.error_model.arrays import (
    inner,
    largest,
    norm,
    pair,
    pairing_norm,
    pairing_size,
    root_mean_square,
    scale_of,
    unit_roundoff,
)


@pytest.mark.parametrize(("dtype", "expected"), [("float64", 2.0**-53), ("float32", 2.0**-24)])
def test_the_unit_roundoff_is_half_the_spacing_at_one(dtype: str, expected: float) -> None:
    assert unit_roundoff(dtype) == expected


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_norms_are_right_where_squares_are_beyond_any_float(scale: float) -> None:
    array = scale * np.array([[3.0, 0.0], [0.0, -4.0]])
    assert largest(array) == pytest.approx(4 * scale)
    assert norm(array) == pytest.approx(5 * scale)
    assert root_mean_square(array) == pytest.approx(2.5 * scale)


def test_an_array_without_entries_has_no_size() -> None:
    nothing = np.zeros((0, 3))
    assert (largest(nothing), norm(nothing), root_mean_square(nothing)) == (0, 0, 0)


def test_the_scale_of_a_primal_leaves_infinities_out_and_is_never_zero() -> None:
    assert scale_of(np.array([3.0, -np.inf, 4.0])) == pytest.approx(np.sqrt(12.5))
    for nothing in (np.zeros(3), np.zeros(0), np.array([np.inf])):
        assert scale_of(nothing) == 1


def test_pairings_are_summed_in_double_precision() -> None:
    tenth = np.full(10**6, 0.1, np.float32)
    ones = np.ones_like(tenth)
    assert inner(tenth, ones) == pytest.approx(10**6 * float(tenth[0]), rel=1e-12)
    assert pair({"x": tenth}, {"x": ones}) == inner(tenth, ones)


def test_a_pairing_is_over_the_arguments_of_the_tangents() -> None:
    cotangents = {"x": np.array([3.0, 4.0]), "w": np.array([12.0])}
    tangents = {"x": np.array([1.0, -1.0]), "w": np.array([1.0])}
    assert pair(cotangents, tangents) == 11
    assert pair(cotangents, {"x": tangents["x"]}) == -1
    assert pairing_norm(cotangents, tangents) == 13


def test_the_size_of_a_pairing_is_that_of_its_terms_where_they_cancel() -> None:
    ones = {"x": np.ones(2)}
    assert pairing_size({"x": np.array([3.0, -3.0])}, ones) == pytest.approx(np.sqrt(18))
    assert pairing_size({"x": np.array([3.0, 3.0])}, ones) == 6
