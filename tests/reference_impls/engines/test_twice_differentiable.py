from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch.autograd.function import once_differentiable

from reference_impls import Array
from reference_impls.engines.adapter import Mode, TwiceDifferentiable
from reference_impls.engines.pytorch.choice import from_torch
from tests.reference_impls.engines.shared import (
    Anything,
    B,
    Context,
    Cube,
    Native,
    Scale,
    U,
    X,
    assert_close,
    cubic,
    draw,
    each_engine,
    each_mode,
    network,
    weights,
)


def cubic_jvp(x: Array, w: Array, v: Array, z: Array) -> Array:
    return np.asarray(3 * x * x * w * v + x * x * x * z)


def cubic_hvp(x: Array, w: Array, u: Array, v: Array, z: Array) -> tuple[Array, Array]:
    """∂/∂(x, w) of Σ u (3 x² w v + x³ z)."""
    return u * (6 * x * w * v + 3 * x * x * z), u * 3 * x * x * v


class Once(Scale):
    @staticmethod
    @once_differentiable
    def backward(ctx: Context, *cotangents: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return Scale.backward(ctx, *cotangents)


@each_engine
def test_jvps_and_hvps_have_their_closed_form(adapt: Callable[..., TwiceDifferentiable]) -> None:
    x, w, u, v, z = (draw(5, seed=k) for k in range(5))
    adapter = adapt(cubic)
    assert isinstance(adapter, TwiceDifferentiable)
    assert_close(adapter.jvp((x, w), (v, z)), cubic_jvp(x, w, v, z))
    for mode in get_args(Mode):
        by_position = adapter.hvp((x, w), u, (v, z), mode)
        by_name = adapter.hvp({"w": w, "x": x}, u, {"x": v, "w": z}, mode)
        assert type(by_position) is tuple
        assert list(by_name) == ["w", "x"]
        for got, named, expected in zip(
            by_position, (by_name["x"], by_name["w"]), cubic_hvp(x, w, u, v, z), strict=True
        ):
            assert_close(got, expected)
            assert_close(named, expected)


@each_engine
@each_mode
def test_second_derivatives_keep_the_dtype_and_the_structure(
    adapt: Callable[..., TwiceDifferentiable], mode: Mode
) -> None:
    x, w, u, v, z = (draw(5, seed=k, dtype="float32") for k in range(5))
    adapter = adapt(lambda params, n: cubic(params["x"], params["w"][0]) * n)
    primals = ({"x": x, "w": [w, "label"]}, 2)
    tangents = ({"x": v, "w": [z, None]}, None)
    assert_close(adapter.jvp(primals, tangents), 2 * cubic_jvp(x, w, v, z))
    tree, nothing = adapter.hvp(primals, u, tangents, mode)
    expected = cubic_hvp(x, w, 2 * u, v, z)
    assert nothing is None
    assert_close(tree["x"], expected[0])
    assert_close(tree["w"][0], expected[1])
    assert tree["w"][1] is None


@each_engine
@each_mode
@pytest.mark.parametrize("tangents", [{"x": draw(5, seed=3)}, {"x": draw(5, seed=3), "w": None}])
def test_a_tangent_that_is_missing_or_none_is_zero(
    adapt: Callable[..., TwiceDifferentiable], mode: Mode, tangents: dict[str, Any]
) -> None:
    x, w, u = (draw(5, seed=k) for k in range(3))
    v, z = tangents["x"], np.zeros(5)
    assert_close(adapt(cubic).jvp({"x": x, "w": w}, tangents), cubic_jvp(x, w, v, z))
    products = adapt(cubic).hvp({"x": x, "w": w}, u, tangents, mode)
    for name, expected in zip(("x", "w"), cubic_hvp(x, w, u, v, z), strict=True):
        assert_close(products[name], expected)


@each_engine
@each_mode
@pytest.mark.parametrize(
    "function",
    [lambda x: 2 * x, lambda x: x, lambda x: x.sum() * 3],
    ids=["linear", "identity", "sum"],
)
def test_a_linear_function_has_second_derivatives_of_zero(
    adapt: Callable[..., Any], mode: Mode, function: Callable[..., Native]
) -> None:
    adapter = adapt(function)
    u = np.ones_like(adapter(X)[0])
    assert_close(adapter.hvp((X,), u, (U,), mode)[0], np.zeros_like(X))
    assert_close(adapter.jvp((X,), (U,)), np.asarray(function(U)))


@each_engine
@each_mode
def test_a_constant_function_has_derivatives_of_zero(adapt: Callable[..., Any], mode: Mode) -> None:
    constant = torch.ones(2).double() if adapt is from_torch else np.ones(2)
    adapter = adapt(lambda x: constant)  # noqa: ARG005 -- on purpose
    assert_close(adapter.jvp((X,), (U,)), np.zeros(2))
    assert_close(adapter.hvp((X,), np.ones(2), (U,), mode)[0], np.zeros_like(X))


@each_engine
@each_mode
def test_a_direction_that_changes_nothing_has_second_derivatives_of_zero(
    adapt: Callable[..., Anything], mode: Mode
) -> None:
    adapter = adapt(lambda x, y: x * x)  # noqa: ARG005 -- on purpose
    products = adapter.hvp((X, B), U, (None, B), mode)
    assert_close(products[0], np.zeros_like(X))
    assert_close(products[1], np.zeros_like(B))
    assert_close(adapter.jvp((X, B), (None, B)), np.zeros_like(X))


@each_engine
@each_mode
def test_strided_primals_have_second_derivatives(adapt: Callable[..., Any], mode: Mode) -> None:
    for x in (X[::-1], X.T, np.broadcast_to(B, (3, 4))):
        v = np.broadcast_to(np.float64(2), x.shape)
        adapter = adapt(lambda x: x * x * x)
        assert_close(adapter.jvp((x,), (v,)), 6 * x**2)
        assert_close(adapter.hvp((x,), v, (v,), mode)[0], 24 * x)


@each_mode
def test_a_custom_function_with_a_jvp_has_both_modes(mode: Mode) -> None:
    adapter = from_torch(Cube.apply)
    assert_close(adapter.jvp({"x": X}, {"x": U}), 3 * X**2 * U)
    assert_close(adapter.hvp({"x": X}, U, {"x": X}, mode)["x"], 6 * X * U * X)


@each_mode
def test_a_module_has_both_modes(mode: Mode) -> None:
    module, u, v = network(), draw(3, 2), draw(3, 4, seed=5)
    held = weights(module)
    hidden = np.tanh(X @ held["0.weight"].T + held["0.bias"])
    slope = 1 - hidden**2
    back, ahead = u @ held["2.weight"], v @ held["0.weight"].T
    adapter = from_torch(module)
    assert_close(adapter.jvp((X,), (v,)), (slope * ahead) @ held["2.weight"].T)
    (product,) = adapter.hvp((X,), u, (v,), mode)
    assert_close(product, (back * -2 * hidden * slope * ahead) @ held["0.weight"])


def test_a_custom_function_without_a_jvp_has_no_forward_mode() -> None:
    adapter = from_torch(Scale.apply)
    for call in (
        lambda: adapter.jvp((X, B), (U, B)),
        lambda: adapter.hvp((X, B), U, (U, B), "forward over reverse"),
    ):
        with pytest.raises(NotImplementedError, match=r"^Scale: .*jvp.*$"):
            call()
    products = adapter.hvp((X, B), U, (U, B), "reverse over reverse")
    assert_close(products[0], U * B)


def test_what_is_once_differentiable_is_said_to_be() -> None:
    adapter = from_torch(Once.apply)
    assert_close(adapter(X, B)[1](U)[0], U * B)
    with pytest.raises(NotImplementedError, match=r"^Once: .*once_differentiable"):
        adapter.hvp((X, B), U, (U, B), "reverse over reverse")


def test_a_detached_backward_has_second_derivatives_of_zero() -> None:
    class Detached(Scale):
        @staticmethod
        def backward(ctx: Context, *cotangents: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
            with torch.no_grad():
                return Scale.backward(ctx, *cotangents)

    adapter = from_torch(Detached.apply)
    for tangents in ((U, None), (U, B)):
        products = adapter.hvp((X, B), U, tangents, "reverse over reverse")
        assert_close(products[0], np.zeros_like(X))
        assert_close(products[1], np.zeros_like(B))


@pytest.mark.parametrize(
    ("function", "primals"),
    [(torch.cdist, (X, U)), (torch.igamma, (X**2, X**2))],
)
def test_an_operation_without_a_derivative_is_refused_in_one_line(
    function: Callable[..., torch.Tensor], primals: tuple[Array, ...]
) -> None:
    with pytest.raises(NotImplementedError) as raised:
        from_torch(function).jvp(primals, primals)
    assert str(raised.value).startswith(f"{function.__name__}: ")
    assert "\n" not in str(raised.value)


@each_engine
@pytest.mark.parametrize(
    ("tangent", "error", "words"),
    [
        (1.0, TypeError, r"is a float, wanted an array of float64"),
        (B.astype(np.float32), TypeError, r"is a numpy.ndarray of float32, wanted .* float64"),
        (B[:2], ValueError, r"has shape \(2,\), wanted \(4,\)"),
    ],
)
def test_a_tangent_unlike_its_primal_is_refused_in_one_line(
    adapt: Callable[..., Any], tangent: Anything, error: type[Exception], words: str
) -> None:
    adapter = adapt(lambda x: x["w"] ** 2)
    calls: tuple[Callable[[], Anything], ...] = (
        lambda: adapter.jvp(({"w": B},), ({"w": tangent},)),
        lambda: adapter.hvp(({"w": B},), B, ({"w": tangent},), "reverse over reverse"),
    )
    for call in calls:
        with pytest.raises(error, match=rf"^<lambda>: the tangent of primals\[0\]\['w'\] {words}$"):
            call()


@each_engine
def test_an_unknown_mode_is_refused_in_one_line(adapt: Callable[..., Any]) -> None:
    words = r"^cubic: got the mode 'reverse', wanted reverse over reverse or forward over reverse$"
    with pytest.raises(ValueError, match=words):
        adapt(cubic).hvp((B, B), B, (B, B), "reverse")


@each_engine
@each_mode
def test_the_cotangent_of_an_hvp_is_checked(adapt: Callable[..., Any], mode: Mode) -> None:
    with pytest.raises(ValueError, match=r"^cubic: cotangent has shape \(2,\)"):
        adapt(cubic).hvp((B, B), B[:2], (B, B), mode)
