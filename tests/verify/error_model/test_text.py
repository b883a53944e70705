"""The numbers in verify/README.md, computed again from what the code has for its constants."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import verify
from reference_impls import COMPUTATIONS, DTYPES, Manual, draw
from reference_impls.computation import cast
from verify.checks.compare import APART
from verify.checks.first_order import dot_test, extremes, hull, kink, remarks
from verify.checks.first_order.stability import JUMPING
from verify.error_model.arrays import unit_roundoff
from verify.error_model.measurement import DRAWS, PROBES, nudged
from verify.error_model.noise import CALM, EXCUSE, INSTABILITY, SAFETY
from verify.oracles import careful, complex_step, derivative, estimate, one_sided
from verify.user import checker

U32, U64 = unit_roundoff(np.float32), unit_roundoff(np.float64)
TEXT = " ".join((Path(verify.__file__).parent / "README.md").read_text("utf-8").split())
MILLION = 10**6

median_of_largest = stats.norm.isf((1 - 0.5 ** (1 / MILLION)) / 2)


def probability_of_spread_below(fraction: float, points: int) -> float:
    """That √(χ²ₖ/k), for k points, is less."""
    return float(stats.chi2.cdf(points * fraction**2, points))


def beyond(multiple: float, points: int) -> float:
    """That an error exceeds a multiple of the deviation estimated from so many others."""
    return float(2 * stats.t.sf(multiple, points))


def missed(share: float, unit: float) -> float:
    """That one Gaussian direction does not see a fault of a share of the gradient."""
    tolerance = 2 * SAFETY * unit  # noise as large as scale
    return float(stats.chi2.cdf((tolerance / share) ** 2, 1))


def most_of_a_smooth_entry() -> float:
    """Of moves by whole roundings up to `INSTABILITY`, the bound that is taken, over those by one.

    The mean square of the whole numbers from -m to m is m (m + 1)/3.
    """
    return float(np.sqrt(INSTABILITY * (INSTABILITY + 1) / 2 / JUMPING))


def power_of_two(number: float) -> str:
    return "2" + str(round(np.log2(number))).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def worst_case(n: int) -> float:
    return n * U64 / (1 - n * U64)


@pytest.mark.parametrize(
    "said",
    [
        f"{U64:.1e} in float64, {U32:.1e} in float32".replace("e-08", "e-8"),
        f"in float64 that is {np.sqrt(1000) * U64:.1e} in place of {worst_case(1000):.1e}.",
        f"**SAFETY = {SAFETY:g}.**",
        f"{np.sqrt(2 * np.log(MILLION)):.1f} ",
        f"(its median is {median_of_largest:.1f} ",
        f" for {100 * probability_of_spread_below(1 / 3, PROBES):.2f} % of all entries",
        f"|t₆| > {SAFETY:g} has probability {beyond(SAFETY, PROBES):.1e}",
        f"`check` takes {checker.NOISE_PROBES} points, where |t₂| > {SAFETY:g} has probability ",
        f"|t₂| > {SAFETY:g} has probability {beyond(SAFETY, checker.NOISE_PROBES):.1e}",
        f"**PROBES = {PROBES}.**",
        f"with probability {probability_of_spread_below(0.1, PROBES):.1e}; of two, ",
        f"; of two, {probability_of_spread_below(0.1, 2):.1e}.",
        f"**EXCUSE = {EXCUSE:g}.**",
        f"√n for n ≤ 10⁵ is below {SAFETY:g} · {EXCUSE:g} = {SAFETY * EXCUSE:g}.",
        f"{SAFETY * EXCUSE:g} u = {SAFETY * EXCUSE * U32:.1e} of usual + scale",
        f"**INSTABILITY = {INSTABILITY:g}.**",
        f"`check` tries h = {power_of_two(derivative.QUICK_STEP)} first",
        f"with δ = {power_of_two(kink.BESIDE)}.",
        f"from steps of {power_of_two(hull.STEP)} and twice that",
        f"when {hull.STALE} in a row have",
        f"Where they still do after {hull.MOST}, the check is inconclusive.",
        f"the derivatives along {kink.RAYS} rays are held",
        f"against those of a linear map of the {kink.TANGENTS} tangents",
        f"steps from {power_of_two(one_sided.INSIDE[0])} to {power_of_two(one_sided.INSIDE[-1])}",
        f"t is more than {dot_test.RESOLVED:.0e} of them",
        f"√(2/π) t/r ≈ {np.sqrt(2 / np.pi):.1f} t/r",
        f"t is at most {2 * SAFETY:g} u: {2 * SAFETY * U64:.1e} in float64, ",
        f" in float64, {2 * SAFETY * U32:.1e} in float32.",
        f"one direction with probability {missed(5e-4, U64):.1e} and {missed(5e-4, U32):.1e}, ",
        f"two with {missed(5e-4, U64) ** 2:.1e} and {missed(5e-4, U32) ** 2:.1e}.",
        f"two directions in float32 with probability {missed(1e-3, U32) ** 2:.1e}.",
        f"no more than {EXCUSE:g} times (the largest entry of the others",
        f"{SAFETY:g} · 2⁻²⁹ r = {SAFETY * U64 / U32:.1e} r.",
        f"about 1/h units: {U64 ** (-1 / 3):.1e} at h = u^(1/3)",
        f"than {INSTABILITY} times the gradient's size, and for {EXCUSE:g} times in float32",
        f"at a distance {careful.FAR / careful.NEAR:g} times as long",
        f"steps from {power_of_two(dot_test.BESIDE[0])} to {power_of_two(dot_test.BESIDE[1])}",
        f"no more than {SAFETY:g} times as many in float64 as in float32",
        f"in float64 as in float32, and no more than {INSTABILITY} there.",
        f"The bar is {estimate.NOISE_FACTOR:g} times its noise",
        f"no less than {estimate.NOISE_FACTOR:g} times the measured noise of φ over h",
        f"a look at {extremes.FAR:g} times the primals",
        f"1/u₃₂, {1 / U32:.1e})",
        f"in float64 within {INSTABILITY} roundings",
        f"the error within {dot_test.CREDIBLE:g} bars",
        f"the quietest {CALM:.0%} of them have {APART:g} times less",
        f"about {round(most_of_a_smooth_entry(), -2):,.0f} times what it moves within one",
    ],
)
def test_a_number_in_the_text_is_the_one_computed(said: str) -> None:
    assert said in TEXT


def test_what_a_smooth_entry_moves_farther_away_is_what_the_text_says() -> None:
    """Measured as noise is: differences from the first of points that are rounded at random."""
    rng = np.random.default_rng(0)
    near, far = (rng.integers(-most, most + 1, (DRAWS + 1, 200_000)) for most in (1, INSTABILITY))
    spread, jump = (np.sqrt(np.mean(np.square(x[1:] - x[0]), axis=0)) for x in (near, far))
    ratio = np.sqrt(np.mean(jump**2) / np.mean(spread**2) / JUMPING)
    assert ratio == pytest.approx(most_of_a_smooth_entry(), rel=0.01)


def test_a_jump_is_seldom_seen_at_fewer_points_than_are_counted_on() -> None:
    assert stats.binom.cdf(JUMPING * DRAWS - 1, DRAWS, 0.5) < 2e-4


def test_of_few_points_an_entry_is_seldom_quiet_by_chance() -> None:
    """The root mean square of as few normal errors as `check` measures."""
    quiet = checker.NOISE_PROBES / APART**2  # of so many squares, the sum is less than that
    assert stats.chi2.cdf(quiet, checker.NOISE_PROBES) == pytest.approx(1e-4, rel=0.01)


def test_neighbouring_points_share_their_roundings_as_the_text_says() -> None:
    """b̄₂ of a network in float32, a sum of a thousand rows: the mean error is nearly all of it."""
    network = next(each for each in COMPUTATIONS if each.name == "donsker_varadhan")
    rng, unit = np.random.default_rng(0), np.ones(())
    errors = []
    for primals, _ in nudged(draw(network, 1_000, np.float64, 34), unit, rng):
        narrow, wide = (
            Manual().make_vjp(network, cast(primals, dtype))[1](unit.astype(dtype))["b2"]
            for dtype in DTYPES
        )
        errors.append(narrow - wide)
    shared = np.mean(np.square(np.mean(errors, axis=0))) / np.mean(np.square(errors))
    assert shared > 0.9  # of six independent errors it would be a sixth


def test_the_safety_factor_is_the_product_that_it_is_derived_as() -> None:
    assert SAFETY >= 5 * 3 * 2
    assert np.log2(SAFETY) == round(np.log2(SAFETY))
    assert np.sqrt(10**5) < SAFETY * EXCUSE


def test_what_nothing_excuses_is_what_the_text_says() -> None:
    assert (remarks.FEW_DIGITS, dot_test.GROSS) == (1 / 100, 1 / 1000)
    assert "more than a hundredth of the gradient's terms and a thousandth of the value's" in TEXT
    assert (careful.ORDERS[0], careful.ORDERS[-1]) == (3, 6)
    assert "by its third to sixth differences" in TEXT


def test_the_step_of_the_complex_step_is_the_one_in_the_text() -> None:
    assert complex_step.COMPLEX_STEP == 2.0**-100
    assert "h = 2⁻¹⁰⁰" in TEXT


def test_a_gaussian_direction_misses_a_fault_as_rarely_as_the_text_says() -> None:
    """Where it says 8 % of faults ten times the tolerance, of any direction in 50 dimensions."""
    rng = np.random.default_rng(0)
    fault = rng.uniform(size=50)
    fault /= np.linalg.norm(fault)
    seen = np.abs(rng.standard_normal((20_000, 50)) @ fault)
    expected = 0.8 * 0.1
    assert np.mean(seen < 0.1) == pytest.approx(expected, rel=0.1)


def test_the_noise_of_few_points_is_distributed_as_the_text_says() -> None:
    samples = np.random.default_rng(0).standard_normal((200_000, PROBES + 1))
    deviations = np.sqrt(np.mean(np.square(samples[:, 1:]), axis=1))
    below = probability_of_spread_below(1 / 3, PROBES)
    assert np.mean(deviations < 1 / 3) == pytest.approx(below, rel=0.15)
    exceeding = np.mean(np.abs(samples[:, 0]) > 6 * deviations)
    assert exceeding == pytest.approx(beyond(6, PROBES), rel=0.3)
