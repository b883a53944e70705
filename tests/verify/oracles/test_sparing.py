"""Many derivatives from few values: right within their bars, and an end to what they cost."""

import numpy as np
import pytest

from reference_impls.computation import Array
from tests.verify.oracles.shared import SCALES
from verify.oracles.estimate import Functional, Scalar
from verify.oracles.sparing import ENTRIES, MOST, RESERVE, Sparing, SpentError

TANGENTS = 40


def value(x: Array) -> float:
    return float(np.sum(np.sin(3 * x) + x**3))


def slope(x: Array) -> Array:
    return np.asarray(3 * np.cos(3 * x) + 3 * x**2)


class Counted:
    """φ along one tangent, which counts its values."""

    def __init__(self, x: Array, v: Array, scale: float, count: list[int]) -> None:
        self.x, self.v, self.scale, self.count = x, v, scale, count

    def __call__(self, h: Scalar) -> Scalar:
        self.count[0] += 1
        return self.scale * value(self.x + h.real * self.v)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("scale", SCALES)
def test_every_derivative_is_right_within_its_bar_and_costs_two_values(
    scale: float, dtype: str
) -> None:
    for seed in range(10):
        rng, count = np.random.default_rng(seed), [0]
        x = rng.standard_normal(20)
        sparing = Sparing(1e-16 * scale * abs(value(x)), dtype)
        for _ in range(TANGENTS):
            v = rng.standard_normal(20)
            terms = scale * slope(x) * v
            size = float(np.linalg.norm(terms))
            found = sparing.along(Counted(x, v, scale, count), size, is_entry=False)
            assert abs(found.value - terms.sum()) <= found.error_bar
            assert found.error_bar <= 1e-6 * size
        assert count[0] <= 2 * TANGENTS + 12


def test_a_few_entries_are_told_to_ten_digits() -> None:
    x, count = np.random.default_rng(0).standard_normal(20), [0]
    sparing = Sparing(1e-15, "float64")
    for flat in range(18):
        v = np.zeros(20)
        v[flat] = 1
        known = float(slope(x)[flat])
        found = sparing.along(Counted(x, v, 1.0, count), abs(known), is_entry=True)
        assert abs(found.value - known) <= found.error_bar
        assert found.error_bar <= (1e-9 if flat < ENTRIES else 1e-6) * (1 + abs(known))


def near_kinks(x: Array) -> float:
    """|x| at 10⁻⁶ from its kink: no step longer than that may be taken."""
    return float(np.abs(x - 1e-6).sum())


def test_kinks_nearby_make_the_step_shorter() -> None:
    rng = np.random.default_rng(0)
    sparing = Sparing(1e-21, "float64")
    for _ in range(10):
        v = rng.standard_normal(5)
        found = sparing.along(
            lambda h, v=v: near_kinks(h.real * v),  # type: ignore[misc]
            float(np.linalg.norm(v)),
            is_entry=False,
        )
        assert found.value == pytest.approx(-v.sum(), abs=found.error_bar)
        assert found.error_bar <= 1e-6


def test_what_is_zero_beside_its_terms_is_known_to_be() -> None:
    rng = np.random.default_rng(1)
    sparing = Sparing(1e-16, "float64")
    for _ in range(10):
        shift = rng.standard_normal()
        found = sparing.along(lambda h, s=shift: 1 + h.real**3 * s, 1.0, is_entry=False)  # type: ignore[misc]
        assert abs(found.value) <= found.error_bar <= 1e-6


@pytest.mark.parametrize("is_sharp", [True, False])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_there_is_an_end_and_an_entry_can_be_told_after_it(dtype: str, *, is_sharp: bool) -> None:
    x, count = np.random.default_rng(0).standard_normal(20), [0]
    sparing = Sparing(1e-15, dtype, is_sharp=is_sharp)
    phi: Functional = Counted(x, np.ones(20), 1.0, count)
    while count[0] < MOST[dtype]:
        sparing.along(phi, 1.0, is_entry=False)
    with pytest.raises(SpentError):
        sparing.along(phi, 1.0, is_entry=False)
    assert MOST[dtype] <= count[0] <= MOST[dtype] + RESERVE
    found = sparing.along(phi, 1.0, is_entry=True)
    assert found.value == pytest.approx(slope(x).sum(), abs=found.error_bar)
