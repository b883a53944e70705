import re

import numpy as np
import pytest

from tests.verify.diagnosis.shared import (
    ARGUMENTS,
    SHAPES,
    KnownGradient,
    each_size,
    large,
    middle_of,
)


@each_size
@pytest.mark.parametrize("argument", ARGUMENTS)
def test_a_float64_gradient_that_was_float32_is_told(size: int, argument: str) -> None:
    known = KnownGradient(SHAPES[size], "float64")
    true = known.gradient[argument]
    found = known.assert_found("dtype downcast", argument, true.astype(np.float32))
    says = "was rounded to float32: every entry is a float32 number"
    assert middle_of(found.sentence) == says


@pytest.mark.parametrize("size", [6, 1_000, 100_000])
def test_float32_on_the_way_shows_in_the_size_of_the_errors(size: int) -> None:
    known = KnownGradient(SHAPES[size], "float64")
    true = known.gradient["W"]
    on_the_way = (true / 3).astype(np.float32).astype(np.float64) * 3
    found = known.assert_found("lost digits", "W", on_the_way)
    assert re.fullmatch(
        "is right to [78] digits: a float32 constant, or a finite difference, inside[?]",
        middle_of(found.sentence),
    )


@large
def test_a_float32_gradient_that_was_float16_is_told(size: int) -> None:
    known = KnownGradient(SHAPES[size], "float32")
    wrong = known.gradient["x"].astype(np.float16)
    found = known.assert_found("dtype downcast", "x", wrong.astype(np.float32))
    assert middle_of(found.sentence) == "was rounded to float16: every entry is a float16 number"


@large
def test_a_float32_gradient_that_was_bfloat16_is_told(size: int) -> None:
    known = KnownGradient(SHAPES[size], "float32")
    bits = known.gradient["x"].astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
    found = known.assert_found("dtype downcast", "x", bits.view(np.float32))
    assert "bfloat16" in found.sentence


@large
def test_a_small_error_everywhere_in_float32_is_no_downcast(size: int) -> None:
    known = KnownGradient(SHAPES[size], "float32")
    true = known.gradient["W"]
    known.assert_found(
        "one argument", "W", true * (1 + 1e-3 * known.rng.standard_normal(true.shape))
    )


def test_errors_of_rounding_are_told_over_many_orders_of_magnitude() -> None:
    known = KnownGradient(SHAPES[1_000], "float64")
    true = known.gradient["x"] = np.exp(3 * known.gradient["x"])
    on_the_way = (true / 3).astype(np.float32).astype(np.float64) * 3
    known.assert_found("lost digits", "x", on_the_way)
