import numpy as np
import pytest

from tests.verify.diagnosis.shared import SHAPES, KnownGradient, each_dtype


@each_dtype
def test_where_several_arguments_are_garbage_they_are_named(dtype: str) -> None:
    known = KnownGradient(SHAPES[1_000], dtype)
    found = known.diagnose(
        {n: known.rng.standard_normal(known.gradient[n].shape) for n in ("x", "W")}
    )
    assert found.fault == "unknown"
    assert found.argument in {"x", "W"}
    other = {"x": "W", "W": "x"}[found.argument]
    assert found.sentence.endswith(f"; that of {other} is wrong too; that of b is right")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_is_told_with_the_true_entry(bad: float) -> None:
    known = KnownGradient(SHAPES[6], "float64")
    wrong = known.gradient["W"].copy()
    wrong[1, 2] = bad
    found = known.diagnose({"W": wrong})
    assert (found.fault, found.argument, found.index) == ("not finite", "W", "[1, 2]")
    assert abs(found.expected - known.gradient["W"][1, 2]) <= 1e-12
    assert found.sentence == "gradient of W is not finite in 1 of 6 entries"
