import numpy as np

from tests.verify.diagnosis.shared import SHAPES, KnownGradient, each_dtype, large, middle_of


@each_dtype
@large
def test_a_forgotten_regularisation_is_told_with_its_weight(size: int, dtype: str) -> None:
    known = KnownGradient(SHAPES[size], dtype)
    wrong = known.gradient["W"] - 0.2 * known.primals["W"]
    found = known.assert_found("regularisation", "W", wrong)
    assert middle_of(found.sentence) == "lacks 0.2 times W"
    known = KnownGradient(SHAPES[size], dtype)
    wrong = known.gradient["x"] + 0.01 * np.sign(known.primals["x"])
    found = known.assert_found("regularisation", "x", wrong)
    assert middle_of(found.sentence) == "has 0.01 times the sign of x too much"


@each_dtype
@large
def test_the_same_error_everywhere_is_an_offset(size: int, dtype: str) -> None:
    known = KnownGradient(SHAPES[size], dtype)
    found = known.assert_found("offset", "x", known.gradient["x"] - 0.3)
    assert middle_of(found.sentence) == "is too small by 0.3 everywhere"


@each_dtype
def test_numbers_so_large_that_they_hide_the_truth_are_no_offset(dtype: str) -> None:
    known = KnownGradient(SHAPES[1_000], dtype)
    known.assert_found("one argument", "x", np.full((40, 25), 5e7))
    known.calls = 0
    known.assert_found("one argument", "x", 5e7 * known.primals["x"])
