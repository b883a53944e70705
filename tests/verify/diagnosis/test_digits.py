import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from reference_impls import Array, Vjp
from tests.verify.diagnosis.shared import ARGUMENTS, SHAPES, KnownGradient, each_size, middle_of
from verify import check

CAUSE = ": a float32 constant, or a finite difference, inside?"

FEW_CAUSE = ", and further in most entries: an iteration that stopped early inside?"


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
@pytest.mark.parametrize("places", [(7,), (0, 7), (1, 2, 3, 4, 5, 9, 11, 12)])
def test_few_entries_that_are_hardly_off_have_lost_digits_and_one_is_shown(
    size: int, error: float, places: tuple[int, ...]
) -> None:
    known = KnownGradient(SHAPES[size], "float64", bar=1e-16)
    wrong = known.gradient["b"].copy()
    wrong[list(places)] *= 1 + 0.99 * error
    found = known.diagnose({"b": wrong})
    assert found.fault == "lost digits"
    assert middle_of(found.sentence).endswith(FEW_CAUSE)
    assert found.index in [f"[{place}]" for place in places]


@pytest.mark.parametrize("size", [1_000, 100_000])
@pytest.mark.parametrize("factor", [0.0, 2.0, -1.0, 1.01])
def test_an_entry_that_is_weak_beside_others_and_wrong_has_not_lost_digits(
    size: int, factor: float
) -> None:
    known = KnownGradient(SHAPES[size], "float64", bar=1e-17)
    known.gradient["b"][7] = 3e-7
    wrong = known.gradient["b"].copy()
    wrong[7] *= factor
    found = known.diagnose({"b": wrong})
    assert (found.fault, found.index) == ("a few entries", "[7]")


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


def settled(x: Array, tolerance: float, step: Callable[[Array, Array], Array]) -> Array:
    y = np.zeros_like(x)
    for _ in range(100):
        y, before = step(y, x), y
        if np.abs(y - before).max() <= tolerance:
            break
    return y


def with_cosine(x: Array) -> tuple[Array, Vjp]:
    y = settled(x, 1e-8, lambda y, x: 0.5 * np.cos(y) + 0.3 * x)
    return y, lambda u: {"x": 0.3 * u / (1 + 0.5 * np.sin(y))}


def with_sine(x: Array) -> tuple[Array, Vjp]:
    y = settled(x, 1e-8, lambda y, x: 0.5 * np.sin(y) + x)
    return y, lambda u: {"x": u / (1 - 0.5 * np.cos(y))}


def with_tanh(x: Array) -> tuple[Array, Vjp]:
    y = settled(x, 1e-8, lambda y, x: np.tanh(0.4 * y + x))
    slope = 1 - y * y
    return y, lambda u: {"x": u * slope / (1 - 0.4 * slope)}


@pytest.mark.parametrize("count", [5, 40])
@pytest.mark.parametrize("function", [with_cosine, with_sine, with_tanh])
def test_a_solver_that_stops_early_is_told_as_digits_and_not_as_places(
    function: Callable[[Array], tuple[Array, Vjp]], count: int
) -> None:
    """Few entries were last to converge: the others are right to rounding."""
    x = np.random.default_rng(0).standard_normal(count)
    verdicts = []
    for seed in range(4):
        report = check(real_only(function), {"x": x}, seed=seed)
        verdicts.append(report.verdict)
        if report.verdict == "disagree":
            assert report.diagnosis
            assert report.diagnosis.fault == "lost digits"
    assert "disagree" in verdicts


def real_only(function: Callable[[Array], tuple[Array, Vjp]]) -> Callable[[Array], Any]:
    def refusing(x: Array) -> tuple[Array, Vjp]:
        if np.iscomplexobj(x):
            raise TypeError("real numbers only")
        return function(x)

    return refusing
