from collections.abc import Callable

import numpy as np
import pytest

from reference_impls import Array, Vjp
from tests.verify.diagnosis.shared import each_dtype
from verify import check
from verify.checks.check import Violation

MakeVjp = Callable[..., tuple[Array, Vjp]]


def found(function: MakeVjp, dtype: str, **primals: Array) -> Violation:
    report = check(function, {name: each.astype(dtype) for name, each in primals.items()})
    assert report.verdict == "disagree"
    assert report.diagnosis
    return report.diagnosis


X = np.random.default_rng(3).uniform(-2, 2, 12) + 0.01


def rounded(x: Array) -> tuple[Array, Vjp]:
    return np.round(x.real).astype(x.dtype), lambda u: {"x": u.copy()}


def spike(x: Array) -> tuple[Array, Vjp]:
    slope = 1 - np.tanh(x) ** 2
    return (x.real > 0).astype(x.dtype), lambda u: {"x": u * slope}


def sign_through_clip(x: Array) -> tuple[Array, Vjp]:
    return np.sign(x.real).astype(x.dtype), lambda u: {"x": np.where(np.abs(x) < 1, u, 0 * u)}


def gate(x: Array) -> tuple[Array, Vjp]:
    s = (1 + np.tanh(x / 2)) / 2
    return np.floor(3 * x.real).astype(x.dtype), lambda u: {"x": u * s * (1 - s)}


def own(x: Array) -> tuple[Array, Vjp]:
    return np.ceil(x.real).astype(x.dtype), lambda u: {"x": u / (1 + x**4)}


@each_dtype
@pytest.mark.parametrize(
    ("function", "whose"),
    [
        (rounded, "the identity"),
        (spike, "tanh"),
        (sign_through_clip, "clip, at "),
        (gate, "the sigmoid"),
        (own, "another function"),
    ],
)
def test_a_gradient_of_a_staircase_is_told_with_whose_it_is(
    function: MakeVjp, whose: str, dtype: str
) -> None:
    seen = found(function, dtype, x=X)
    assert seen.fault == "straight-through"
    assert "the values are a staircase: straight-through or surrogate; its" in seen.sentence
    assert f"its gradient is that of {whose}" in seen.sentence


@each_dtype
def test_of_a_loss_of_rounded_weights_it_is_told_that_they_are_a_staircase(dtype: str) -> None:
    def loss(w: Array, y: Array) -> tuple[Array, Vjp]:
        q = np.round(4 * w.real).astype(w.dtype) / 4
        return np.asarray(np.sum(q * q * y)), lambda u: {"w": 2 * u * q * y, "y": u * q * q}

    seen = found(loss, dtype, w=X, y=np.cos(X))
    assert seen.fault == "straight-through"
    assert seen.sentence.startswith("gradient of w is not zero, and the values are a staircase")
    assert "that of y is right" in seen.sentence


@each_dtype
def test_what_the_function_ignores_is_no_staircase(dtype: str) -> None:
    def leaking(x: Array, w: Array) -> tuple[Array, Vjp]:
        return np.sin(x), lambda u: {"x": u * np.cos(x), "w": u * w}

    assert found(leaking, dtype, x=X, w=np.cos(X)).fault == "leaked gradient"


def clipped(x: Array) -> tuple[Array, Vjp]:
    outside = np.abs(x.real) > 1
    return np.where(outside, np.sign(x.real), x).astype(x.dtype), lambda u: {"x": u.copy()}


def bounded_below(A: Array, b: Array) -> tuple[Array, Vjp]:
    z = A @ b
    return np.where(z.real < 0, 0 * z, z), lambda u: {"A": u[:, None] * b, "b": u @ A}


def limited(x: Array) -> tuple[Array, Vjp]:
    value = np.exp(x)
    return np.where(value.real > 2, 0 * x + 2, value), lambda u: {"x": u * value}


@each_dtype
@pytest.mark.parametrize("function", [clipped, limited])
def test_a_gradient_of_what_was_clipped_is_told(function: MakeVjp, dtype: str) -> None:
    seen = found(function, dtype, x=X)
    assert seen.fault == "clipped value"
    assert "is that of the value before it was clipped" in seen.sentence


@each_dtype
def test_so_is_that_of_every_argument_it_was_made_of(dtype: str) -> None:
    rng = np.random.default_rng(1)
    A, b = rng.standard_normal((7, 3)), rng.standard_normal(3)
    seen = found(bounded_below, dtype, A=A, b=b)
    assert seen.fault == "clipped value"
    count = int((A @ b < 0).sum())
    assert seen.sentence.startswith(
        f"every gradient is that of the value before it was clipped, which it was in {count} of 7"
    )


@each_dtype
def test_a_value_that_is_clipped_altogether_is_no_constant(dtype: str) -> None:
    assert found(clipped, dtype, x=np.array([1.5, -1.25, 3.0])).fault == "clipped value"


def test_another_mistake_beside_a_clip_is_not_put_down_to_it() -> None:
    def doubled(x: Array) -> tuple[Array, Vjp]:
        value, _ = clipped(x)
        return value, lambda u: {"x": np.where(np.abs(x) > 1, 0 * u, 2 * u)}

    assert found(doubled, "float64", x=X).fault == "constant factor"
