from collections.abc import Callable, Mapping

import numpy as np
import pytest

from reference_impls.computation import Array, Arrays
from verify.checks.second_order.question import OnOneGraph, Question


def point(seed: int) -> Arrays:
    rng = np.random.default_rng(seed)
    return {"x": rng.standard_normal(3), "y": rng.standard_normal(3)}


def doubled(primals: Arrays, v: Arrays) -> Arrays:
    return {name: 2 * primals[name] * v[name] for name in v}


def test_a_graph_is_built_once_for_all_tangents() -> None:
    built = []

    def linearise(primals: Arrays) -> Callable[[Mapping[str, Array]], Arrays]:
        built.append(primals)
        return lambda v: doubled(primals, dict(v))

    hvp, x, other = OnOneGraph(linearise), point(0), point(1)
    for primals in (x, x, other, other, x):
        np.testing.assert_array_equal(hvp(primals, other)["x"], doubled(primals, other)["x"])
    assert built == [x, other, x]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_tangents_are_independent_and_of_their_primals_scale(dtype: str) -> None:
    primals = {"x": np.full(1000, 1e-3, dtype), "n": np.arange(3)}
    question = Question.drawn(primals, ("x",), dtype, np.random.default_rng(0))
    for tangents in (question.v, question.w):
        assert tangents.keys() == {"x"}
        assert tangents["x"].dtype == dtype
        assert np.std(tangents["x"]) == pytest.approx(1e-3, rel=0.1)
    assert abs(np.corrcoef(question.v["x"], question.w["x"])[0, 1]) < 0.1
    assert question.floating.keys() == {"x"}


def test_a_question_without_entries_is_empty() -> None:
    primals = {"x": np.zeros((0, 2)), "y": np.ones(2)}
    rng = np.random.default_rng(0)
    assert Question.drawn(primals, ("x",), "float64", rng).is_empty
    assert not Question.drawn(primals, ("x", "y"), "float64", rng).is_empty
