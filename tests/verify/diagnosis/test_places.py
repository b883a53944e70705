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
)


@each_dtype
@large
def test_two_entries_exchanged_are_named(size: int, dtype: str) -> None:
    known = KnownGradient(SHAPES[size], dtype)
    wrong = known.gradient["b"].copy()
    wrong[[3, 17]] = wrong[[17, 3]]
    found = known.assert_found("permutation", "b", wrong)
    assert middle_of(found.sentence) == "has the entries [3] and [17] exchanged among themselves"


@each_dtype
@each_size
@pytest.mark.parametrize("argument", ARGUMENTS)
def test_one_zeroed_entry_is_found(size: int, dtype: str, argument: str) -> None:
    known = KnownGradient(SHAPES[size], dtype)
    wrong = known.gradient[argument].copy()
    flat = 2 * wrong.size // 3
    wrong.flat[flat] = 0
    found = known.assert_found("a few entries", argument, wrong)
    at = ", ".join(str(int(i)) for i in np.unravel_index(flat, wrong.shape))
    assert found.index == f"[{at}]"
    assert (found.got, found.expected) == (0, known.gradient[argument].flat[flat])
    says = f"has 1 wrong entry, [{at}] (zero); its others are right"
    assert middle_of(found.sentence) == says


@each_dtype
def test_an_entry_that_is_off_by_little_is_found(dtype: str) -> None:
    known = KnownGradient(SHAPES[1_000], dtype)
    wrong = known.gradient["x"].copy()
    wrong[20, 3] *= 1.001
    found = known.assert_found("a few entries", "x", wrong)
    assert found.index == "[20, 3]"


@each_dtype
@large
@pytest.mark.parametrize("argument", ARGUMENTS)
def test_three_wrong_entries_are_all_found(size: int, dtype: str, argument: str) -> None:
    known = KnownGradient(SHAPES[size], dtype)
    wrong = known.gradient[argument].copy()
    places = np.array([1, wrong.size // 2, wrong.size - 3])
    wrong.flat[places] += 1
    found = known.assert_found("a few entries", argument, wrong)
    listed = [
        f"[{', '.join(str(int(i)) for i in np.unravel_index(flat, wrong.shape))}]"
        for flat in places
    ]
    says = f"has 3 wrong entries, {listed[0]}, {listed[1]} and {listed[2]}; its others are right"
    assert middle_of(found.sentence) == says


@each_dtype
def test_where_there_are_more_than_the_calls_can_find_some_are_named(dtype: str) -> None:
    known = KnownGradient(SHAPES[100_000], dtype)
    wrong = known.gradient["x"].copy()
    places = [7_000, 20_000, 41_000, 43_000, 77_000, 80_000, 99_000]
    wrong[places] = 5
    found = known.assert_found("a few entries", "x", wrong)
    assert "[7000]" in found.sentence
    assert "[99000]" in found.sentence
    assert "16 others, looked at at random, are right" in found.sentence


@each_dtype
def test_entries_of_which_the_truth_is_zero_are_said_to_be(dtype: str) -> None:
    known = KnownGradient(SHAPES[1_000], dtype)
    wrong = known.gradient["x"].copy()
    known.gradient["x"][7, [3, 9]] = 0
    found = known.assert_found("a few entries", "x", wrong)
    says = "has 2 wrong entries, [7, 3] and [7, 9] (should be zero); its others are right"
    assert middle_of(found.sentence) == says


def test_entries_near_their_own_truth_are_not_exchanged() -> None:
    known = KnownGradient(SHAPES[6], "float64", bar=1e-16)
    wrong = known.gradient["b"].copy()
    wrong[:2] *= 1 + 4e-10
    found = known.diagnose({"b": wrong})
    assert found.fault != "permutation"
