"""Jumps of what lies beside a point, and what is smooth there."""

import numpy as np
import pytest

from reference_impls import Array, Arrays
from verify.error_model.arrays import largest, unit_roundoff
from verify.error_model.jumps import REACH, in_noise, jumps_of
from verify.error_model.noise import SAFETY

U32 = unit_roundoff(np.float32)
X = np.random.default_rng(0).uniform(0.5, 2, 50).astype(np.float32)


def jump_of(x: Array, tie: float | Array = 0.0, height: float = 3.0) -> Array:
    """Of sin(x), and of a step at the tie."""

    def results(primals: Arrays) -> Arrays:
        moved = primals["x"]
        assert moved.dtype == np.float64
        return {"y": np.sin(moved) + height * (moved > tie)}

    return jumps_of(results, {"x": x}, np.random.default_rng(1))["y"]


def test_what_is_smooth_does_not_jump() -> None:
    assert largest(jump_of(X)) < 0.1 * U32


@pytest.mark.parametrize("roundings", [-20, -1, 0, 1, 20])
def test_a_tie_within_reach_is_seen_on_either_side(roundings: int) -> None:
    found = jump_of(X, tie=X * (1 + roundings * U32))
    np.testing.assert_allclose(found, 3.0, rtol=1e-6)


@pytest.mark.parametrize("roundings", [-3 * REACH, 3 * REACH])
def test_a_tie_beyond_it_is_not(roundings: int) -> None:
    assert largest(jump_of(X, tie=X * (1 + roundings * U32))) < 0.1 * U32


def test_an_entry_is_told_by_itself() -> None:
    tie = np.where(np.arange(X.size) == 7, X, 100.0)
    assert np.flatnonzero(jump_of(X, tie) > U32).tolist() == [7]


def test_what_cannot_be_had_beside_the_point_jumps_nowhere() -> None:
    def results(primals: Arrays) -> Arrays:
        if np.any(primals["x"] != X):
            raise ValueError("nowhere else")
        return {"y": primals["x"]}

    assert jumps_of(results, {"x": X}, np.random.default_rng(0)) == {}


def test_a_jump_is_allowed_once() -> None:
    allowed = SAFETY * U32 * in_noise(np.asarray(0.7))
    assert 0.7 < allowed < 0.7 * 1.001
