import re
from collections.abc import Callable

import numpy as np
import pytest

from reference_impls import Array, Vjp
from tests.verify.diagnosis.shared import ARGUMENTS, SHAPES, KnownGradient, each_size, middle_of
from verify import check

CAUSE = ": a float32 constant, or a finite difference, inside?"


@each_size
@pytest.mark.parametrize("argument", ARGUMENTS)
@pytest.mark.parametrize(("error", "digits"), [(3e-8, 7), (2e-10, 9), (4e-13, 12)])
def test_a_factor_that_is_almost_1_is_told_as_digits(
    size: int, argument: str, error: float, digits: int
) -> None:
    known = KnownGradient(SHAPES[size], "float64", bar=1e-16)
    found = known.diagnose({argument: (1 + error) * known.gradient[argument]})
    assert found.fault == "lost digits"
    says = middle_of(found.sentence)
    assert says.startswith((f"is right to {digits} digits", f"is right to {digits + 1} digits"))
    assert says.endswith(CAUSE)


@each_size
def test_noise_that_is_small_is_told_as_digits_and_has_no_pattern(size: int) -> None:
    known = KnownGradient(SHAPES[size], "float64")
    true = known.gradient["W"]
    found = known.diagnose({"W": true * (1 + 1e-9 * known.rng.standard_normal(true.shape))})
    assert found.fault == "lost digits"
    assert " times " not in found.sentence


@pytest.mark.parametrize("size", [1_000, 100_000])
@pytest.mark.parametrize("error", [1e-6, 1e-7])
def test_a_single_entry_that_is_hardly_off_is_still_an_entry(size: int, error: float) -> None:
    known = KnownGradient(SHAPES[size], "float64", bar=1e-16)
    wrong = known.gradient["b"].copy()
    wrong[7] *= 1 + error
    assert known.diagnose({"b": wrong}).fault == "a few entries"


def test_every_argument_that_lost_digits_is_named() -> None:
    known = KnownGradient(SHAPES[1_000], "float64", seed=1)
    found = known.diagnose({name: (1 + 1e-8) * known.gradient[name] for name in ("x", "W")})
    assert found.fault == "lost digits"
    assert found.sentence.startswith("each of the gradients of x and W is right to ")


def test_of_a_factor_beside_lost_digits_the_factor_is_told() -> None:
    known = KnownGradient(SHAPES[1_000], "float64")
    found = known.diagnose({"x": 3 * known.gradient["x"], "W": (1 + 1e-8) * known.gradient["W"]})
    assert (found.fault, found.argument) == ("constant factor", "x")


def with_slope_from_a_difference(x: Array) -> tuple[Array, Vjp]:
    step = 1e-6
    slope = (np.sin(x + step) - np.sin(x - step)) / (2 * step)
    return np.sin(x), lambda u: {"x": u * slope}


def with_a_float32_third(x: Array) -> tuple[Array, Vjp]:
    return x**3 / 9, lambda u: {"x": u * x**2 * float(np.float32(1 / 3))}


def with_short_pi(x: Array) -> tuple[Array, Vjp]:
    return np.sin(np.pi * x), lambda u: {"x": u * 3.1415927 * np.cos(np.pi * x)}


@pytest.mark.parametrize(
    ("function", "digits"),
    [
        (with_slope_from_a_difference, "1[01]"),
        (with_a_float32_third, "[78]"),
        (with_short_pi, "7|8"),
    ],
)
def test_what_costs_digits_in_code_is_asked_for(
    function: Callable[[Array], tuple[Array, Vjp]], digits: str
) -> None:
    x = np.random.default_rng(1).standard_normal(6)
    for seed in range(5):
        report = check(function, {"x": x}, seed=seed)
        assert report.diagnosis
        assert report.diagnosis.fault == "lost digits"
        assert CAUSE in report.diagnosis.sentence
        assert re.search(rf"is right to ({digits}) digits", report.diagnosis.sentence)
