"""What each measure of rounding sees, what it is blind to, and what none of them excuses."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from reference_impls import DTYPES, Array
from reference_impls.computation import Vjp
from tests.verify.checks.first_order.shared import (
    MakeVjp,
    alone,
    appeal_of,
    by_slope,
    difference_quotient,
)
from verify import check
from verify.checks.first_order.appeal import Appeal, if_one_function, residuals_of
from verify.error_model.arrays import largest, unit_roundoff
from verify.error_model.noise import EXCUSE, INSTABILITY, SAFETY

SEEDS = range(3)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)

NORMAL = np.random.default_rng(0).standard_normal(6)
PAIR = np.asarray([5.0, -3.0])
NEAR_ONE = np.asarray([1 - 1e-6, 0.1])


def normalised(x: Array) -> tuple[Array, Vjp]:
    """Of two numbers, what is left of the gradient is 1e-5 of its terms."""
    deviation = np.sqrt(x.var() + x.dtype.type(1e-5))
    y = (x - x.mean()) / deviation
    return y, lambda u: (u - u.mean() - y * (u * y).mean()) / deviation


def cancelling(x: Array) -> tuple[Array, Vjp]:
    """tanh, by way of terms a million times its size."""
    million = x.dtype.type(1e6)

    def vjp(u: Array) -> Array:
        slope = 1 - np.tanh(x) ** 2
        return np.asarray(u * million * slope - u * (million - 1) * slope)

    return np.tanh(x), vjp  # type: ignore[return-value]


def log_sum_exp(x: Array) -> tuple[Array, Vjp]:
    """Its value is rounded before the gradient is computed from it."""
    most = x.max()
    value = np.asarray(most + np.log(np.exp(x - most).sum()))
    return value, lambda u: u * np.exp(x - value)


def in_float32(x: Array) -> tuple[Array, Vjp]:
    narrow = x.astype(np.float32)
    return (narrow**2).astype(x.dtype), lambda u: (2 * u.astype(np.float32) * narrow).astype(
        x.dtype
    )


def wrong_in_float32_alone(by: float) -> MakeVjp:
    def slope(x: Array) -> Array:
        return np.asarray(np.cos(x) * x.dtype.type(1 + by * (x.dtype == np.float32)))

    return by_slope(np.sin, slope)


arccos = by_slope(np.arccos, lambda x: -1 / np.sqrt(1 - x * x))
sine = by_slope(np.sin, np.cos)
quotient = difference_quotient(np.sin, 1e-6)


def beside_size(appeal: Appeal, errors: Array) -> float:
    """The largest, in units of the largest entry of the gradient."""
    return largest(errors) / appeal.own.scale["x"]


def residual(appeal: Appeal) -> float:
    return appeal.terms("x") / appeal.own.scale["x"]


@pytest.mark.parametrize(
    ("function", "x", "times"), [(normalised, PAIR, 1e5), (cancelling, NORMAL, 1e5)]
)
@each_dtype
def test_terms_that_cancel_leave_a_residual(
    function: MakeVjp, x: Array, times: float, dtype: str
) -> None:
    appeal = appeal_of(function, x, dtype)
    assert residual(appeal) > times
    # And no change of the input explains it.
    assert beside_size(appeal, appeal.conditioning["x"]) < 100


@pytest.mark.parametrize(
    "function",
    [quotient, difference_quotient(np.exp, 1e-4), wrong_in_float32_alone(1e-2), sine],
    ids=["difference quotient", "of a longer step", "wrong in float32 alone", "right"],
)
@each_dtype
def test_what_is_linear_to_the_last_digit_shows_no_residual(function: MakeVjp, dtype: str) -> None:
    assert residual(appeal_of(function, NORMAL, dtype)) < 30


def test_a_residual_is_the_rounding_of_the_terms() -> None:
    """Of u/3 it is at most three roundings of a third; of 10⁶u/3 - (10⁶ - 1)u/3, 10⁶ times that."""
    u = np.random.default_rng(1).standard_normal(1000)
    v = {"x": np.ones(1000)}
    unit = unit_roundoff(np.float64)
    third = residuals_of(lambda u: {"x": u / 3}, u, [v], np.random.default_rng(2))
    assert 0.1 * unit < largest(third["x"]) < 10 * unit * largest(u)
    far = residuals_of(
        lambda u: {"x": 1e6 * u / 3 - (1e6 - 1) * u / 3}, u, [v], np.random.default_rng(2)
    )
    assert 1e5 * unit < largest(far["x"]) < 1e7 * unit * largest(u)
    # Along a direction it is what the entries make together.
    assert far["⟨Jᵀu, v⟩"] == pytest.approx([far["x"].sum()])


def test_a_residual_is_taken_from_answers_that_lie_in_one_place() -> None:
    place = np.empty(5)

    def vjp(u: Array) -> dict[str, Array]:
        place[...] = 2 * u
        return {"x": place}

    found = residuals_of(vjp, np.ones(5), [], np.random.default_rng(0))
    assert largest(found["x"]) < 1e-14


@each_dtype
def test_ill_conditioning_is_seen_in_how_results_move(dtype: str) -> None:
    """1 - x² is exact in float32 where x is nearly 1, so that the dtypes do not differ by it."""
    appeal = appeal_of(arccos, NEAR_ONE, dtype)
    assert beside_size(appeal, appeal.own.errors["x"]) < 100
    assert residual(appeal) < 100
    # d log f'/d log x = x²/(1 - x²), half a million roundings.
    assert 1e5 < beside_size(appeal, appeal.conditioning["x"]) < 1e7
    assert largest(appeal.noise.errors["x"]) >= largest(appeal.conditioning["x"])


@each_dtype
def test_conditioning_is_blind_to_the_rounding_within_a_quotient(dtype: str) -> None:
    appeal = appeal_of(quotient, NORMAL, dtype)
    assert beside_size(appeal, appeal.conditioning["x"]) < 30


def test_what_trembles_as_much_as_a_quotient_is_not_excused_by_that() -> None:
    appeal = appeal_of(quotient, NORMAL)
    assert beside_size(appeal, appeal.noise.errors["x"]) < INSTABILITY


@each_dtype
def test_trembling_counts_for_no_more_than_a_limit(dtype: str) -> None:
    appeal = appeal_of(quotient, NORMAL, dtype)
    usual = appeal.own.spread["x"] + appeal.terms("x") + appeal.own.natural["x"]
    most = INSTABILITY if dtype == "float64" else EXCUSE
    limit = EXCUSE * (most * appeal.own.scale["x"] + usual + appeal.own.scale["x"])
    assert largest(appeal.noise.errors["x"]) <= limit


def test_a_value_that_is_rounded_on_the_way_is_seen_in_the_trembling_alone() -> None:
    """logsumexp beyond 1,024 of numbers below: half a rounding of it is a thousand of 1."""
    x = np.asarray([1023.9999, 1015.5])
    appeal = appeal_of(log_sum_exp, x)
    assert beside_size(appeal, appeal.conditioning["x"]) < 20
    assert residual(appeal) < 20
    assert appeal.roughness < 20
    assert 100 < beside_size(appeal, appeal.noise.errors["x"]) <= INSTABILITY + 1


@pytest.mark.parametrize("offset", [1000.0, -1000.0, 700.0])
@each_dtype
def test_log_sum_exp_near_a_thousand_agrees(offset: float, dtype: str) -> None:
    for seed in SEEDS:
        x = offset + np.random.default_rng(seed).standard_normal(8)
        assert check(log_sum_exp, x.astype(dtype), seed=seed).verdict == "agree"


def test_values_that_lose_digits_are_rough() -> None:
    """By the roundings of float32, in units of those of float64."""
    appeal = appeal_of(in_float32, NORMAL)
    assert largest(appeal.own.errors["x"]) == 0
    assert 1e7 < appeal.roughness < 1e10
    assert beside_size(appeal, appeal.noise.errors["x"]) >= appeal.roughness


@pytest.mark.parametrize("function", [sine, quotient, log_sum_exp, normalised, cancelling])
def test_values_that_lose_none_are_not(function: MakeVjp) -> None:
    assert appeal_of(function, NORMAL).roughness < 100


def test_an_entry_that_is_quiet_by_luck_is_measured_again() -> None:
    """In float32, where the points are its own numbers and nothing trembles."""
    appeal = appeal_of(cancelling, NORMAL, "float32")
    quiet = replace(appeal.own, errors=appeal.own.errors | {"x": np.zeros(NORMAL.size)})
    lucky = replace(appeal, own=quiet)
    assert np.all(lucky.noise.errors["x"] > 1e4 * np.abs(1 - np.tanh(NORMAL) ** 2))


def in_more_digits(function: MakeVjp, x: Array, u: Array) -> Array:
    gradient: Any = function(x.astype(np.longdouble))[1](u.astype(np.longdouble))
    return np.asarray(gradient["x"] if isinstance(gradient, dict) else gradient)


@pytest.mark.parametrize(
    ("function", "draw"),
    [
        (normalised, lambda rng: 5 * rng.standard_normal(2)),
        (cancelling, lambda rng: rng.standard_normal(6)),
        (log_sum_exp, lambda rng: 1000 + rng.standard_normal(6)),
        (log_sum_exp, lambda rng: 1000 * rng.standard_normal(6)),
        (arccos, lambda rng: 1 - 10 ** rng.uniform(-12, -1, 6)),
        (sine, lambda rng: rng.standard_normal(6)),
    ],
    ids=["normalised", "cancelling", "near 1,000", "of size 1,000", "arccos", "sine"],
)
@pytest.mark.parametrize("seed", range(4))
def test_the_noise_is_never_below_what_more_digits_show(
    function: MakeVjp, draw: Callable[[np.random.Generator], Array], seed: int
) -> None:
    x = draw(np.random.default_rng(seed))
    appeal = appeal_of(function, x, seed=seed)
    u = appeal.case.cotangent
    got: Any = function(x)[1](u)
    error = np.abs(got - in_more_digits(function, x, u)).astype(float) / unit_roundoff(np.float64)
    allowed = appeal.noise.errors["x"] + appeal.own.scale["x"]
    assert largest(error) <= SAFETY * largest(allowed)
    # SAFETY is for what a few points miss: as a rule the noise by itself is near.
    assert largest(error) <= 4 * largest(allowed)


@pytest.mark.parametrize("step", [1e-4, 1e-5, 1e-6, 1e-7, 1e-8])
@pytest.mark.parametrize("f", [np.sin, np.exp], ids=["sine", "exponential"])
def test_a_difference_quotient_stays_convicted(f: Callable[[Array], Array], step: float) -> None:
    for seed in SEEDS:
        x = np.random.default_rng(seed).standard_normal(5)
        assert check(difference_quotient(f, step), x, seed=seed).verdict == "disagree"


@pytest.mark.parametrize("by", [1e-3, 1e-2, -0.1])
def test_a_mistake_in_float32_alone_is_not_excused_in_a_float32_case(by: float) -> None:
    for seed in SEEDS:
        x = np.random.default_rng(seed).standard_normal(6).astype(np.float32)
        assert check(wrong_in_float32_alone(by), x, seed=seed).verdict == "disagree"


def test_it_does_not_loosen_the_tolerance_of_float64_by_much() -> None:
    appeal = appeal_of(wrong_in_float32_alone(0.3), NORMAL)
    unit = unit_roundoff(np.float64)
    assert SAFETY * unit * beside_size(appeal, appeal.noise.errors["x"]) < 1e-12
    # Where the mistake of the dtype itself is a thousand times less, float64 sees it.
    off = by_slope(np.sin, lambda x: np.cos(x) * x.dtype.type(1 + 1e-11))
    for seed in SEEDS:
        x = np.random.default_rng(seed).standard_normal(6)
        assert check(off, x, seed=seed).verdict == "disagree"


def noise_of_seeded(scale: float, x: Array) -> tuple[bool, Array]:
    """Is it found to be two functions, and with what noise?"""

    def seeded(x: Array) -> tuple[Array, Vjp]:
        drawn = np.random.default_rng(x.itemsize).standard_normal(x.shape)
        factor = (1 + scale * drawn).astype(x.dtype)
        return factor * x, lambda u: factor * u

    case, function, noises = alone(seeded, x)
    found = if_one_function(case, function, noises.of_each(function.name))
    return found.apart, found.errors["x"]


def test_another_function_in_float32_is_judged_by_the_noise_of_float64() -> None:
    apart, errors = noise_of_seeded(1.0, NORMAL)
    assert apart
    assert largest(errors) < 30
    apart, _ = noise_of_seeded(0.0, NORMAL)
    assert not apart


def test_an_unstable_value_is_one_function_all_the_same() -> None:
    """(1 + 10⁶x) - 10⁶x is as rough in float64 as in float32, in units of either."""

    def unstable(x: Array) -> tuple[Array, Vjp]:
        big = x.dtype.type(1e6) * x
        return (x + big) - big, lambda u: u

    case, function, noises = alone(unstable, NORMAL)
    own = noises.of_each(function.name)
    assert own.typical["value of f"] > INSTABILITY
    assert not if_one_function(case, function, own).apart


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_a_function_computes_in_the_format_that_it_rounds_to(kind: type[np.floating[Any]]) -> None:
    def narrow(x: Array) -> tuple[Array, Vjp]:
        inside = x.astype(kind)
        return (inside * inside).astype(x.dtype), lambda u: 2 * u * x

    found = appeal_of(narrow, NORMAL).computes_in
    assert found is not None
    assert found.name == np.dtype(kind).name


@pytest.mark.parametrize("function", [np.sin, np.round, np.floor, np.sign])
def test_a_staircase_is_no_format(function: Callable[[Array], Array]) -> None:
    """Numbers that are rounded to a few digits have the same floor, mostly; so have the next."""

    def stairs(x: Array) -> tuple[Array, Vjp]:
        return function(x), lambda u: u

    assert appeal_of(stairs, NORMAL).computes_in is None
