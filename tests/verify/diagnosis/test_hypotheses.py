import numpy as np
import pytest

from reference_impls import Arrays
from tests.verify.diagnosis.shared import ARGUMENTS, SHAPES, KnownGradient, each_dtype, each_size
from verify.oracles.estimate import Estimate


@each_dtype
@each_size
def test_no_pattern_is_claimed_of_garbage(size: int, dtype: str) -> None:
    seeds = 30 if size < 100_000 else 2
    for seed in range(seeds):
        for argument in ARGUMENTS:
            known = KnownGradient(SHAPES[size], dtype, seed)
            shape = known.gradient[argument].shape
            known.assert_found("one argument", argument, known.rng.standard_normal(shape))


@each_dtype
@pytest.mark.parametrize("scale", [1e-9, 1e-4, 1.0, 1e6])
def test_no_pattern_is_claimed_of_garbage_of_any_size(dtype: str, scale: float) -> None:
    for seed in range(10):
        known = KnownGradient(SHAPES[1_000], dtype, seed)
        garbage = {n: scale * known.rng.standard_normal(g.shape) for n, g in known.gradient.items()}
        assert known.diagnose(garbage).fault == "unknown"


@each_dtype
def test_a_pattern_in_one_argument_is_told_beside_garbage_in_another(dtype: str) -> None:
    known = KnownGradient(SHAPES[1_000], dtype)
    found = known.diagnose(
        {"x": known.rng.standard_normal((40, 25)), "W": np.roll(known.gradient["W"], 2, axis=0)}
    )
    assert (found.fault, found.argument) == ("roll", "W")
    assert "that of x is wrong too" in found.sentence


@pytest.mark.parametrize(
    "estimate", [Estimate(np.nan, 0.0, "none"), Estimate(1.0, np.inf, "none"), None]
)
def test_an_oracle_that_knows_nothing_leaves_it_unknown(estimate: Estimate | None) -> None:
    def truth(_: Arrays) -> Estimate:
        if estimate is None:
            raise FloatingPointError
        return estimate

    known = KnownGradient(SHAPES[6], "float64")
    found = known.diagnose({"x": 2 * known.gradient["x"]}, truth=truth)
    assert found.fault == "unknown"
    assert found.sentence == "the oracle is too blunt to tell how every gradient is wrong"


def test_a_blunt_oracle_makes_no_claim_that_it_cannot_see() -> None:
    known = KnownGradient(SHAPES[1_000], "float64", bar=1.0)
    assert known.diagnose({"x": 1.5 * known.gradient["x"]}).fault == "unknown"


def test_of_garbage_seen_through_a_blunt_oracle_no_pattern_is_claimed() -> None:
    for seed in range(20):
        known = KnownGradient(SHAPES[6], "float64", seed, bar=0.7)
        garbage = {n: 3 * known.rng.standard_normal(g.shape) for n, g in known.gradient.items()}
        assert known.diagnose(garbage).fault in {"unknown", "one argument"}


def test_an_oracle_with_a_wide_bar_still_sees_what_is_wider() -> None:
    known = KnownGradient(SHAPES[1_000], "float64", bar=1e-5)
    found = known.diagnose({"x": 2 * known.gradient["x"]})
    assert (found.fault, found.argument) == ("constant factor", "x")
    assert "is 2 times what" in found.sentence


def test_without_an_entry_there_is_nothing_to_diagnose() -> None:
    with pytest.raises(ValueError, match="no gradient with an entry"):
        KnownGradient({"x": (0, 3)}, "float64").diagnose({})


def test_empty_arguments_are_passed_over() -> None:
    known = KnownGradient({"x": (0, 3), "y": (4,)}, "float64")
    found = known.diagnose({"y": -known.gradient["y"]})
    assert (found.fault, found.argument) == ("sign", "y")
