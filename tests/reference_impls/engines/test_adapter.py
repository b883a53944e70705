import inspect
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from reference_impls import Array
from reference_impls.engines.adapter import Adapter
from reference_impls.engines.hips.function import from_autograd
from reference_impls.engines.manual.function import from_numpy
from reference_impls.engines.pytorch.choice import from_torch
from tests.reference_impls.engines.shared import (
    Anything,
    B,
    Cube,
    Native,
    Scale,
    U,
    X,
    assert_close,
    cubic,
    cubic_vjp,
    draw,
    each_dtype,
    each_engine,
    weights,
)


@each_engine
@each_dtype
def test_a_function_has_its_value_and_gradients_by_position_and_by_name(
    adapt: Callable[..., Adapter], dtype: str
) -> None:
    x, w, u = (draw(5, seed=k, dtype=dtype) for k in range(3))
    value, vjp = adapt(cubic)(x, w)
    assert_close(value, x**3 * w)
    gradients = vjp(u)
    assert type(gradients) is tuple
    for got, expected in zip(gradients, cubic_vjp(x, w, u), strict=True):
        assert_close(got, expected)

    value, vjp = adapt(cubic)(w=w, x=x)
    assert_close(value, x**3 * w)
    named = vjp(u)
    assert list(named) == ["w", "x"]
    for name, expected in zip(("x", "w"), cubic_vjp(x, w, u), strict=True):
        assert_close(named[name], expected)


class Point(NamedTuple):
    x: Array
    y: Array


@each_engine
def test_nested_primals_have_gradients_in_their_structure(adapt: Callable[..., Adapter]) -> None:
    def f(params: Anything, scale: Native, label: str, counts: Native) -> Native:
        assert label == "label"
        product = params["layers"][1]["W"] * params["point"].y
        return product * params["layers"][0] * scale + 0 * counts

    first, second, x, y, u = np.abs(draw(5, 3))  # no cancellation in a sum of these
    point = Point(x, y)
    params = {"point": point, "layers": [first, {"W": second, "none": None}]}
    counts = np.arange(3)
    gradients = adapt(f)(params, np.array(2.0), "label", counts)[1](u)

    assert gradients[2:] == (None, None)
    assert_close(gradients[1], np.asarray(np.sum(u * first * second * y)))
    nested = gradients[0]
    assert list(nested) == ["point", "layers"]
    assert type(nested["point"]) is Point
    assert type(nested["layers"]) is list
    assert nested["layers"][1]["none"] is None
    assert_close(nested["point"].x, np.zeros(3))
    assert_close(nested["layers"][0], 2 * u * second * y)
    assert_close(nested["layers"][1]["W"], 2 * u * first * y)
    assert_close(nested["point"].y, 2 * u * first * second)


@each_engine
def test_the_vjp_may_be_called_again_and_is_linear_in_its_cotangent(
    adapt: Callable[..., Adapter],
) -> None:
    x, w, u = (draw(5, seed=k) for k in range(3))
    _, vjp = adapt(cubic)(x, w)
    first = [gradient.copy() for gradient in vjp(u)]
    twice = vjp(2 * u)
    for again, once, double in zip(vjp(u), first, twice, strict=True):
        assert np.array_equal(again, once)
        assert np.array_equal(double, 2 * once)


@each_engine
def test_a_scalar_value_is_an_array_of_shape_nothing(adapt: Callable[..., Adapter]) -> None:
    x = draw(5, dtype="float32")
    adapter = adapt(lambda x: (x * x).sum())
    value, vjp = adapter(x)
    assert (type(value), value.shape, value.dtype) == (np.ndarray, (), x.dtype)
    assert_close(vjp(np.array(3, np.float32))[0], 6 * x)
    assert_close(adapter.forward(x), value)


@each_engine
def test_arrays_of_shape_nothing_and_of_no_entries_are_differentiated(
    adapt: Callable[..., Adapter],
) -> None:
    value, vjp = adapt(lambda x, y: (x * y).sum())(np.array(2.0), np.empty((0, 3)))
    assert_close(value, np.array(0.0))
    scalar, empty = vjp(np.array(1.0))
    assert_close(scalar, np.array(0.0))
    assert_close(empty, np.empty((0, 3)))


def packed(array: Array) -> Array:
    """The field of a record of 12 bytes: its strides are no multiple of 8."""
    records = np.zeros(array.shape, [("x", "f8"), ("y", "f4")])
    records["x"] = array
    return records["x"]


@each_engine
@pytest.mark.parametrize(
    "array",
    [
        draw(4, 6)[:, ::2],
        draw(4, 6).T[::2],
        draw(4, 6)[::-1, 3:][:, ::-1],
        np.broadcast_to(draw(3), (4, 3)),
        np.broadcast_to(np.float64(2), (2, 2)),
        np.asfortranarray(draw(3, 4)),
        packed(draw(3, 4)),
    ],
    ids=["sliced", "transposed", "negative", "broadcast", "constant", "Fortran", "field"],
)
@pytest.mark.parametrize("writeable", [True, False])
def test_strided_and_read_only_arrays_are_taken_and_left_as_they_were(
    adapt: Callable[..., Adapter], array: Array, *, writeable: bool
) -> None:
    x = array if array.base is None or not writeable else array.view()
    if x.flags.writeable:
        x.flags.writeable = writeable
    before = x.copy()
    u = np.broadcast_to(np.float64(3), x.shape)  # zero strides, read-only
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value, vjp = adapt(lambda x: x * x)(x)
        (gradient,) = vjp(u)
    assert_close(value, before * before)
    assert_close(gradient, 6 * before)
    assert np.array_equal(x, before)


@each_engine
def test_a_value_that_depends_on_no_primal_has_gradients_of_zero(
    adapt: Callable[..., Adapter],
) -> None:
    x = draw(3, dtype="float32")
    constant = torch.ones(2) if adapt is from_torch else np.ones(2, np.float32)
    value, vjp = adapt(lambda **_: constant)(x=x, n=np.arange(3))
    gradients = vjp(np.ones_like(value))
    assert gradients["n"] is None
    assert_close(gradients["x"], np.zeros_like(x))


def test_a_detached_value_has_gradients_of_zero() -> None:
    _, vjp = from_torch(lambda x: (x * x).detach())(X)
    assert_close(vjp(U)[0], np.zeros_like(X))


@each_engine
def test_a_primal_that_is_not_used_has_a_gradient_of_zero(adapt: Callable[..., Adapter]) -> None:
    _, vjp = adapt(lambda x, y: x * 2)(X, B.astype(np.float32))  # noqa: ARG005 -- on purpose
    used, unused = vjp(U)
    assert_close(used, 2 * U)
    assert_close(unused, np.zeros(4, np.float32))


@each_engine
def test_gradients_share_no_memory_where_the_engine_has_one_array_for_all(
    adapt: Callable[..., Adapter],
) -> None:
    x, y = X.copy(), X.copy()
    value, vjp = adapt(lambda x, y: x + y)(x, y)
    u = U.copy()
    arrays = [*vjp(u), value, x, y, u]
    assert not any(
        np.shares_memory(one, other) for k, one in enumerate(arrays) for other in arrays[:k]
    )


@each_engine
def test_an_identity_has_a_value_of_its_own(adapt: Callable[..., Adapter]) -> None:
    x = X.copy()
    value, vjp = adapt(lambda x: x)(x)
    assert not np.shares_memory(value, x)
    assert not np.shares_memory(adapt(lambda x: x).forward(x), x)
    assert_close(vjp(U)[0], U)


@each_engine
@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (None, "None"),
        (1.5, "a float"),
        (3, "an? int"),
        ((1, 2), "a tuple of 2"),
        ([1], "a list of 1"),
        ({"value": 1}, "a dict of 1"),
        ("value", "a str"),
    ],
)
def test_any_value_but_one_array_is_refused_in_one_line(
    adapt: Callable[..., Adapter], returned: object, words: str
) -> None:
    def loss(x: Native) -> object:
        del x
        return returned

    wanted = "torch.Tensor" if adapt is from_torch else "array"
    for call in (adapt(loss), adapt(loss).forward):
        is_container = isinstance(returned, tuple | list | dict)
        said = "floating-point arrays among its outputs" if is_container else f"one {wanted}"
        with pytest.raises(TypeError, match=rf"^loss returned {words}, wanted {said}$"):
            call(X)


@each_engine
def test_what_the_function_raises_is_not_caught(adapt: Callable[..., Adapter]) -> None:
    def f(x: Native) -> Native:
        raise KeyError(x.shape)

    for call in (adapt(f), adapt(f).forward):
        with pytest.raises(KeyError):
            call(X)


@each_engine
def test_primals_partly_by_position_and_partly_by_name_are_refused(
    adapt: Callable[..., Adapter],
) -> None:
    words = r"^cubic: got 1 primals by position and w by name, wanted all .* or all by name$"
    with pytest.raises(TypeError, match=words):
        adapt(cubic)(B, w=B)


@each_engine
@pytest.mark.parametrize(
    ("cotangent", "error", "words"),
    [
        (1.0, TypeError, "a float"),
        (U.astype(np.float32), TypeError, "a numpy.ndarray of float32"),
        (U[0], ValueError, r"shape \(4,\), wanted \(3, 4\)"),
        (None, TypeError, "None"),
    ],
)
def test_a_cotangent_unlike_the_value_is_refused_in_one_line(
    adapt: Callable[..., Adapter], cotangent: Anything, error: type[Exception], words: str
) -> None:
    _, vjp = adapt(cubic)(X, X)
    with pytest.raises(error, match=rf"^cubic: cotangent (is|has) {words}.*as the value$"):
        vjp(cotangent)


@pytest.mark.parametrize("adapt", [from_torch, from_autograd, from_numpy])
def test_what_cannot_be_called_is_refused(adapt: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match=f"^{adapt.__name__}: got a float, wanted a function$"):
        adapt(1.5)
    words = f"^{adapt.__name__}: got the class Linear, wanted an instance$"
    with pytest.raises(TypeError, match=words):
        adapt(torch.nn.Linear)


def test_the_class_of_a_custom_function_is_refused_with_the_remedy() -> None:
    with pytest.raises(TypeError, match=r"^from_torch: got the class Scale, wanted Scale\.apply$"):
        from_torch(Scale)


@pytest.mark.parametrize(
    ("adapter", "name", "parameters"),
    [
        (from_torch(cubic), "cubic", ["x", "w"]),
        (from_autograd(cubic), "cubic", ["x", "w"]),
        (from_numpy(cubic, cubic_vjp), "cubic", ["x", "w"]),
        (from_torch(partial(cubic, w=2)), "cubic", ["x", "w"]),
        (from_torch(Scale.apply), "Scale", ["x", "b"]),
        (from_torch(Cube.apply), "Cube", ["x", "power"]),
        (from_torch(torch.nn.Linear(2, 3)), "Linear", ["input"]),
        (from_torch(torch.add), "add", ["primals", "named"]),
        (from_torch(lambda q: q), "<lambda>", ["q"]),
    ],
    ids=lambda case: case.name if isinstance(case, Adapter) else "",
)
def test_an_adapter_has_the_name_and_the_parameters_of_its_function(
    adapter: Adapter, name: str, parameters: list[str]
) -> None:
    assert adapter.name == name
    assert name in repr(adapter)
    assert list(inspect.signature(adapter).parameters) == parameters
    assert callable(adapter.function)


@each_engine
def test_forward_takes_complex_numbers_where_the_function_does(
    adapt: Callable[..., Adapter],
) -> None:
    x, w = B + 1e-30j * draw(4, seed=3), B[::-1]
    for got in (adapt(cubic).forward(x, w), adapt(cubic).forward(x=x, w=w)):
        assert_close(got, np.asarray(x * x * x * w))


def test_forward_of_custom_functions_and_modules_takes_complex_numbers() -> None:
    assert_close(from_torch(Scale.apply).forward(X + 1j * U, B), (X + 1j * U) * B)
    module = torch.nn.Linear(4, 2)
    expected = (X + 1j * U) @ weights(module)["weight"].T + weights(module)["bias"]
    assert_close(from_torch(module).forward(X + 1j * U), expected)


def test_a_conjugate_comes_back_resolved() -> None:
    assert_close(from_torch(torch.conj).forward(X + 1j * U), X - 1j * U)


def test_forward_raises_where_torch_has_no_complex_arithmetic() -> None:
    with pytest.raises(RuntimeError):
        from_torch(torch.relu).forward(X + 1j * U)


def test_forward_refuses_each_time_to_drop_an_imaginary_part() -> None:
    adapter = from_torch(lambda x: x.to(torch.float64) * 2)
    torch.set_warn_always(False)
    for _ in range(2):
        with pytest.raises(TypeError, match=r"^<lambda> does not take complex numbers: it casts"):
            adapter.forward(X + 1j * U)
    assert not torch.is_warn_always_enabled()


def test_a_function_that_differentiates_inside_has_a_value_a_gradient_and_a_second() -> None:
    def penalty(x: torch.Tensor) -> torch.Tensor:
        energy = (x**3).sum()
        (force,) = torch.autograd.grad(energy, x, create_graph=True)
        return (force * force).sum()

    adapter = from_torch(penalty)
    x = B
    with torch.no_grad():  # whatever the caller does
        assert_close(adapter.forward(x), np.array(np.sum(9 * x**4)))
        value, vjp = adapter(x)
        assert_close(value, np.array(np.sum(9 * x**4)))
        assert_close(vjp(np.array(2.0))[0], 72 * x**3)
        second = adapter.hvp((x,), np.array(2.0), (np.ones(4),), "reverse over reverse")
        assert_close(second[0], 216 * x**2)
