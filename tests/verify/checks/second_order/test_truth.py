import numpy as np
import pytest

from reference_impls.computation import Arrays
from verify.checks.second_order.question import Question
from verify.checks.second_order.truth import ByComplexStep, ByDifferences, GradientOracle, NoTruth
from verify.error_model.arrays import pair
from verify.oracles.estimate import NOISE_POINTS

X = {"x": np.array([0.5, -1.0, 2.0])}


def question() -> Question:
    return Question.drawn(X, ("x",), "float64", np.random.default_rng(0))


def cubes(primals: Arrays) -> Arrays:
    """The gradient of Σ x³."""
    return {"x": 3 * primals["x"] ** 2}


def exact(tangents: Arrays) -> Arrays:
    return {"x": 6 * X["x"] * tangents["x"]}


def test_a_complex_step_has_every_entry() -> None:
    asked = question()
    truth = GradientOracle(asked, cubes).truth(4)
    assert isinstance(truth, ByComplexStep)
    np.testing.assert_allclose(truth.of_v["x"], exact(asked.v)["x"], rtol=1e-14)
    assert truth.estimate.value == pytest.approx(pair(exact(asked.w), asked.v), rel=1e-14)


def test_without_complex_numbers_there_is_one_number() -> None:
    def real(primals: Arrays) -> Arrays:
        if np.iscomplexobj(primals["x"]):
            raise TypeError("real numbers only")
        return cubes(primals)

    asked = question()
    truth = GradientOracle(asked, real).truth(4)
    assert isinstance(truth, ByDifferences)
    error = abs(truth.estimate.value - pair(exact(asked.w), asked.v))
    assert error <= truth.estimate.error_bar
    assert truth.still > 0


def test_a_gradient_that_raises_is_no_truth() -> None:
    def raising(primals: Arrays) -> Arrays:
        raise ArithmeticError(f"no gradient of {len(primals)}")

    truth = GradientOracle(question(), raising).truth(4)
    assert isinstance(truth, NoTruth)
    assert "raised ArithmeticError: no gradient of 1" in truth.reason


def test_a_domain_that_ends_within_a_step_leaves_shorter_ones() -> None:
    def near_its_end(primals: Arrays) -> Arrays:
        if np.iscomplexobj(primals["x"]) or np.any(np.abs(primals["x"] - X["x"]) > 1e-4):
            raise ValueError("beyond the end")
        return cubes(primals)

    asked = question()
    oracle = GradientOracle(asked, near_its_end)
    assert isinstance(oracle.truth(4), NoTruth)
    truth = oracle.truth(NOISE_POINTS)
    assert isinstance(truth, ByDifferences)
    error = abs(truth.estimate.value - pair(exact(asked.w), asked.v))
    assert error <= truth.estimate.error_bar <= 1e-6


def test_no_gradient_is_evaluated_twice_at_a_point() -> None:
    seen: list[bytes] = []

    def remembered(primals: Arrays) -> Arrays:
        seen.append(np.asarray(primals["x"], complex).tobytes())
        return cubes(primals)

    oracle = GradientOracle(question(), remembered)
    for points in (4, 4, NOISE_POINTS):
        oracle.truth(points)
    assert len(seen) == len(set(seen))
