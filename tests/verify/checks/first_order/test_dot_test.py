"""The dot test on its own: what it sees, how it says it, and when it says nothing."""

from dataclasses import replace

import numpy as np
import pytest

from reference_impls import DTYPES, Array, Arrays, Computation, Manual
from reference_impls.computation import Vjp
from verify.checks.case import Case, Result, make_cases
from verify.checks.check import Check, Violation, severity
from verify.checks.first_order.dot_test import CREDIBLE, against_oracle, dot_test
from verify.checks.first_order.explanation import explained
from verify.checks.first_order.kink import at_kink, beside_kink
from verify.checks.first_order.oracle import Oracle, functional
from verify.oracles.estimate import BLUNT, NOISE_POINTS, Estimate

SIZE = 20
COMPLEX = "complex step"


def wave(x: Array, y: Array) -> tuple[Array, Vjp]:
    return x * np.sin(y), lambda u: {"x": u * np.sin(y), "y": u * x * np.cos(y)}


def sample(rng: np.random.Generator, size: int) -> Arrays:
    return {"x": rng.standard_normal(size), "y": rng.standard_normal(size)}


WAVE = Computation(
    name="wave",
    origin="x sin y",
    sample=sample,
    wrt=("x", "y"),
    sizes=(SIZE,),
    by_autograd=None,  # type: ignore[arg-type]
    by_torch=None,  # type: ignore[arg-type]
    by_hand=wave,
)


def made(dtype: str = "float64", computation: Computation = WAVE) -> tuple[Case, Result, Oracle]:
    """A case, the right result, and what an oracle says."""
    (case,) = make_cases(computation, SIZE, 0, [dtype], [Manual()])
    value, vjp = Manual().make_vjp(computation, case.primals)
    oracle = Oracle.of(case, Manual().forward, NOISE_POINTS)
    return case, Result("manual", value, vjp(case.cotangent)), oracle


def times(result: Result, factor: float, name: str = "y") -> Result:
    array = result.cotangents[name]
    scaled = (array * factor).astype(array.dtype)
    return replace(result, cotangents=result.cotangents | {name: scaled})


def test_the_functional_pairs_the_cotangent_with_the_value_along_a_line() -> None:
    case, _, _ = made("float32")
    phi = functional(case, case.directions[0], Manual().forward)
    x, y = (
        case.primals[name].astype(float) + 0.5 * case.directions[0][name].astype(float)
        for name in ("x", "y")
    )
    assert phi(0.5) == pytest.approx(
        np.sum(case.cotangent.astype(float) * x * np.sin(y)), rel=1e-14
    )
    assert isinstance(phi(1e-30j), complex)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_right_gradient_agrees_along_every_direction(dtype: str) -> None:
    case, result, oracle = made(dtype)
    assert not oracle.kinks
    for position, estimate in enumerate(oracle.estimates):
        found = dot_test(case, result, position, estimate)
        assert (found.verdict, found.against) == ("agree", COMPLEX)
        assert found.worst is not None
        assert found.worst.error <= found.worst.tolerance


@pytest.mark.parametrize(("dtype", "error"), [("float64", 1e-12), ("float32", 5e-4)])
def test_a_relative_error_is_seen_along_every_direction(dtype: str, error: float) -> None:
    case, result, oracle = made(dtype)
    for position, estimate in enumerate(oracle.estimates):
        wrong = times(result, 1 + error)
        assert dot_test(case, wrong, position, estimate).verdict == "disagree"


def test_the_worst_direction_is_told_with_the_diagnosis() -> None:
    case, result, oracle = made()
    doubled = replace(WAVE, by_hand=lambda x, y: (x * np.sin(y), lambda u: twice_y(x, y, u)))
    wrong = times(result, 2)
    found = against_oracle(replace(case, computation=doubled), Manual(), wrong, oracle)
    assert (found.verdict, found.fault) == ("disagree", "constant factor")
    assert "gradient of y" in found.detail
    assert "got" in found.detail
    assert "expected" in found.detail


def twice_y(x: Array, y: Array, u: Array) -> Arrays:
    gradients = wave(x, y)[1](u)
    return gradients | {"y": 2 * gradients["y"]}


@pytest.mark.parametrize(("bar", "verdict"), [(0.1 * BLUNT, "agree"), (10 * BLUNT, "inconclusive")])
def test_an_error_bar_that_resolves_too_little_is_inconclusive_and_never_agrees(
    bar: float, verdict: str
) -> None:
    case, result, oracle = made()
    exact = oracle.estimates[0]
    scale = dot_test(case, result, 0, exact).worst
    assert scale is not None
    blunt = replace(exact, error_bar=bar * scale.scale)
    assert dot_test(case, result, 0, blunt).verdict == verdict


def test_what_is_wrong_by_more_than_a_blunt_bar_disagrees_all_the_same() -> None:
    case, result, oracle = made()
    bar = 1e-2 * abs(oracle.estimates[0].value)
    blunt = replace(oracle.estimates[0], error_bar=bar)
    assert dot_test(case, times(result, 3), 0, blunt).verdict == "disagree"


@pytest.mark.parametrize(
    ("bars", "verdict"), [(0.5 * CREDIBLE, "inconclusive"), (2 * CREDIBLE, "disagree")]
)
def test_a_blunt_bar_accuses_only_of_what_is_far_beyond_it(bars: float, verdict: str) -> None:
    case, result, oracle = made()
    exact = oracle.estimates[0]
    worst = dot_test(case, result, 0, exact).worst
    assert worst is not None
    bar = 1e3 * BLUNT * worst.scale
    for sign in (-1, 1):
        off = replace(exact, value=exact.value + sign * bars * bar, error_bar=bar)
        assert dot_test(case, result, 0, off).verdict == verdict
        sharp = replace(off, error_bar=1e-3 * BLUNT * worst.scale)
        assert dot_test(case, result, 0, sharp).verdict == "disagree"


def test_an_oracle_without_a_number_is_no_agreement() -> None:
    case, result, _ = made()
    nothing = Estimate(np.nan, np.inf, "none")
    assert dot_test(case, result, 0, nothing).verdict != "agree"


def test_the_order_of_checks_is_by_verdict_then_by_error() -> None:
    case, result, oracle = made()
    close = dot_test(case, result, 0, oracle.estimates[0])
    wrong, worse = (
        dot_test(case, times(result, factor), 0, oracle.estimates[0]) for factor in (1.1, 2)
    )
    plain = [Check("a", "k", "b", verdict) for verdict in ("unsupported", "inconclusive")]
    ordered = [close, *plain, wrong, worse]
    assert sorted([worse, close, wrong, *plain], key=severity) == ordered


NAN_IN_Y = Violation("not finite", "cotangent y[0] is not finite", "y")


def nan_gradient(x: Array, y: Array) -> tuple[Array, Vjp]:
    value, vjp = wave(x, y)
    return value, lambda u: vjp(u) | {"y": vjp(u)["y"] * np.nan}


def test_no_number_is_wrong_where_the_oracle_has_one() -> None:
    case, _, oracle = made()
    wrong = Check("manual", "contract", "the primals", "disagree", NAN_IN_Y.sentence)
    there = replace(case, computation=replace(WAVE, by_hand=nan_gradient))
    found = explained(there, Manual(), wrong, NAN_IN_Y, oracle)
    assert found.verdict == "disagree"
    assert "got nan" in found.detail


def test_no_number_is_inconclusive_where_the_oracle_has_none() -> None:
    case, _, oracle = made()
    wrong = Check("manual", "contract", "the primals", "disagree", NAN_IN_Y.sentence)
    there = replace(case, computation=replace(WAVE, by_hand=nan_gradient))
    nothing = replace(
        oracle, truth=lambda _: Estimate(np.nan, np.inf, "none"), sides=lambda _: None
    )
    found = explained(there, Manual(), wrong, NAN_IN_Y, nothing)
    assert (found.verdict, found.fault) == ("inconclusive", "")


def absolute(x: Array, y: Array) -> tuple[Array, Vjp]:
    z = x - y
    return np.where(z > 0, z, -z), lambda u: {"x": u * np.sign(z), "y": -u * np.sign(z)}


def tied(rng: np.random.Generator, size: int) -> Arrays:
    x = rng.standard_normal(size)
    return {"x": x, "y": x.copy()}


KINK = replace(WAVE, by_hand=absolute, sample=tied)


def test_the_noise_at_a_kink_that_rounding_moves_is_taken_from_beside_it() -> None:
    """At x = y, moved by a rounding, either branch is taken: noise as large as the gradient."""
    case, result, oracle = made("float32", KINK)
    assert oracle.kinks
    wild = replace(
        case,
        noise=replace(
            case.noise,
            errors={name: np.full_like(array, 1e8) for name, array in case.noise.errors.items()},
        ),
    )
    calm = beside_kink(wild, [Manual()])
    for found in at_kink(calm, Manual(), result, oracle):
        assert found.verdict == "agree"
        assert found.worst is not None
        assert found.worst.tolerance < 1e-3
    wrong = times(result, 0.0, "y")
    outside = replace(wrong, cotangents=wrong.cotangents | {"y": 1.1 * case.cotangent})
    assert at_kink(calm, Manual(), outside, oracle)[1].verdict == "disagree"


def test_at_a_kink_the_sides_are_told_by_the_oracle() -> None:
    _, _, oracle = made("float64", KINK)
    for sides in oracle.kinks:
        assert sides.left.value == pytest.approx(-sides.right.value, rel=1e-6)
