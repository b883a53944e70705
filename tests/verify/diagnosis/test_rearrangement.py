import numpy as np
import pytest

from tests.verify.diagnosis.shared import (
    ARGUMENTS,
    SHAPES,
    KnownGradient,
    each_dtype,
    each_size,
    large,
    middle_of,
    without_mean,
)


@each_dtype
@each_size
def test_a_square_or_a_memory_layout_is_transposed(size: int, dtype: str) -> None:
    known = KnownGradient(SHAPES[size], dtype)
    true = known.gradient["W"]
    found = known.assert_found("transpose", "W", true.T.reshape(true.shape))
    square = true.shape[0] == true.shape[1]
    layout = f"has the entries of its transpose, of shape {true.T.shape}, in memory order"
    assert middle_of(found.sentence) == ("is transposed" if square else layout)


@each_dtype
def test_axes_of_many_dimensions_are_exchanged(dtype: str) -> None:
    known = KnownGradient({"x": (5, 4, 5), "W": (3,), "b": ()}, dtype)
    found = known.assert_found("transpose", "x", known.gradient["x"].transpose(2, 1, 0))
    assert middle_of(found.sentence) == "is transposed: its axes are in the order 2, 1, 0"


@each_dtype
@large
@pytest.mark.parametrize("argument", ARGUMENTS)
@pytest.mark.parametrize("shift", [1, -1, 3, 11, -9])
def test_a_roll_is_told_with_its_shift_and_axis(
    size: int, dtype: str, argument: str, shift: int
) -> None:
    known = KnownGradient(SHAPES[size], dtype)
    axis = known.gradient[argument].ndim - 1
    found = known.assert_found("roll", argument, np.roll(known.gradient[argument], shift, axis))
    assert middle_of(found.sentence) == f"is rolled by {shift} along axis {axis}"


@each_dtype
@large
def test_rolls_along_two_axes_or_along_the_memory_are_told(size: int, dtype: str) -> None:
    known = KnownGradient(SHAPES[size], dtype)
    found = known.assert_found("roll", "W", np.roll(known.gradient["W"], (6, -7), (0, 1)))
    assert middle_of(found.sentence) == "is rolled by 6 along axis 0 and by -7 along axis 1"
    found = KnownGradient(SHAPES[size], dtype).assert_found(
        "roll", "W", np.roll(known.gradient["W"], 101)
    )
    assert middle_of(found.sentence) == "is rolled by 101 in the order of its memory"


@each_dtype
@large
def test_a_reversed_axis_is_a_permutation(size: int, dtype: str) -> None:
    known = KnownGradient(SHAPES[size], dtype)
    found = known.assert_found("permutation", "W", known.gradient["W"][:, ::-1])
    assert middle_of(found.sentence) == "is reversed along axis 1"


@each_dtype
@each_size
@pytest.mark.parametrize("argument", ARGUMENTS)
def test_shuffled_entries_are_a_permutation(size: int, dtype: str, argument: str) -> None:
    known = KnownGradient(SHAPES[size], dtype, seed=3)
    true = known.gradient[argument]
    order = (
        np.roll(np.arange(true.size).reshape(-1, 3), 1, axis=1).ravel()[: true.size]
        if (true.size % 3 == 0 and size > 6)
        else known.rng.permutation(true.size)
    )
    found = known.diagnose({argument: true.ravel()[order].reshape(true.shape)})
    assert found.argument == argument
    # Of three entries, every permutation is a roll or an exchange.
    assert found.fault in (("permutation", "roll") if size == 6 else ("permutation",))


@each_dtype
def test_shuffled_rows_are_told_from_shuffled_entries(dtype: str) -> None:
    known = KnownGradient(SHAPES[1_000], dtype)
    order = known.rng.permutation(40)
    found = known.assert_found("permutation", "x", known.gradient["x"][order])
    assert middle_of(found.sentence).startswith("has its entries permuted along axis 0: ")


@each_dtype
@each_size
def test_two_arguments_with_each_other_s_gradient_are_swapped(size: int, dtype: str) -> None:
    shape = SHAPES[size]["x"]
    known = KnownGradient({"x": shape, "y": shape, "b": (3,)}, dtype)
    found = known.diagnose({"x": known.gradient["y"], "y": known.gradient["x"]})
    assert found.fault == "swapped arguments"
    subject = "each of the gradients of x and y is that of the other"
    assert found.sentence == f"{subject}; that of b is right"


@each_dtype
def test_half_of_the_entries_zero_hide_neither_permutation_nor_sign(dtype: str) -> None:
    for seed in range(5):
        known = KnownGradient(SHAPES[1_000], dtype, seed)
        true = known.gradient["x"]
        true[known.rng.random(true.shape) < 0.5] = 0
        known.assert_found("permutation", "x", known.rng.permutation(true.ravel()).reshape(40, 25))
        known.calls = 0
        known.assert_found("sign", "x", np.abs(true))


@each_dtype
def test_entries_that_are_nearly_alike_are_not_taken_for_one_another(dtype: str) -> None:
    spread = 1e-5 if dtype == "float64" else 1e-3
    for seed in range(10):
        known = KnownGradient(SHAPES[1_000], dtype, seed)
        true = known.gradient["x"] = np.ones((40, 25))
        known.assert_found("one argument", "x", true + spread * without_mean(known, true.shape))


def test_entries_found_elsewhere_by_chance_are_no_permutation() -> None:
    for seed in range(5):
        known = KnownGradient(SHAPES[100_000], "float32", seed)
        true = known.gradient["x"] = known.rng.uniform(1.0, 1.1, 100_000)
        known.assert_found("one argument", "x", true + 1e-2 * without_mean(known, true.shape))
