import numpy as np
import pytest

from reference_impls import Array, Vjp
from tests.verify.diagnosis.shared import (
    ARGUMENTS,
    SHAPES,
    KnownGradient,
    each_dtype,
    each_size,
    large,
    middle_of,
)
from verify import check

TOO_OFTEN = "divided once too often by"

LESS_ONE = "divided by 39 in place of 40"


@each_dtype
@each_size
@pytest.mark.parametrize("argument", ARGUMENTS)
@pytest.mark.parametrize(
    ("factor", "times"),
    [
        (2.0, "is 2 times"),
        (0.5, "is 0.5 times"),
        (1.0005, "is 1.0005 times"),
        (-2.0, "is -2 times"),
        (1 / 9, "is 1/9 of"),
        (0.9, "is 0.9 times"),
        (10.0, "is 10 times"),
        (3e6, "is 3000000 times"),
        (1.00002, "is 1.00002 times"),
    ],
)
def test_a_constant_factor_is_told(
    size: int, dtype: str, argument: str, factor: float, times: str
) -> None:
    known = KnownGradient(SHAPES[size], dtype)
    found = known.assert_found("constant factor", argument, factor * known.gradient[argument])
    assert middle_of(found.sentence) == f"{times} what it should be"


@each_dtype
@each_size
@pytest.mark.parametrize("argument", ARGUMENTS)
def test_a_wrong_sign_is_told(size: int, dtype: str, argument: str) -> None:
    known = KnownGradient(SHAPES[size], dtype)
    found = known.assert_found("sign", argument, -known.gradient[argument])
    assert middle_of(found.sentence) == "has the wrong sign"


@each_dtype
@pytest.mark.parametrize(
    ("factor", "says"),
    [
        (
            1 / 40,
            f"is 1/40 of what it should be: {TOO_OFTEN} 40, the length of axis 0 of x",
        ),
        (25, "is 25 times what it should be: not divided by 25, the length of axis 1 of x"),
        (
            1 / 1000,
            f"is 1/1,000 of what it should be: {TOO_OFTEN} 1,000, the number of entries of x",
        ),
        (
            40 / 39,
            f"is 40/39 times what it should be: {LESS_ONE}, the length of axis 0 of x",
        ),
        (7, "is 7 times what it should be: not divided by 7, the length of axis 0 of the value"),
    ],
)
def test_a_factor_that_is_a_length_is_1_over_n(dtype: str, factor: float, says: str) -> None:
    known = KnownGradient(SHAPES[1_000], dtype)
    for argument in ARGUMENTS:
        found = known.assert_found("1/N", argument, factor * known.gradient[argument])
        assert middle_of(found.sentence) == says


@each_dtype
@each_size
def test_one_factor_of_all_gradients_is_told_once(size: int, dtype: str) -> None:
    known = KnownGradient(SHAPES[size], dtype)
    found = known.diagnose({name: 1.5 * g for name, g in known.gradient.items()})
    assert found.fault == "constant factor"
    assert found.sentence == "every gradient is 1.5 times what it should be"


@each_dtype
def test_one_factor_of_some_gradients_names_them(dtype: str) -> None:
    known = KnownGradient(SHAPES[1_000], dtype)
    found = known.diagnose({name: -known.gradient[name] for name in ("x", "b")})
    assert found.fault == "sign"
    subject = "each of the gradients of x and b has the wrong sign"
    assert found.sentence == f"{subject}; that of W is right"


@each_dtype
def test_a_single_number_is_off_by_some_factor_whatever_is_wrong(dtype: str) -> None:
    shapes = {"x": (4,), "s": ()}
    claims = 0
    for seed in range(40):
        known = KnownGradient(shapes, dtype, seed)
        found = known.diagnose({"s": known.rng.standard_normal(())})
        assert found.argument == "s"
        claims += found.fault != "one argument"
    assert claims <= 2


@each_dtype
@pytest.mark.parametrize("factor", [2, -1, 1 / 3, 1.0005, 0.25])
def test_a_factor_somebody_would_write_is_told_of_a_single_number_too(
    dtype: str, factor: float
) -> None:
    known = KnownGradient({"x": (5,), "s": ()}, dtype)
    found = known.diagnose({"s": factor * known.gradient["s"]})
    assert found.fault == ("sign" if factor == -1 else "constant factor")
    assert found.index == ""


@each_dtype
@large
def test_lost_signs_are_told(size: int, dtype: str) -> None:
    known = KnownGradient(SHAPES[size], dtype)
    found = known.assert_found("sign", "x", np.abs(known.gradient["x"]))
    says = "has lost its signs: it is the absolute value of what it should be"
    assert middle_of(found.sentence) == says


@each_dtype
@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_the_scale_of_a_function_does_not_matter(dtype: str, scale: float) -> None:
    known = KnownGradient(SHAPES[1_000], dtype)
    known.gradient = {name: scale * g for name, g in known.gradient.items()}
    for wrong, fault in (
        (2 * known.gradient["W"], "constant factor"),
        (known.gradient["W"].T, "transpose"),
    ):
        known.calls = 0
        found = known.diagnose({"W": wrong})
        assert (found.fault, found.argument) == (fault, "W")


@each_dtype
def test_one_dominant_entry_does_not_speak_for_the_others(dtype: str) -> None:
    known = KnownGradient(SHAPES[1_000], dtype)
    known.gradient["x"][3, 4] = 1e5
    wrong = known.gradient["x"].copy()
    wrong[3, 4] *= 2
    found = known.assert_found("a few entries", "x", wrong)
    assert found.index == "[3, 4]"


def test_an_entry_hardly_off_has_no_wrong_sign() -> None:
    def square(x: Array) -> tuple[Array, Vjp]:
        return x**2, lambda u: {"x": 2 * x * u * (1 + 1e-13)}

    x = np.random.default_rng(3).standard_normal(20)
    report = check(square, {"x": x})
    assert report.verdict == "disagree"
    assert report.diagnosis is not None
    assert report.diagnosis.fault != "sign"


def test_a_factor_that_is_1_as_far_as_it_was_measured_is_none() -> None:
    known = KnownGradient(SHAPES[1_000], "float64", bar=1e-7)
    for error in (1e-5, 1e-6, 1e-7):
        known.calls = 0
        found = known.diagnose({"W": (1 + error) * known.gradient["W"]})
        assert "1 times" not in found.sentence


def test_a_single_number_that_should_be_zero_is_no_multiple_of_it() -> None:
    known = KnownGradient({"x": (5,), "s": ()}, "float64", bar=1e-3)
    known.gradient["s"] = np.array(0.0)
    found = known.diagnose({"s": np.array(2.0)})
    assert "nan" not in found.sentence
