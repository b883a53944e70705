import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

from reference_impls import COMPUTATIONS, Array, Arrays, Computation, draw
from reference_impls.computation import Vjp
from reference_impls.engines.backend import seed_cotangent
from verify.oracles.more_digits import carriers
from verify.oracles.more_digits.carriers import longdouble_is_wider
from verify.oracles.more_digits.mpmath_arrays import DIGITS
from verify.oracles.more_digits.ulps import digits_lost, ulp_errors
from verify.oracles.more_digits.wider import Extended, NotCarried, in_extended_precision

NOT_IN_LONGDOUBLE = dict.fromkeys(
    ["least_squares", "clipped_least_squares"], "unsupported in linalg"
)
NOT_IN_MPMATH = {
    "least_squares": "svd",
    "clipped_least_squares": "svd",
    # Newton's method stops where rounding does, and asks NumPy for the roundoff of its dtype.
    "logistic_argmin": "not inexact",
    "root_argmin": "not inexact",
    "mlp_classifier": "too large",
    "mlp_log_probabilities": "too large",
    "relu_classifier": "too large",
    "elu_mlp": "too large",
    "donsker_varadhan": "too large",
    "timeseries_net": "operations",
}
each_computation = pytest.mark.parametrize(
    "computation", COMPUTATIONS, ids=lambda computation: computation.name
)
each_carrier = pytest.mark.parametrize("carrier", ["longdouble", "mpmath"])
wide_longdouble = pytest.mark.skipif(
    not longdouble_is_wider(), reason="np.longdouble is float64 on this platform"
)

Result = tuple[Array, Vjp]


def smallest(
    computation: Computation, dtype: str = "float64"
) -> tuple[Callable[..., Any], Arrays, Array, tuple[str, ...]]:
    primals = draw(computation, min(computation.sizes), dtype, seed=0)
    value, _ = computation.by_hand(**primals)
    return computation.by_hand, primals, seed_cotangent(np.asarray(value)), computation.wrt


def arrays(value: Array, cotangents: Arrays) -> Arrays:
    return {"value": np.asarray(value), **cotangents}


def attempted(computation: Computation, carrier: str, unable: dict[str, str]) -> Extended | None:
    """What the carrier makes of it; None where it is said to be unable, and says why itself."""
    outcome = in_extended_precision(*smallest(computation), carrier=carrier)
    if computation.name not in unable:
        assert isinstance(outcome, Extended), outcome
        return outcome
    assert isinstance(outcome, NotCarried)
    assert unable[computation.name] in outcome.reasons[carrier]
    return None


@wide_longdouble
@each_computation
def test_what_the_catalogue_runs_in_longdouble(computation: Computation) -> None:
    outcome = attempted(computation, "longdouble", NOT_IN_LONGDOUBLE)
    if outcome:
        assert outcome.carrier == "extended precision (longdouble)"
        assert {array.dtype for array in arrays(outcome.value, outcome.cotangents).values()} == {
            np.dtype(np.longdouble)
        }


@wide_longdouble
@each_computation
def test_the_two_carriers_agree_a_hundred_times_better_than_float64_does(
    computation: Computation,
) -> None:
    precise = attempted(computation, "mpmath", NOT_IN_MPMATH)
    if precise is None:
        return
    assert precise.carrier == f"{DIGITS} digits (mpmath)"
    by_hand, primals, cotangent, wrt = smallest(computation)
    wide = in_extended_precision(by_hand, primals, cotangent, wrt, carrier="longdouble")
    assert isinstance(wide, Extended)
    value, vjp = by_hand(**primals)
    double = arrays(value, vjp(cotangent))
    wider = arrays(wide.value, wide.cotangents)
    for name, exact in arrays(precise.value, precise.cotangents).items():
        ulp = np.spacing(np.abs(exact.astype(np.float64)).max())
        apart = float(np.abs(wider[name] - exact).max() / ulp)
        lost = float(np.abs(double[name] - exact).max() / ulp)
        assert apart <= (1 + lost) / 100


@each_computation
def test_without_a_wide_longdouble_mpmath_takes_its_place_on_small_arrays(
    computation: Computation, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_hand, primals, cotangent, wrt = smallest(computation)
    value, vjp = by_hand(**primals)
    cotangents = vjp(cotangent)
    monkeypatch.setattr(np, "longdouble", np.float64)
    outcome = in_extended_precision(by_hand, primals, cotangent, wrt)
    if isinstance(outcome, NotCarried):
        assert list(outcome.reasons) == ["mpmath"]
        assert computation.name in NOT_IN_MPMATH
        return
    assert computation.name not in NOT_IN_MPMATH
    assert outcome.value.dtype == np.object_
    lost = digits_lost({"value": np.asarray(value)}, {"value": outcome.value})
    lost += digits_lost(cotangents, outcome.cotangents)
    assert all(each.ulps_at_scale < 100 for each in lost)


@each_computation
def test_float32_is_judged_by_float64(computation: Computation) -> None:
    by_hand, primals, cotangent, wrt = smallest(computation, "float32")
    outcome = in_extended_precision(by_hand, primals, cotangent, wrt)
    assert isinstance(outcome, Extended)
    assert outcome.carrier == "float64"
    value, vjp = by_hand(**{name: primal.astype(np.float64) for name, primal in primals.items()})
    np.testing.assert_array_equal(outcome.value, value)
    for name, array in vjp(cotangent.astype(np.float64)).items():
        np.testing.assert_array_equal(outcome.cotangents[name], array)


def smooth(x: Array) -> Result:
    """F = tanh(x)², so that there is something to differentiate everywhere."""
    t = np.tanh(x)
    return t * t, lambda u: {"x": 2 * u * t * (1 - t * t)}


def cast_at_the_start(x: Array) -> Result:
    return smooth(x.astype(np.float64))


def cast_on_the_way(x: Array) -> Result:
    t = np.tanh(x.astype(np.float64))
    one = x / x
    return one * t * t, lambda u: {"x": one * 2 * u * t * (1 - t * t)}


def kept_in_a_buffer(x: Array) -> Result:
    t = np.zeros(x.shape)
    for i in range(x.size):
        t[i] = np.tanh(x[i])
    one = x / x
    return one * t * t, lambda u: {"x": one * 2 * u * t * (1 - t * t)}


def by_the_math_module(x: Array) -> Result:
    t = x / x * np.array([math.tanh(each) for each in x])
    return t * t, lambda u: {"x": 2 * u * t * (1 - t * t)}


def cast_in_the_vjp(x: Array) -> Result:
    value, vjp = smooth(x)
    return value, lambda u: {"x": vjp(u)["x"].astype(np.float64)}


def cast_and_back_in_the_vjp(x: Array) -> Result:
    value, vjp = smooth(x)
    return value, lambda u: {"x": x / x * vjp(u)["x"].astype(np.float64)}


def by_lapack(x: Array) -> Result:
    value, vjp = smooth(x)
    return value * np.linalg.det(np.eye(3) * x[0]), vjp


def of_another_shape(x: Array) -> Result:
    value, vjp = smooth(x)
    return value if x.dtype == np.float64 else value[None], vjp


def lacking_a_key(x: Array) -> Result:
    value, _ = smooth(x)
    return value, lambda _: {}


POINT = np.array([0.3, -1.2, 0.7, 2.1])
UPWARDS = np.array([1.3, 0.4, -0.9, -2.2])


@each_carrier
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (cast_at_the_start, "value"),
        (cast_on_the_way, "value, x: rounded to fewer digits somewhere inside"),
        (kept_in_a_buffer, "value, x: rounded to fewer digits somewhere inside"),
        (by_the_math_module, "value, x: rounded to fewer digits somewhere inside"),
        (cast_in_the_vjp, "x is float64"),
        (cast_and_back_in_the_vjp, "x: rounded to fewer digits somewhere inside"),
        (by_lapack, "raised "),
        (of_another_shape, "value has shape (1, 4), (4,) in float64"),
        (lacking_a_key, "raised KeyError: 'x'"),
    ],
)
def test_what_is_no_wider_is_not_taken_for_the_truth(
    body: Callable[..., Result], reason: str, carrier: str
) -> None:
    if carrier == "longdouble" and not longdouble_is_wider():
        pytest.skip("np.longdouble is float64 on this platform")
    outcome = in_extended_precision(body, {"x": POINT}, UPWARDS, ["x"], carrier=carrier)
    assert isinstance(outcome, NotCarried)
    assert outcome.reasons[carrier].startswith(reason)
    assert "\n" not in str(outcome)


def test_a_downcast_to_float32_is_seen_in_float64_too() -> None:
    def body(x: Array) -> Result:
        t = np.tanh(x.astype(np.float32)).astype(x.dtype)
        return t * t, lambda u: {"x": 2 * u * t * (1 - t * t)}

    x, u = POINT.astype(np.float32), UPWARDS.astype(np.float32)
    outcome = in_extended_precision(body, {"x": x}, u, ["x"], carrier="float64")
    assert outcome == NotCarried({"float64": "value, x: rounded to fewer digits somewhere inside"})


def linear(x: Array) -> Result:
    return 3 * x, lambda u: {"x": 3 * u}


def constant(x: Array) -> Result:
    return np.ones_like(x), lambda u: {"x": 0 * u}


def relu(x: Array) -> Result:
    return np.maximum(x - POINT[0], 0), lambda u: {"x": np.where(x > POINT[0], u, 0)}


def normalised(x: Array) -> Result:
    """Σ softmax(x): its gradient is zero, and what is computed is rounding."""
    e = np.exp(x - np.max(x))
    p = e / e.sum()
    return p.sum() + x.sum(), lambda u: {"x": p * (u - (p * u).sum()) + u}


def masked(x: Array) -> Result:
    """Exactly zero in some places, by a constant that is no array of its dtype."""
    mask = np.array([1.0, 0.0, 1.0, 0.0])
    return mask * x * x, lambda u: {"x": 2 * u * mask * x}


@each_carrier
@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1.0, 1e30, 1e300])
@pytest.mark.parametrize("body", [smooth, linear, constant, relu, normalised, masked])
def test_what_is_wider_is_taken_at_any_scale(
    body: Callable[..., Result], scale: float, carrier: str
) -> None:
    if carrier == "longdouble" and not longdouble_is_wider():
        pytest.skip("np.longdouble is float64 on this platform")
    magnitude = 2.0 ** round(math.log2(scale))

    def scaled(x: Array) -> Result:
        value, vjp = body(x)
        return value * magnitude, lambda u: vjp(u * magnitude)

    u = seed_cotangent(np.asarray(body(POINT)[0]))
    outcome = in_extended_precision(scaled, {"x": POINT}, u, ["x"], carrier=carrier)
    assert isinstance(outcome, Extended), outcome
    value, vjp = scaled(POINT)
    got = {"value": np.asarray(value), **vjp(u)}
    for each in digits_lost(got, {"value": outcome.value, **outcome.cotangents}):
        assert each.ulps_at_scale < 4


@each_carrier
def test_empty_arrays_and_what_is_no_number_pass_through(carrier: str) -> None:
    if carrier == "longdouble" and not longdouble_is_wider():
        pytest.skip("np.longdouble is float64 on this platform")

    def body(x: Array, y: Array, power: int, name: str) -> Result:
        assert name == "cube"
        return x**power, lambda u: {"x": power * u * x ** (power - 1), "y": 0 * y}

    primals: Any = {"x": POINT, "y": np.zeros((0, 3)), "power": 3, "name": "cube"}
    outcome = in_extended_precision(body, primals, UPWARDS, ["x", "y"], carrier=carrier)
    assert isinstance(outcome, Extended), outcome
    assert outcome.cotangents["y"].shape == (0, 3)
    # WideArray that float64 has not: the cube of a double is not one.
    assert np.any(outcome.value != POINT**3)


def test_the_truth_by_mpmath_is_the_derivative_to_fifty_digits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(np, "longdouble", np.float64)
    outcome = in_extended_precision(smooth, {"x": POINT}, UPWARDS, ["x"])
    assert isinstance(outcome, Extended)
    with mpmath.workdps(60):
        for i, (x, u) in enumerate(zip(POINT, UPWARDS, strict=True)):
            t = mpmath.tanh(mpmath.mpf(x))
            truth = 2 * u * t * (1 - t * t)
            assert abs(outcome.cotangents["x"][i] / truth - 1) < mpmath.mpf(10) ** (2 - DIGITS)


def test_inputs_are_left_alone_and_so_is_the_precision_of_others() -> None:
    def greedy(x: Array) -> Result:
        value, vjp = smooth(x * 1)
        x *= 0
        return value, vjp

    x, u = POINT.copy(), UPWARDS.copy()
    before = mpmath.mp.dps
    in_extended_precision(greedy, {"x": x}, u, ["x"], carrier="mpmath")
    np.testing.assert_array_equal(x, POINT)
    np.testing.assert_array_equal(u, UPWARDS)
    assert mpmath.mp.dps == before
    assert not hasattr(mpmath.mpf(1), "tanh")


def test_work_is_refused_before_it_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    def products(x: Array) -> Result:
        return x @ x @ x, lambda u: {"x": u @ x}

    square = np.random.default_rng(0).standard_normal((70, 70))
    outcome = in_extended_precision(products, {"x": square}, square, ["x"], carrier="mpmath")
    assert outcome == NotCarried({"mpmath": "raised RuntimeError: more than 400,000 operations"})
    large = np.ones(5001)
    outcome = in_extended_precision(smooth, {"x": large}, large, ["x"], carrier="mpmath")
    assert outcome == NotCarried({"mpmath": "too large: 5,001 entries, of 5,000"})
    if longdouble_is_wider():
        monkeypatch.setattr(carriers, "SLOW", 0.0)
        outcome = in_extended_precision(smooth, {"x": POINT}, UPWARDS, ["x"], carrier="longdouble")
        assert str(outcome).startswith("longdouble: too slow: float64 takes ")


def test_an_unknown_carrier_is_refused() -> None:
    with pytest.raises(ValueError, match=r"carrier.*'decimal'.*float64, longdouble, mpmath"):
        in_extended_precision(smooth, {"x": POINT}, UPWARDS, ["x"], carrier="decimal")


def test_no_carrier_is_narrower_than_what_it_judges() -> None:
    outcome = in_extended_precision(smooth, {"x": POINT}, UPWARDS, ["x"], carrier="float64")
    assert outcome == NotCarried({"float64": "no wider than float64"})


def test_why_not_is_told_of_every_carrier_that_is_wider() -> None:
    outcome = in_extended_precision(lacking_a_key, {"x": POINT}, UPWARDS, ["x"])
    wider = ["longdouble", "mpmath"] if longdouble_is_wider() else ["mpmath"]
    assert outcome == NotCarried(dict.fromkeys(wider, "raised KeyError: 'x'"))
    assert str(outcome) == "; ".join(f"{carrier}: raised KeyError: 'x'" for carrier in wider)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ulps_are_spacings_at_the_exact_entry(dtype: type[np.floating[Any]]) -> None:
    exact = np.array([[1.0, 3.0, -4.0], [1e-20, 0.0, 0.0]])
    got = exact.astype(dtype)
    exact = got.astype(np.longdouble if dtype is np.float64 else np.float64)
    got[0, 1] += 3 * np.spacing(got[0, 1])
    got[1, 0] -= 5 * np.spacing(got[1, 0])
    errors = ulp_errors(got, exact)
    np.testing.assert_array_equal(errors.errors, [[0, 3, 0], [5, 0, 0]])
    assert errors.index == (1, 0)
    assert errors.max == 5
    assert errors.median == 0
    got[1, 2] = 1e-30
    assert ulp_errors(got, exact).index == (1, 2)
    assert ulp_errors(got, exact).max == np.inf


@wide_longdouble
def test_fractions_of_an_ulp_are_seen() -> None:
    exact = np.asarray(np.longdouble(1) + np.longdouble(2) ** -54)
    assert ulp_errors(np.asarray(1.0), exact).errors == 0.25


def test_what_is_not_finite_is_infinitely_wrong_unless_it_should_be() -> None:
    got = np.array([np.nan, np.inf, np.inf, 1.0])
    exact = np.array([1.0, 1.0, np.inf, 1.0], np.longdouble)
    np.testing.assert_array_equal(ulp_errors(got, exact).errors, [np.inf, np.inf, 0, 0])
    lost = digits_lost({"x": got}, {"x": exact})[0]
    assert lost.digits == 0
    assert lost.index == (0,)


def test_beside_an_entry_that_is_nearly_zero_an_error_is_infinitely_many_ulps() -> None:
    assert ulp_errors(np.array([1.0]), np.array([1e-320], np.longdouble)).max == np.inf


def test_cancellation_shows_where_digits_are_lost() -> None:
    """1 - cos x = 2 sin²(x/2): at x = 1e-4 the first has half of its digits."""
    x = np.array([1.0, 1e-4])
    exact = 2 * np.sin(x.astype(np.longdouble) / 2) ** 2
    cancelled, careful = (
        digits_lost({"x": form}, {"x": exact})[0]
        for form in (1 - np.cos(x), 2 * np.sin(x / 2) ** 2)
    )
    assert cancelled.argument == "x"
    assert cancelled.index == (1,)
    assert cancelled.got == 1 - np.cos(1e-4)
    assert cancelled.exact == pytest.approx(5e-9)
    assert cancelled.ulps_at_scale < 2
    assert cancelled.ulps_at_entry > 1e6
    assert 7 < cancelled.digits < 10
    assert careful.ulps_at_entry < 4
    assert careful.digits > 15


def test_a_right_result_has_all_digits_of_its_dtype_and_zero_beside_others_their_scale() -> None:
    exact = {"x": np.array([1.0, 2.0]), "zero": np.array([1e-25]), "empty": np.zeros(0)}
    got = {name: array.astype(np.float32) for name, array in exact.items()}
    got["zero"] += np.float32(1e-7)
    right, noisy = digits_lost(got, exact)
    assert (right.argument, noisy.argument) == ("x", "zero")
    assert right.digits == pytest.approx(7.22, abs=0.01)
    assert right.ulps_at_scale == right.ulps_at_entry == 0
    assert noisy.ulps_at_scale == pytest.approx(1e-7 / 2**-22, rel=1e-6)
    assert noisy.digits == 0
