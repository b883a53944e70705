from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from reference_impls import Array
from verify.oracles.complex_step import complex_step
from verify.oracles.estimate import Scalar


@pytest.mark.parametrize(
    ("f", "slope"),
    [
        (lambda x: x, lambda _: 1),
        (lambda x: x * x, lambda x: 2 * x),
        (lambda x: 1 / x, lambda x: -1 / (x * x)),
    ],
    ids=["x", "x²", "1/x"],
)
def test_the_bar_covers_what_cancellation_leaves(
    f: Callable[[Array], Array], slope: Callable[[Fraction], Fraction]
) -> None:
    """Weights up to 10⁸ that cancel to nine digits; the truth is summed in fractions."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        half = rng.standard_normal(50) * 10.0 ** rng.integers(0, 8, 50)
        weights = np.concatenate([half, -half * (1 + 1e-9 * rng.standard_normal(50))])
        x, v = np.tile(rng.uniform(0.5, 2, (2, 50)), 2)
        terms = zip(*(map(Fraction, numbers.tolist()) for numbers in (weights, x, v)), strict=True)
        truth = sum(w * slope(at) * way for w, at, way in terms)

        estimate = complex_step(lambda h, w=weights, x=x, v=v: np.sum(w * f(x + h * v)).item())  # type: ignore[misc]

        assert abs(Fraction(estimate.value) - truth) <= estimate.error_bar


@pytest.mark.parametrize("weight", [1.0, 1e-3, 1e-6, 1e-9, 1e-12])
def test_at_a_kink_the_complex_step_is_as_unsure_as_the_jump_is_large(weight: float) -> None:
    """Which side of it a complex number is on, code decides in its own way."""

    def phi(h: Scalar) -> Scalar:
        right = h.real > 0 or (h.real == 0 and h.imag > 0)
        value: Scalar = np.exp(1 + h) + (weight * h if right else 0)
        return value

    estimate = complex_step(phi, 3)
    for slope in (0, weight):
        assert abs(estimate.value - np.e - slope) <= estimate.error_bar + 1e-15
