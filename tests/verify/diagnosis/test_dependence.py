import numpy as np
import pytest

from reference_impls import Array, Arrays
from tests.verify.diagnosis.shared import (
    ARGUMENTS,
    SHAPES,
    KnownGradient,
    each_dtype,
    each_size,
    middle_of,
)


@each_dtype
@each_size
@pytest.mark.parametrize("argument", ARGUMENTS)
def test_a_zero_gradient_is_a_dropped_dependency(size: int, dtype: str, argument: str) -> None:
    known = KnownGradient(SHAPES[size], dtype)
    found = known.assert_found("dropped dependency", argument, 0 * known.gradient[argument])
    assert middle_of(found.sentence) == "is zero and should not be"


@each_dtype
@each_size
def test_a_gradient_of_what_the_function_ignores_is_leaked(size: int, dtype: str) -> None:
    known = KnownGradient(SHAPES[size], dtype)
    leaked = known.gradient["W"]
    known.gradient["W"] = np.zeros(leaked.shape)
    found = known.assert_found("leaked gradient", "W", leaked)
    says = "should be zero: the function does not depend on it"
    assert middle_of(found.sentence) == says


@each_dtype
@each_size
def test_the_same_gradient_for_another_cotangent_ignores_it(size: int, dtype: str) -> None:
    known = KnownGradient(SHAPES[size], dtype)
    wrong = {
        name: np.asarray(known.rng.standard_normal(g.shape)) for name, g in known.gradient.items()
    }
    got = {name: g.astype(dtype) for name, g in wrong.items()}
    found = known.diagnose(wrong, vjp=lambda _: got)
    assert found.fault == "cotangent ignored"
    assert found.sentence == "every gradient is the same whatever the cotangent: it is ignored"


@each_dtype
def test_only_the_argument_that_ignores_the_cotangent_is_named(dtype: str) -> None:
    known = KnownGradient(SHAPES[1_000], dtype)
    ones = known.gradient["b"] * 0.25

    def vjp(cotangent: Array) -> Arrays:
        got = {name: g * cotangent[0] for name, g in known.gradient.items()}
        return {name: g.astype(dtype) for name, g in (got | {"b": ones}).items()}

    found = known.diagnose({"b": ones}, vjp=vjp)
    assert (found.fault, found.argument) == ("cotangent ignored", "b")


@each_dtype
def test_a_vjp_that_follows_the_cotangent_does_not_ignore_it(dtype: str) -> None:
    known = KnownGradient(SHAPES[1_000], dtype)
    wrong = {name: 2 * g for name, g in known.gradient.items()}
    found = known.diagnose(
        wrong, vjp=lambda u: {k: (g * u[0]).astype(dtype) for k, g in wrong.items()}
    )
    assert found.fault == "constant factor"


def test_what_a_vjp_raises_is_not_for_the_diagnosis_to_tell() -> None:
    def vjp(_: Array) -> Arrays:
        raise RuntimeError

    known = KnownGradient(SHAPES[6], "float64")
    found = known.diagnose({"x": 2 * known.gradient["x"]}, vjp=vjp)
    assert found.fault == "constant factor"


def test_without_a_vjp_one_over_the_cotangent_tells_that_it_is_ignored() -> None:
    known = KnownGradient(SHAPES[1_000], "float64")
    cotangent = np.array(0.7219)
    found = known.diagnose({"x": known.gradient["x"] / 0.7219}, cotangent=cotangent)
    assert found.fault == "cotangent ignored"
