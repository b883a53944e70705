import numpy as np

from reference_impls import Arrays
from tests.verify.diagnosis.shared import SHAPES, KnownGradient, each_dtype
from verify.oracles.estimate import Estimate


@each_dtype
def test_what_is_left_of_a_gradient_that_should_cancel_is_not_called_wrong(dtype: str) -> None:
    known = KnownGradient(SHAPES[1_000], dtype)
    known.gradient["b"] = np.zeros(25)
    residue = np.finfo(dtype).eps * known.rng.standard_normal(25)
    found = known.diagnose({"W": 2 * known.gradient["W"], "b": residue})
    assert found.sentence.endswith("2 times what it should be; those of x and b are right")


def test_many_arguments_are_searched_by_halving() -> None:
    shapes = {f"W{k}": (3, 5) for k in range(200)}
    known = KnownGradient(shapes, "float64")
    found = known.diagnose({name: 3.5 * known.gradient[name] for name in ("W17", "W120")})
    assert found.fault == "constant factor"
    assert found.sentence.startswith("each of the gradients of W17 and W120 is 3.5 times")
    known = KnownGradient(shapes, "float64")
    found = known.diagnose({name: 3.5 * g for name, g in known.gradient.items()})
    assert found.fault == "constant factor"
    assert "right" not in found.sentence


def test_an_argument_that_the_oracle_cannot_judge_is_not_called_right() -> None:
    known = KnownGradient(SHAPES[1_000], "float64")

    def truth(tangents: Arrays) -> Estimate:
        sharp = known.truth(tangents)
        return Estimate(sharp.value, np.inf, "") if "b" in tangents else sharp

    found = known.diagnose({"x": 2 * known.gradient["x"]}, truth=truth)
    assert found.sentence == "gradient of x is 2 times what it should be; that of W is right"
