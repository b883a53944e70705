from collections.abc import Callable

import numpy as np
import pytest

from tests.verify.oracles.shared import SCALES, Smooth, each_smooth
from verify.oracles.estimate import Estimate, Scalar
from verify.oracles.one_sided import Sides, inside_guard, is_folded, one_sided


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


def along_rays(f: Callable[[np.ndarray], float], x: np.ndarray, seed: int, count: int = 8) -> bool:
    """Is f folded along so many random rays?"""
    rays = np.random.default_rng(seed).standard_normal((count, x.size))
    phis = [lambda h, ray=ray: f(x + h.real * ray) for ray in rays]
    return is_folded(phis, rays, noise=1e-15 * abs(f(x)))


@pytest.mark.parametrize("constant", [0.0, 1e3])
@pytest.mark.parametrize("scale", SCALES)
def test_the_median_of_what_is_equal_is_folded(scale: float, constant: float) -> None:
    for seed in range(20):
        assert along_rays(lambda x: scale * (constant + float(np.median(x))), np.ones(3), seed)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(
    "f",
    [
        lambda x: float(np.median(x)),
        lambda x: float(np.exp(5 * x).sum()),
        lambda x: float(np.sin(30 * x).prod()),
        lambda x: 1e3 + float((x**3).sum()),
        lambda x: float(np.sort(x) @ np.arange(3)),
    ],
    ids=["median", "exp", "sin", "cubes", "sorted"],
)
def test_where_a_function_has_a_derivative_it_is_not_folded(
    f: Callable[[np.ndarray], float], scale: float
) -> None:
    for seed in range(20):
        x = np.random.default_rng(seed).standard_normal(3)
        assert not along_rays(lambda x: scale * f(x), x, seed)


def test_kinks_nearby_are_no_fold() -> None:
    """Steps of 2⁻²⁴ meet some of them, and longer steps others."""
    for seed in range(20):
        near = 1e-8 * np.arange(-10, 10)

        def f(x: np.ndarray, near: np.ndarray = near) -> float:
            return float(np.abs(x[:, None] - near).sum())

        assert not along_rays(f, np.full(3, 3e-9), seed)


@pytest.mark.parametrize("guard", [1e-4, 1e-8, 1e-12, 1e-20])
@pytest.mark.parametrize("scale", SCALES)
def test_inside_a_guard_short_steps_find_the_derivative(scale: float, guard: float) -> None:
    estimate = inside_guard(lambda h: scale * h.real / max(abs(h.real), guard))
    assert estimate.value == pytest.approx(scale / guard, abs=estimate.error_bar)
    assert estimate.error_bar <= 1e-9 * scale / guard


def test_where_short_steps_move_nothing_they_tell_nothing() -> None:
    assert not np.isfinite(inside_guard(lambda h: float(np.round(1e3 + h.real))).error_bar)


def test_at_a_jump_no_step_is_short_enough() -> None:
    estimate = inside_guard(lambda h: float(np.sign(h.real)))
    assert estimate.error_bar >= abs(estimate.value) / 4
