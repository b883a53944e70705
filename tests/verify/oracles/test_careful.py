"""Derivatives from values that end nearby, that lose digits, or that do not move."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import special

from reference_impls import Array
from verify.oracles.careful import carefully, noise_of_digits, noise_of_steps, reach_of
from verify.oracles.estimate import BLUNT, NOISE_FACTOR, Functional, Scalar
from verify.oracles.richardson import richardson

RealFunction = Callable[[float], float]
PhiOf = Callable[..., Functional]

STILL = 2.0**-52
"""A step that moves no number of size 1 by more than its last digit."""

LONGEST_STEP, NEXT = 2.0**-4, 2.0**5
"""Of a table, and how many times shorter each that is tried after it."""


def along(f: RealFunction, x: float, v: float = 1.0) -> Functional:
    """φ(h) = f(x + h v), with NaN beyond f's domain."""

    def phi(h: Scalar) -> float:
        with np.errstate(all="ignore"):
            return float(f(x + h.real * v))

    return phi


def raising(f: RealFunction, x: float, v: float = 1.0) -> Functional:
    """The same of a function that says so when it is asked beyond its domain."""
    phi = along(f, x, v)

    def phi_or_raise(h: Scalar) -> float:
        value = float(np.real(phi(h)))
        if not np.isfinite(value):
            raise ValueError("beyond the domain")
        return value

    return phi_or_raise


ENDS: list[tuple[str, RealFunction, float, RealFunction]] = [
    ("log", np.log, 1e-8, lambda x: 1 / x),
    ("sqrt", np.sqrt, 1e-8, lambda x: 0.5 / np.sqrt(x)),
    ("logit", special.logit, 1 - 1e-6, lambda x: 1 / x / (1 - x)),
    ("arctanh", np.arctanh, 1 - 1e-8, lambda x: 1 / (1 - x) / (1 + x)),
    ("arccos", np.arccos, 1 - 1e-10, lambda x: -1 / np.sqrt((1 - x) * (1 + x))),
    ("arcsin, at the other end", np.arcsin, 1e-7 - 1, lambda x: 1 / np.sqrt((1 - x) * (1 + x))),
    ("x log x", lambda x: x * np.log(x), 1e-6, lambda x: np.log(x) + 1),
    ("x to the 3/2", lambda x: np.power(x, 1.5), 1e-7, lambda x: 1.5 * np.sqrt(x)),
    ("far within", np.log, 3.0, lambda x: 1 / x),
]
each_end = pytest.mark.parametrize(
    ("f", "x", "slope"), [each[1:] for each in ENDS], ids=[each[0] for each in ENDS]
)


@each_end
@pytest.mark.parametrize("phi_of", [along, raising])
def test_near_the_end_of_a_domain_the_derivative_is_known_to_some_digits(
    f: RealFunction,
    x: float,
    slope: RealFunction,
    phi_of: PhiOf,
) -> None:
    for v in (1.0, *np.random.default_rng(0).uniform(0.1, 1, 30)):
        estimate = carefully(phi_of(f, x, v))
        truth = slope(x) * v
        assert abs(estimate.value - truth) <= estimate.error_bar <= 1e-3 * abs(truth)


@each_end
def test_the_longest_step_stays_within_the_domain(
    f: RealFunction, x: float, slope: RealFunction
) -> None:
    del slope
    phi = along(f, x)
    reach = reach_of(phi)
    assert reach > 0
    assert np.isfinite([phi(reach), phi(-reach)]).all()
    # It is not shorter than it need be.
    assert reach == LONGEST_STEP or not np.isfinite([phi(NEXT * reach), phi(-NEXT * reach)]).all()


@pytest.mark.parametrize("phi_of", [along, raising])
def test_at_the_end_itself_nothing_is_claimed(
    phi_of: PhiOf,
) -> None:
    estimate = carefully(phi_of(np.sqrt, 0.0))
    assert reach_of(phi_of(np.sqrt, 0.0)) == 0
    assert np.isnan(estimate.value)
    assert estimate.error_bar == np.inf


def in_float32(f: RealFunction) -> RealFunction:
    """A float64 function that rounds to float32 inside."""
    return lambda x: float(f(np.float32(x)))  # type: ignore[arg-type]


PLATEAUS: list[tuple[str, RealFunction, float, RealFunction]] = [
    ("exp", np.exp, 0.3, np.exp),
    ("sine", np.sin, 1.1, np.cos),
    ("square", lambda x: x * x, 0.7, lambda x: 2 * x),
    ("tanh", np.tanh, -0.9, lambda x: 1 - np.tanh(x) ** 2),
    ("logarithm", np.log, 5.0, lambda x: 1 / x),
]
each_plateau = pytest.mark.parametrize(
    ("f", "x", "slope"), [each[1:] for each in PLATEAUS], ids=[each[0] for each in PLATEAUS]
)


@each_plateau
def test_float32_inside_float64_is_met_with_a_bar_of_its_own_rounding(
    f: RealFunction, x: float, slope: RealFunction
) -> None:
    # Along a v of no particular length: over a power of two, float32 may happen to be exact.
    phi = along(in_float32(f), x, v=1 / 3)
    truth = slope(x) / 3
    estimate = carefully(phi)
    assert abs(estimate.value - truth) <= estimate.error_bar <= 1e-3 * abs(truth)
    assert estimate.is_all_there_is


@each_plateau
def test_its_rounding_shows_between_points_that_lie_apart_alone(
    f: RealFunction, x: float, slope: RealFunction
) -> None:
    del slope
    phi = along(in_float32(f), x, v=1 / 3)
    rounding = np.finfo(np.float32).eps * abs(np.real(phi(0.0)))
    assert noise_of_digits(phi) < 1e-3 * rounding
    assert 0.05 * rounding < noise_of_steps(phi, reach_of(phi)) < 10 * rounding


@each_plateau
def test_equal_entries_of_a_table_are_no_digits(
    f: RealFunction, x: float, slope: RealFunction
) -> None:
    """Few values are to be had in float32, and differences are equal by chance."""
    beyond = []
    for v in np.random.default_rng(0).uniform(0.1, 1, 100):
        estimate = carefully(along(in_float32(f), x, v=v))
        beyond.append(abs(estimate.value - slope(x) * v) / estimate.error_bar)
    # Eight points do not tell a deviation exactly.
    assert max(beyond) < 2
    assert np.mean(np.asarray(beyond) > 1) <= 0.01


@pytest.mark.parametrize("x", [-4.0, -5.0, -6.0, -7.0])
def test_the_staircase_of_a_tail_is_noise(x: float) -> None:
    """1 + erf moves in steps of the last digit of 1, and erfc does not."""
    coarse = along(lambda t: 0.5 * (1 + special.erf(t / np.sqrt(2))), x)
    fine = along(special.ndtr, x)
    truth = np.exp(-x * x / 2) / np.sqrt(2 * np.pi)
    estimate = carefully(coarse)
    assert abs(estimate.value - truth) <= estimate.error_bar
    assert 1e-18 < noise_of_steps(coarse, reach_of(coarse)) < 1e-15
    assert noise_of_steps(fine, reach_of(fine)) == 0
    assert carefully(fine).error_bar < estimate.error_bar


@pytest.mark.parametrize(
    "f",
    [
        np.exp,
        np.sin,
        np.tanh,
        lambda x: x**5 - 3 * x**2,
        lambda x: 1 / (1 + x * x),
        lambda x: np.sin(20 * x),
    ],
)
@pytest.mark.parametrize("x", [0.3, -1.7, 4.1])
def test_a_smooth_function_has_no_noise_beyond_its_digits(f: RealFunction, x: float) -> None:
    phi = along(f, x)
    assert noise_of_steps(phi, reach_of(phi)) == 0


@pytest.mark.parametrize("at", [0.0, 2.0**-9, 1e-4, -3e-6, -1e-2])
@pytest.mark.parametrize("bend", [1e-3, 1.0, 40.0])
def test_a_kink_is_not_taken_for_noise(at: float, bend: float) -> None:
    phi = along(lambda x: np.exp(x) + bend * abs(x - at), 0.0)
    assert noise_of_steps(phi, reach_of(phi)) == 0


@pytest.mark.parametrize("level", [1e-13, 1e-10, 1e-7, 1e-4])
def test_noise_is_told_by_its_standard_deviation(level: float) -> None:
    def noisy(x: float, seed: int = 0) -> float:
        bits = int(np.float64(x).view(np.uint64))
        return float(np.exp(x) + level * np.random.default_rng([seed, bits]).standard_normal())

    measured = []
    for seed in range(40):
        phi = along(lambda x, seed=seed: noisy(x, seed), 0.3)  # type: ignore[misc]
        measured.append(noise_of_steps(phi, reach_of(phi)))
    # Eight points say little, and the least of four orders is taken.
    assert sum(each > 0 for each in measured) >= 38
    assert 0.2 * level < np.median(measured) < 1.2 * level


@pytest.mark.parametrize("level", [5e-16, 1e-12, 1e-8, 1e-5])
def test_noise_widens_the_bar_beyond_the_error(level: float) -> None:
    for seed in range(20):

        def phi(h: Scalar, seed: int = seed) -> float:
            bits = int(np.float64(h.real).view(np.uint64))
            noise = np.random.default_rng([seed, bits]).standard_normal()
            return float(np.exp(0.3 + h.real) + level * noise)

        estimate = carefully(phi)
        assert abs(estimate.value - np.exp(0.3)) <= estimate.error_bar
        assert level < estimate.error_bar < 1e5 * level


@pytest.mark.parametrize("level", [1e-12, 1e-8])
@pytest.mark.parametrize("waves", [30.0, 3e4])
def test_noise_beside_waves_widens_it_as_well(waves: float, level: float) -> None:
    """Between points that lie apart, waves look like no noise."""
    for seed in range(15):

        def wavy(x: float, seed: int = seed) -> float:
            bits = int(np.float64(x).view(np.uint64))
            noise = np.random.default_rng([seed, bits]).standard_normal()
            return float(np.sin(waves * x) + level * noise)

        estimate = carefully(along(wavy, 0.3))
        assert abs(estimate.value - waves * np.cos(0.3 * waves)) <= estimate.error_bar


COARSE: list[tuple[str, Callable[..., float], float, float]] = [
    ("1 - cos", lambda x: 1 - np.cos(x), 1e-9, 1e-9),
    ("1 - cos, further", lambda x: 1 - np.cos(x), 3e-9, 3e-9),
    ("log cosh by its definition", lambda x: np.log(np.cosh(x)), 1e-9, 1e-9),
    ("sqrt(1 + x²) - 1", lambda x: np.sqrt(1 + x * x) - 1, 2e-9, 2e-9),
]


@pytest.mark.parametrize(
    ("f", "x", "slope"), [each[1:] for each in COARSE], ids=[each[0] for each in COARSE]
)
def test_what_is_too_coarse_to_move_leaves_room_for_its_derivative(
    f: Callable[..., float], x: float, slope: float
) -> None:
    phi = along(f, x, v=x)
    single = along(lambda t: f(np.float32(t)), x, v=x)
    estimate = carefully(phi, single)
    assert estimate.value == 0
    assert abs(slope * x) <= estimate.error_bar
    assert estimate.error_bar <= NOISE_FACTOR * STILL
    assert estimate.is_all_there_is
    # Without float32 nothing tells it from a step of the function's own.
    assert carefully(phi).error_bar < abs(slope * x)


STAIRCASES: list[tuple[str, Callable[..., float], float]] = [
    ("round", np.round, 0.3),
    ("floor", np.floor, 1.7),
    ("sign", np.sign, -0.4),
    ("dead ReLU", lambda x: max(x, 0 * x), -1.3),
    ("hard sigmoid", lambda x: min(max(x / 6 + 0.5, 0 * x), 1 + 0 * x), 50.0),
    ("to a tenth", lambda x: np.round(10 * x) / 10, 0.33),
]


@pytest.mark.parametrize(
    ("f", "x"), [each[1:] for each in STAIRCASES], ids=[each[0] for each in STAIRCASES]
)
def test_a_step_of_the_functions_own_leaves_no_room_for_a_slope(
    f: Callable[..., float], x: float
) -> None:
    single = along(lambda t: f(np.float32(t)), x)
    estimate = carefully(along(f, x), single)
    assert estimate.value == 0
    # Of a value of size 1, the last digit over the first step.
    assert estimate.error_bar < 1e-12


@pytest.mark.parametrize("x", [-2.0, 0.1, 1.5])
@pytest.mark.parametrize("f", [np.exp, np.sin, np.tanh, lambda x: x**3])
def test_it_is_as_good_as_any_where_nothing_is_odd(f: RealFunction, x: float) -> None:
    estimate, usual = carefully(along(f, x)), richardson(along(f, x))
    assert abs(estimate.value - usual.value) <= estimate.error_bar + usual.error_bar
    assert estimate.error_bar <= BLUNT * abs(estimate.value)


@pytest.mark.parametrize("side", [-1, 1])
def test_a_kink_nearby_is_never_met_with_confidence(side: int) -> None:
    rng = np.random.default_rng(0)
    for distance in side * 10 ** rng.uniform(-13, 0, 100):
        bend, tilt = rng.standard_normal(2)

        def kinked(x: float, bend: float = bend, tilt: float = tilt, at: float = distance) -> float:
            return float(tilt * np.exp(x) + bend * abs(x - at))

        estimate = carefully(along(kinked, 0.0))
        assert abs(estimate.value - (tilt - side * bend)) <= estimate.error_bar


def test_kinks_on_both_sides_are_never_met_with_confidence() -> None:
    """Their jumps cancel in φ(h) - 2 φ(0) + φ(-h), and not in its slope."""
    rng = np.random.default_rng(0)
    for power in rng.uniform(-7, -3, 100):
        places = 10**power * rng.choice([-1, 1], 8)
        bends = rng.standard_normal(8)

        def kinked(x: float, places: Array = places, bends: Array = bends) -> float:
            return float(bends @ np.abs(x - places))

        estimate = carefully(along(kinked, 0.0))
        assert abs(estimate.value - bends @ -np.sign(places)) <= estimate.error_bar


@pytest.mark.parametrize("beside", [1e4, 1e8, 1e12])
def test_a_weak_term_beside_a_large_number_is_known_to_few_digits(beside: float) -> None:
    for x in np.random.default_rng(0).uniform(-3, 3, 100):
        estimate = carefully(along(lambda t: beside + np.sin(t), x, v=1 / 3))
        assert abs(estimate.value - np.cos(x) / 3) <= estimate.error_bar
        assert np.spacing(beside) <= estimate.error_bar <= 1e3 * np.spacing(beside)
