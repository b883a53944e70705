from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from reference_impls import Array
from tests.verify.oracles.shared import SCALES, Smooth, each_smooth
from verify.oracles.derivative import between_kinks, derivative, quickly
from verify.oracles.estimate import Estimate, Functional, Scalar, noise_of
from verify.oracles.richardson import richardson

POINT = np.array([0.3, -1.2, 2.0])
WAY = np.array([1.0, 0.5, -2.0])


@each_smooth
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(("oracle", "bar"), [(derivative, 1e-13), (richardson, 1e-9)])
def test_a_smooth_function_gets_a_narrow_bar_that_covers_the_error(
    smooth: Smooth, scale: float, oracle: Callable[[Functional], Estimate], bar: float
) -> None:
    for seed in range(50):
        rng = np.random.default_rng(seed)
        x, v = rng.uniform(-1, 1), rng.uniform(0.1, 3)
        truth = scale * v * smooth.slope(x)
        estimate = oracle(smooth.along(x, v, scale))
        # The truth, too, is rounded: a few units in its last place.
        assert abs(estimate.value - truth) <= estimate.error_bar + 4 * np.spacing(abs(truth))
        assert estimate.error_bar <= bar * scale * v


@each_smooth
def test_an_analytic_function_is_left_to_the_complex_step(smooth: Smooth) -> None:
    assert derivative(smooth.along(0.3, 1.0, 1.0)).oracle == "complex step"


@pytest.mark.parametrize(
    ("f", "truth"),
    [
        (lambda x: np.sum(np.abs(x)), np.sign(POINT) @ WAY),
        (np.linalg.norm, POINT @ WAY / np.linalg.norm(POINT)),
        (lambda x: np.max(np.abs(x)), WAY[2]),
        (lambda x: np.vdot(x, x), 2 * POINT @ WAY),
        (lambda x: np.real(x[0]) * x[1], WAY[0] * POINT[1] + POINT[0] * WAY[1]),
        (lambda x: np.linalg.svd(np.outer(x, x))[1][0], 2 * POINT @ WAY),
    ],
    ids=["abs", "norm", "max of abs", "vdot", "real", "svd"],
)
def test_code_that_is_silently_wrong_on_complex_numbers_is_left_to_richardson(
    f: Callable[[Array], Any], truth: float
) -> None:
    estimate = derivative(lambda h: f(POINT + h * WAY).item())
    assert estimate.oracle == "Richardson"
    assert abs(estimate.value - truth) <= estimate.error_bar <= 1e-9


def test_the_largest_of_complex_numbers_has_the_slope_of_the_largest_real_one() -> None:
    estimate = derivative(lambda h: np.max(POINT + h * WAY).item())
    assert abs(estimate.value - WAY[2]) <= estimate.error_bar <= 1e-9


@pytest.mark.parametrize("error", [TypeError, ValueError, RuntimeError, np.linalg.LinAlgError])
def test_code_that_raises_on_complex_numbers_is_left_to_richardson(error: type[Exception]) -> None:
    def phi(h: Scalar) -> float:
        if isinstance(h, complex):
            raise error
        return float(np.cbrt(1 + h))

    estimate = derivative(phi)
    assert estimate.oracle == "Richardson"
    assert abs(estimate.value - 1 / 3) <= estimate.error_bar <= 1e-9


def test_code_that_casts_complex_numbers_to_real_is_left_to_richardson_without_a_word() -> None:
    estimate = derivative(lambda h: np.sum(np.exp(POINT + h * WAY).astype(np.float64)).item())
    assert estimate.oracle == "Richardson"
    assert abs(estimate.value - np.exp(POINT) @ WAY) <= estimate.error_bar <= 1e-9


def test_any_other_error_of_the_code_is_not_swallowed() -> None:
    def phi(_: Scalar) -> float:
        raise KeyError

    with pytest.raises(KeyError):
        derivative(phi)


def real_alone(phi: Functional) -> Functional:
    def real(h: Scalar) -> Scalar:
        if isinstance(h, complex):
            raise TypeError("real numbers alone")
        return phi(h)

    return real


NO_SCALE = (0.0,) * 3


@each_smooth
@pytest.mark.parametrize("scale", SCALES)
def test_quickly_is_along_several_directions_what_derivative_is_along_one(
    smooth: Smooth, scale: float
) -> None:
    for seed in range(50):
        rng = np.random.default_rng(seed)
        x, ways = rng.uniform(-1, 1), rng.uniform(0.1, 3, 3)
        phis = [smooth.along(x, v, scale) for v in ways]
        noise = max(noise_of([phi(k * 2.0**-44).real for k in range(8)]) for phi in phis)
        alone = [real_alone(phi) for phi in phis]
        for found in (quickly(phis, NO_SCALE, noise), quickly(alone, NO_SCALE, noise)):
            for v, estimate in zip(ways, found, strict=True):
                truth = scale * v * smooth.slope(x)
                assert abs(estimate.value - truth) <= estimate.error_bar + 4 * np.spacing(
                    abs(truth)
                )
                assert estimate.error_bar <= 3e-7 * scale * v


def test_quickly_takes_one_complex_number_a_direction() -> None:
    steps: list[Scalar] = []

    def phi(h: Scalar) -> Scalar:
        steps.append(h)
        return complex(np.exp(h)) if isinstance(h, complex) else float(np.exp(h))

    found = quickly([phi] * 3, NO_SCALE, 0.0)
    assert {estimate.oracle for estimate in found} == {"complex step"}
    assert sum(isinstance(h, complex) for h in steps) == 3
    assert len(steps) <= 7


@pytest.mark.parametrize("side", [-1, 1])
def test_quickly_too_has_a_bar_that_reaches_the_derivative_beside_a_kink(side: int) -> None:
    rng = np.random.default_rng(1)
    for distance in side * 10 ** rng.uniform(-13, 0, 300):
        bend, tilt = rng.standard_normal(2)

        def phi(h: Scalar, bend: float = bend, tilt: float = tilt, at: float = distance) -> float:
            return tilt * float(np.exp(h.real)) + bend * abs(h.real - at)

        for estimate in quickly([phi, phi], NO_SCALE[:2], 0.0):
            assert abs(estimate.value - (tilt - side * bend)) <= estimate.error_bar


def with_many_kinks(seed: int) -> tuple[Functional, float, float]:
    """Σ w max(z + h v, 0) over a hundred thousand terms, its derivative, and their size."""
    z, tangent, weights = np.random.default_rng(seed).standard_normal((3, 100_000))
    terms = weights * tangent * (z > 0)

    def phi(h: Scalar) -> Scalar:
        return float(np.sum(weights * np.maximum(z + h * tangent, 0)))

    return phi, float(np.sum(terms)), float(np.linalg.norm(terms))


def test_quickly_finds_room_between_a_hundred_thousand_kinks() -> None:
    for seed in range(5):
        phi, truth, size = with_many_kinks(seed)
        for scale in (0.0, size):
            (estimate,) = quickly([real_alone(phi)], [scale], 0.0)
            assert abs(estimate.value - truth) <= estimate.error_bar
            assert estimate.error_bar <= 1e-6 * (scale or abs(truth))


def test_between_kinks_there_is_a_second_opinion_as_sharp() -> None:
    for seed in range(20):
        phi, truth, size = with_many_kinks(seed)
        first = quickly([real_alone(phi)], [size], 0.0)[0]
        second = between_kinks(phi, size, 0.0)
        assert second.value != first.value
        assert abs(second.value - truth) <= second.error_bar <= 1e-6 * size


def test_quickly_a_derivative_that_is_small_by_chance_need_not_be_known_better() -> None:
    evaluations: list[Scalar] = []

    def phi(h: Scalar) -> Scalar:
        evaluations.append(h)
        return 1 + float(1e-3 * np.sin(h) + 1e-3 * np.abs(h - 2**-20))

    counts, bars = [], []
    for scale in (0.0, 1.0):
        evaluations.clear()
        (estimate,) = quickly([real_alone(phi)], [scale], 0.0)
        assert abs(estimate.value) <= estimate.error_bar
        counts.append(len(evaluations))
        bars.append(estimate.error_bar)
    assert counts[1] <= 9 < counts[0]
    assert bars[1] <= 2**-22


@pytest.mark.parametrize("weight", [1.0, 1e-3, 1e-5, 1e-7, 1e-8])
@pytest.mark.parametrize("at", [0.0, 1.0])
def test_a_modulus_beside_larger_terms_is_found_or_allowed_for(at: float, weight: float) -> None:
    """At 0 it has no derivative, and a central difference of zero, as its complex step."""
    estimate = derivative(lambda h: np.exp(h) + weight * np.abs(at + h), 3)
    slopes = (1 + weight, 1 - weight) if at == 0 else (1 + weight,)
    for slope in slopes:
        assert abs(estimate.value - slope) <= estimate.error_bar + 1e-15
