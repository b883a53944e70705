import numpy as np
import pytest

from tests.verify.oracles.shared import SCALES, Smooth, each_smooth
from verify.oracles.estimate import Estimate, Scalar
from verify.oracles.one_sided import Sides, one_sided


def both(sides: Sides) -> tuple[Estimate, Estimate]:
    return sides.left, sides.right


@each_smooth
@pytest.mark.parametrize("scale", SCALES)
def test_where_a_function_is_smooth_both_sides_have_its_derivative(
    smooth: Smooth, scale: float
) -> None:
    for seed in range(50):
        rng = np.random.default_rng(seed)
        x, v = rng.uniform(-1, 1), rng.uniform(0.1, 3)
        for estimate in both(one_sided(smooth.along(x, v, scale))):
            assert abs(estimate.value - scale * v * smooth.slope(x)) <= estimate.error_bar
            assert estimate.error_bar <= 1e-4 * scale * v


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("constant", [0.0, 1.0, 1e3])
def test_at_a_kink_each_side_has_its_own(constant: float, scale: float) -> None:
    for seed in range(50):
        tilt, bend = np.random.default_rng(seed).standard_normal(2)

        def phi(h: Scalar, tilt: float = tilt, bend: float = bend) -> float:
            return scale * (constant + tilt * float(np.sin(h.real)) + bend * abs(h.real))

        for side, estimate in zip((-1, 1), both(one_sided(phi)), strict=True):
            assert abs(estimate.value - scale * (tilt + side * bend)) <= estimate.error_bar
            assert estimate.error_bar <= 1e-5 * scale * (1 + constant)


def test_curvature_does_not_bend_one_side() -> None:
    sides = one_sided(lambda h: 1e3 * h.real**2 + abs(h))
    for side, estimate in zip((-1, 1), both(sides), strict=True):
        assert estimate.value == pytest.approx(side, rel=1e-8)


def test_at_a_jump_the_bar_of_one_side_covers_that_of_the_other() -> None:
    sides = one_sided(lambda h: float(h.real > 0))
    assert abs(sides.left.value - sides.right.value) <= sides.error_bar
