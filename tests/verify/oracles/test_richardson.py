import numpy as np
import pytest

from reference_impls import Array
from tests.verify.oracles.shared import SCALES
from verify.oracles.estimate import Scalar
from verify.oracles.richardson import richardson


@pytest.mark.parametrize("level", [1e-15, 1e-12, 1e-9, 1e-6, 1e-3])
@pytest.mark.parametrize("scale", SCALES)
def test_noise_in_a_function_widens_the_bar_beyond_the_error(level: float, scale: float) -> None:
    for seed in range(30):

        def phi(h: Scalar, seed: int = seed) -> float:
            bits = int(np.float64(h.real).view(np.uint64))
            noise = np.random.default_rng([seed, bits]).standard_normal()
            return scale * float(np.exp(0.3 + h.real) + level * noise)

        estimate = richardson(phi)
        assert abs(estimate.value - scale * np.exp(0.3)) <= estimate.error_bar
        assert estimate.error_bar >= level * scale


@pytest.mark.parametrize("side", [-1, 1])
def test_a_kink_nearby_is_never_met_with_confidence(side: int) -> None:
    rng = np.random.default_rng(0)
    for distance in side * 10 ** rng.uniform(-13, 0, 300):
        bend, tilt = rng.standard_normal(2)

        def phi(h: Scalar, bend: float = bend, tilt: float = tilt, at: float = distance) -> float:
            return tilt * float(np.exp(h.real)) + bend * abs(h.real - at)

        estimate = richardson(phi)
        assert abs(estimate.value - (tilt - side * bend)) <= estimate.error_bar


def test_at_a_kink_the_bar_reaches_the_derivatives_on_both_sides() -> None:
    estimate = richardson(abs)
    assert estimate.error_bar >= 1


def test_kinks_on_both_sides_are_never_met_with_confidence() -> None:
    """Their jumps cancel in φ(h) - 2 φ(0) + φ(-h), and not in its slope."""
    rng = np.random.default_rng(0)
    for power in rng.uniform(-7, -3, 100):
        at = 10**power * rng.choice([-1, 1], 8)
        bends = rng.standard_normal(8)
        truth = bends @ -np.sign(at)

        def phi(h: Scalar, at: Array = at, bends: Array = bends) -> float:
            return float(bends @ np.abs(h.real - at))

        estimate = richardson(phi)
        assert abs(estimate.value - truth) <= estimate.error_bar
