import numpy as np

from reference_impls import Arrays
from tests.verify.diagnosis.shared import SHAPES, Case, each_dtype
from verify.oracles.estimate import Estimate


@each_dtype
def test_what_is_left_of_a_gradient_that_should_cancel_is_not_called_wrong(dtype: str) -> None:
    case = Case(SHAPES[1_000], dtype)
    case.gradient["b"] = np.zeros(25)
    residue = np.finfo(dtype).eps * case.rng.standard_normal(25)
    found = case.diagnose({"W": 2 * case.gradient["W"], "b": residue})
    assert found.sentence.endswith("2 times what it should be; those of x and b are right")


def test_many_arguments_are_searched_by_halving() -> None:
    shapes = {f"W{k}": (3, 5) for k in range(200)}
    case = Case(shapes, "float64")
    found = case.diagnose({name: 3.5 * case.gradient[name] for name in ("W17", "W120")})
    assert found.fault == "constant factor"
    assert found.sentence.startswith("each of the gradients of W17 and W120 is 3.5 times")
    case = Case(shapes, "float64")
    found = case.diagnose({name: 3.5 * g for name, g in case.gradient.items()})
    assert found.fault == "constant factor"
    assert "right" not in found.sentence


def test_an_argument_that_the_oracle_cannot_judge_is_not_called_right() -> None:
    case = Case(SHAPES[1_000], "float64")

    def truth(tangents: Arrays) -> Estimate:
        known = case.truth(tangents)
        return Estimate(known.value, np.inf, "") if "b" in tangents else known

    found = case.diagnose({"x": 2 * case.gradient["x"]}, truth=truth)
    assert found.sentence == "gradient of x is 2 times what it should be; that of W is right"
