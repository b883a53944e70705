from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from reference_impls import Array
from reference_impls.engines.manual.function import from_numpy
from tests.reference_impls.engines.shared import (
    Anything,
    B,
    Native,
    assert_close,
    cubic,
    cubic_vjp,
    draw,
    each_dtype,
)


def energy(x: Array, w: Array) -> Native:
    return np.sum(x * x * w)


def energy_gradient(x: Array, w: Array) -> tuple[Array, Array]:
    return 2 * x * w, x * x


@pytest.mark.parametrize(
    "gradient",
    [
        energy_gradient,
        lambda x, w: list(energy_gradient(x, w)),
        lambda x, w: dict(zip("xw", energy_gradient(x, w), strict=True)),
    ],
    ids=["tuple", "list", "dict"],
)
@each_dtype
def test_the_gradient_of_a_scalar_is_multiplied_by_the_cotangent(
    gradient: Callable[..., Any], dtype: str
) -> None:
    x, w = draw(4, dtype=dtype), draw(4, seed=1, dtype=dtype)
    u = np.array(-3, dtype)
    adapter = from_numpy(energy, gradient)
    value, vjp = adapter(x, w)
    assert (type(value), value.shape, value.dtype) == (np.ndarray, (), np.dtype(dtype))
    assert type(vjp(u)) is tuple
    assert_close(adapter.forward(x, w), value)
    named = adapter(w=w, x=x)[1](u)
    assert set(named) == {"x", "w"}
    for got, by_name, expected in zip(
        vjp(u), (named["x"], named["w"]), energy_gradient(x, w), strict=True
    ):
        assert_close(got, -3 * expected)
        assert_close(by_name, -3 * expected)


def test_a_bare_gradient_is_that_of_the_first_primal() -> None:
    adapter = from_numpy(energy, lambda x, w: 2 * x * w)
    first, second = adapter(B, B)[1](np.array(2.0))
    assert_close(first, 4 * B * B)
    assert second is None
    assert_close(adapter(w=B, x=B)[1](np.array(2.0))["x"], 4 * B * B)
    alone = from_numpy(lambda x: np.sum(x * x), lambda x: 2 * x)
    assert_close(alone(B)[1](np.array(2.0))[0], 4 * B)
    assert_close(alone(x=B)[1](np.array(2.0))["x"], 4 * B)
    assert_close(
        from_numpy(np.square, lambda x: 2 * x)(np.array(3.0))[1](np.array(2.0))[0], np.array(12.0)
    )


def test_the_gradient_for_one_nested_primal_is_like_it() -> None:
    adapter = from_numpy(lambda p: np.sum(p["a"] * p["b"]), lambda p: {"a": p["b"], "b": p["a"]})
    params = {"a": B, "b": B**2}
    for gradients in (
        adapter(params)[1](np.array(2.0))[0],
        adapter(p=params)[1](np.array(2.0))["p"],
    ):
        assert_close(gradients["a"], 2 * B**2)
        assert_close(gradients["b"], 2 * B)
    pair = from_numpy(lambda p: np.sum(p[0] * p[1]), lambda p: (p[1], p[0]))
    (gradients,) = pair((B, B**2))[1](np.array(2.0))
    assert_close(gradients[0], 2 * B**2)


def test_a_gradient_function_that_takes_the_cotangent_is_given_it() -> None:
    seen: list[Array] = []

    def pull(x: Array, w: Array, cotangent: Array) -> tuple[Array, Array]:
        seen.append(cotangent)
        return cubic_vjp(x, w, cotangent)

    u = draw(4, seed=2)
    value, vjp = from_numpy(cubic, pull)(B, B)
    assert_close(value, B**4)
    for got, expected in zip(vjp(u), cubic_vjp(B, B, u), strict=True):
        assert_close(got, expected)
    assert_close(from_numpy(cubic, pull)(x=B, w=B)[1](u)["w"], B**3 * u)
    assert all(cotangent is u for cotangent in seen)


def test_a_value_that_is_no_scalar_needs_a_cotangent() -> None:
    words = (
        r"^cubic returned an array of shape \(4,\), wanted a scalar, or a gradient function "
        "with a parameter named cotangent$"
    )
    with pytest.raises(TypeError, match=words):
        from_numpy(cubic, lambda x, w: (x, w))(B, B)


def test_one_function_may_return_value_and_gradient() -> None:
    adapter = from_numpy(lambda x: (np.sum(x * x), 2 * x))
    value, vjp = adapter(B)
    assert_close(value, np.array(np.sum(B * B)))
    assert_close(vjp(np.array(3.0))[0], 6 * B)
    assert_close(adapter.forward(B + 1j), np.array(np.sum((B + 1j) ** 2)))
    words = r"^energy returned a numpy.float64 of float64, wanted a value and its gradient, or"
    with pytest.raises(TypeError, match=words):
        from_numpy(energy)(B, B)


@pytest.mark.parametrize(
    "gradient",
    [
        np.arange(4),
        np.array(["gradient"]),
        [1.0, 2.0],
        3.0,
        None,
        "gradient",
        B.astype(np.float32),
        B[:2],
    ],
    ids=["int", "words", "list", "float", "None", "str", "float32", "shape"],
)
def test_gradients_of_the_wrong_kind_stay_what_they_are(gradient: Anything) -> None:
    _, vjp = from_numpy(np.sum, lambda _: gradient)(B)
    (got,) = vjp(np.array(2.5))
    assert type(got) is type(gradient)
    if isinstance(gradient, np.ndarray):
        assert (got.dtype, got.shape) == (gradient.dtype, gradient.shape)
    if not (isinstance(gradient, np.ndarray) and gradient.dtype.kind == "f"):
        assert np.array_equal(got, gradient)


def test_too_few_gradients_are_left_to_the_checker() -> None:
    adapter = from_numpy(energy, lambda x, w: (x,))  # noqa: ARG005 -- on purpose
    assert len(adapter(B, B)[1](np.array(2.0))) == 1
    assert len(adapter(x=B, w=B)[1](np.array(2.0))) == 1
    unknown = from_numpy(energy, lambda x, w: {"x": x, "v": w})
    assert set(unknown(B, B)[1](np.array(2.0))) == {"x", "v"}


def test_numpy_gradients_are_the_users_own_arrays_for_a_cotangent_of_one() -> None:
    x = B.copy()
    (gradient,) = from_numpy(lambda x: np.sum(x * x) / 2, lambda x: x)(x)[1](np.array(1.0))
    assert gradient is x
