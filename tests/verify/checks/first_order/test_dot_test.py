"""The dot test on its own: what it sees, how it says it, and when it says nothing."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from reference_impls import DTYPES, Array, Arrays, Computation, Manual
from reference_impls.computation import Vjp
from reference_impls.function import Implementation
from tests.verify.shared import cases_of
from verify import check
from verify.checks.case import CatalogueCase, Result
from verify.checks.check import Check, Violation, severity
from verify.checks.first_order.appeal import Appeal
from verify.checks.first_order.dot_test import CREDIBLE, DotTest, OracleTest
from verify.checks.first_order.explanation import contract_check
from verify.checks.first_order.kink import KinkTest, noises_beside
from verify.checks.first_order.observation import Broken
from verify.checks.first_order.oracle import Oracle, Values
from verify.checks.noises import Noises
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
    by_hand=wave,
)


@dataclass(frozen=True)
class Made:
    """A case, the right result with its noise, and what an oracle says."""

    case: CatalogueCase
    noises: Noises
    result: Result
    oracle: Oracle

    @property
    def function(self) -> Implementation:
        return Implementation(self.case.computation, Manual())

    @property
    def test(self) -> DotTest:
        return DotTest(self.case, self.noises.allowed, self.result)

    def of(self, result: Result) -> DotTest:
        return replace(self.test, result=result)


def made(dtype: str = "float64", computation: Computation = WAVE) -> Made:
    (case,) = cases_of(computation, SIZE, 0, [dtype], [Manual()])
    function = Implementation(computation, Manual())
    noises = Noises.of(case, [function])
    value, vjp = function.make_vjp(case.primals)
    result = Result("manual", value, vjp(case.cotangent))
    oracle = Oracle.of(Values(case, function.forward), noises.allowed, NOISE_POINTS)
    return Made(case, noises, result, oracle)


def times(result: Result, factor: float, name: str = "y") -> Result:
    array = result.cotangents[name]
    scaled = (array * factor).astype(array.dtype)
    return replace(result, cotangents=result.cotangents | {name: scaled})


def test_the_functional_pairs_the_cotangent_with_the_value_along_a_line() -> None:
    it = made("float32")
    case = it.case
    phi = it.oracle.values.along(case.directions[0])
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
    it = made(dtype)
    assert not it.oracle.kinks
    for position, estimate in enumerate(it.oracle.estimates):
        found = it.test.along(position, estimate)
        assert (found.verdict, found.against) == ("agree", COMPLEX)
        assert found.worst is not None
        assert found.worst.error <= found.worst.tolerance


@pytest.mark.parametrize(("dtype", "error"), [("float64", 1e-12), ("float32", 5e-4)])
def test_a_relative_error_is_seen_along_every_direction(dtype: str, error: float) -> None:
    it = made(dtype)
    for position, estimate in enumerate(it.oracle.estimates):
        wrong = it.of(times(it.result, 1 + error))
        assert wrong.along(position, estimate).verdict == "disagree"


def test_the_worst_direction_is_told_with_the_diagnosis() -> None:
    it = made()
    doubled = replace(WAVE, by_hand=lambda x, y: (x * np.sin(y), lambda u: twice_y(x, y, u)))
    function = Implementation(doubled, Manual())
    wrong = OracleTest(
        it.of(times(it.result, 2)), it.oracle, Appeal(it.case, function, it.test.noise)
    )
    found = wrong.explained(wrong.worst(alone=False))
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
    it = made()
    exact = it.oracle.estimates[0]
    scale = it.test.along(0, exact).worst
    assert scale is not None
    blunt = replace(exact, error_bar=bar * scale.scale)
    assert it.test.along(0, blunt).verdict == verdict


def test_what_is_wrong_by_more_than_a_blunt_bar_disagrees_all_the_same() -> None:
    it = made()
    bar = 1e-2 * abs(it.oracle.estimates[0].value)
    blunt = replace(it.oracle.estimates[0], error_bar=bar)
    assert it.of(times(it.result, 3)).along(0, blunt).verdict == "disagree"


@pytest.mark.parametrize(
    ("bars", "verdict"), [(0.5 * CREDIBLE, "inconclusive"), (2 * CREDIBLE, "disagree")]
)
def test_a_blunt_bar_accuses_only_of_what_is_far_beyond_it(bars: float, verdict: str) -> None:
    it = made()
    exact = it.oracle.estimates[0]
    worst = it.test.along(0, exact).worst
    assert worst is not None
    bar = 1e3 * BLUNT * worst.scale
    for sign in (-1, 1):
        off = replace(exact, value=exact.value + sign * bars * bar, error_bar=bar)
        assert it.test.along(0, off).verdict == verdict
        sharp = replace(off, error_bar=1e-3 * BLUNT * worst.scale)
        assert it.test.along(0, sharp).verdict == "disagree"


def test_an_oracle_without_a_number_is_no_agreement() -> None:
    nothing = Estimate(np.nan, np.inf, "none")
    assert made().test.along(0, nothing).verdict != "agree"


def test_the_order_of_checks_is_by_verdict_then_by_error() -> None:
    it = made()
    estimate = it.oracle.estimates[0]
    close = it.test.along(0, estimate)
    wrong, worse = (it.of(times(it.result, factor)).along(0, estimate) for factor in (1.1, 2))
    plain = [Check("a", "k", "b", verdict) for verdict in ("unsupported", "inconclusive")]
    ordered = [close, *plain, wrong, worse]
    assert sorted([worse, close, wrong, *plain], key=severity) == ordered


NAN_IN_Y = Violation("not finite", "cotangent y[0] is not finite", "y")


def nan_gradient(x: Array, y: Array) -> tuple[Array, Vjp]:
    value, vjp = wave(x, y)
    return value, lambda u: vjp(u) | {"y": vjp(u)["y"] * np.nan}


def contract_of_nan(oracle: Oracle) -> Check:
    function = Implementation(replace(WAVE, by_hand=nan_gradient), Manual())
    return contract_check(made().case, function, Broken("manual", NAN_IN_Y), oracle, alone=False)


def test_no_number_is_wrong_where_the_oracle_has_one() -> None:
    found = contract_of_nan(made().oracle)
    assert found.verdict == "disagree"
    assert "got nan" in found.detail


def test_no_number_is_inconclusive_where_the_oracle_has_none() -> None:
    class Blind(Oracle):
        def truth(self, tangents: Arrays) -> Estimate:  # noqa: ARG002 -- as the oracle names it
            return Estimate(np.nan, np.inf, "none")

        by_values = truth

        def sides(self, tangents: Arrays) -> None:  # noqa: ARG002 -- likewise
            return None

    found = contract_of_nan(Blind(**vars(made().oracle)))
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
    it = made("float32", KINK)
    assert it.oracle.kinks
    errors = it.noises.allowed.errors
    wild = replace(it.noises.allowed, errors={n: np.full_like(e, 1e8) for n, e in errors.items()})
    calm = noises_beside(it.case, [it.function], Noises({}, wild))

    def checks(result: Result) -> list[Check]:
        test = DotTest(it.case, calm.allowed, result, "kink")
        return KinkTest(test, it.function, it.oracle).checks()

    for found in checks(it.result):
        assert found.verdict == "agree"
        assert found.worst is not None
        assert found.worst.tolerance < 1e-3
    wrong = times(it.result, 0.0, "y")
    outside = replace(wrong, cotangents=wrong.cotangents | {"y": 1.1 * it.case.cotangent})
    assert checks(outside)[1].verdict == "disagree"


def test_at_a_kink_the_sides_are_told_by_the_oracle() -> None:
    for sides in made("float64", KINK).oracle.kinks:
        assert sides.left.value == pytest.approx(-sides.right.value, rel=1e-6)


@pytest.mark.parametrize("weight", [1e-10, 1e-13, 1e-14])
@pytest.mark.parametrize(("factor", "verdict"), [(1, "agree"), (0, "disagree"), (-1, "disagree")])
def test_a_term_that_no_value_shows_is_judged_by_the_complex_step(
    weight: float, factor: int, verdict: str
) -> None:
    def weak(x: Array, w: Array) -> tuple[Array, Vjp]:
        value = np.sum(np.exp(x)) + weight * np.sum(w * w)
        return value, lambda u: (u * np.exp(x), factor * 2 * weight * u * w)  # type: ignore[return-value]

    for seed in range(5):
        x, w = np.random.default_rng(seed).standard_normal((2, 5))
        assert check(weak, (x, w), seed=seed).verdict == verdict


def test_a_dropped_gradient_that_the_values_show_no_more_is_not_said_to_be_right() -> None:
    """Beside a noise of 1e-10 a term of 1e-8 is seen by a second look, if it is seen at all."""

    def noisy(w: Array) -> tuple[Array, Vjp]:
        if np.iscomplexobj(w):
            raise TypeError("real numbers only")
        noise = np.random.default_rng(w.view(np.uint64)).uniform(-1e-10, 1e-10)
        return np.asarray(1.0 + 1e-8 * np.sum(w * w) + noise), lambda u: 0 * u * w

    draws = (np.random.default_rng(seed).standard_normal(5) for seed in range(10))
    reports = [check(noisy, w, seed=seed) for seed, w in enumerate(draws)]
    agreed = [str(report) for report in reports if report.verdict == "agree"]
    assert len(agreed) <= 5
    assert all("as far as values can show" in each for each in agreed)
