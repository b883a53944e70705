"""Every refusal: its type, and its one line with the argument, what was got and wanted."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from reference_impls import Array, Arrays, Backend, Computation, draw
from tests.reference_impls.shared import BY_NAME, every_backend, every_computation


class Bad(NamedTuple):
    """One argument made unfit, and the refusal."""

    computation: str
    argument: str
    spoil: Callable[[Array], Any]
    error: type[Exception]
    message: str


def with_entry(entry: float) -> Callable[[Array], Array]:
    def spoil(array: Array) -> Array:
        array = array.copy()
        array.flat[-1] = entry
        return array

    return spoil


def as_dtype(dtype: str) -> Callable[[Array], Array]:
    return lambda array: array.astype(dtype)


DTYPES = "accepted are float64, float32"

BAD = {
    "NaN": Bad(
        "linear", "W", with_entry(np.nan), ValueError, "W[4, 2] is nan; every entry must be finite"
    ),
    "infinity": Bad(
        "linear", "b", with_entry(-np.inf), ValueError, "b[4] is -inf; every entry must be finite"
    ),
    "NaN for a scalar": Bad(
        "linear_regression",
        "w",
        with_entry(np.nan),
        ValueError,
        "w is nan; every entry must be finite",
    ),
    "NaN in data": Bad(
        "linear_bce", "y", with_entry(np.nan), ValueError, "y[2] is nan; every entry must be finite"
    ),
    "empty": Bad("linear", "x", lambda x: x[:0], ValueError, "x is empty (shape (0, 3))"),
    "empty of any shape": Bad("relu", "x", lambda x: x[:0], ValueError, "x is empty (shape (0,))"),
    "an axis missing": Bad(
        "linear", "x", lambda x: x[0], ValueError, "x has shape (3,), wanted (N, D)"
    ),
    "an axis too many": Bad(
        "linear", "b", lambda b: b[None], ValueError, "b has shape (1, 5), wanted (O)"
    ),
    "a scalar with an axis": Bad(
        "elu", "alpha", lambda a: a[None], ValueError, "alpha has shape (1,), wanted ()"
    ),
    "an axis unlike another argument's": Bad(
        "linear",
        "W",
        lambda W: W[:, :2],
        ValueError,
        "W wants shape (O, D) with D = 3 as in x, but has 2 there",
    ),
    "an axis that would broadcast": Bad(
        "linear",
        "b",
        lambda b: b[:1],
        ValueError,
        "b wants shape (O) with O = 5 as in W, but has 1 there",
    ),
    "transposed": Bad(
        "linear",
        "W",
        lambda W: W.T,
        ValueError,
        "W wants shape (O, D) with D = 3 as in x, but has 5 there",
    ),
    "an axis of another length": Bad(
        "conv_encoder",
        "W2",
        lambda W: W[..., :3],
        ValueError,
        "W2 has shape (8, 4, 3), wanted (C2, C1, 5)",
    ),
    "a vector of another length": Bad(
        "mlp_regression",
        "theta",
        lambda t: t[:-1],
        ValueError,
        "theta has shape (32,), wanted (33)",
    ),
    "integers": Bad("linear", "W", as_dtype("int64"), TypeError, f"W has dtype int64; {DTYPES}"),
    "booleans": Bad("linear", "W", as_dtype("bool"), TypeError, f"W has dtype bool; {DTYPES}"),
    "objects": Bad("linear", "W", as_dtype("object"), TypeError, f"W has dtype object; {DTYPES}"),
    "complex": Bad(
        "linear", "W", as_dtype("complex128"), TypeError, f"W has dtype complex128; {DTYPES}"
    ),
    "half precision": Bad(
        "linear", "W", as_dtype("float16"), TypeError, f"W has dtype float16; {DTYPES}"
    ),
    "mixed dtypes": Bad(
        "linear",
        "W",
        as_dtype("float32"),
        TypeError,
        "all arguments must share one dtype, got x float64, W float32, b float64",
    ),
    "a tensor": Bad(
        "linear", "W", torch.tensor, TypeError, "W is a torch.Tensor; a NumPy array is wanted"
    ),
    "a list": Bad(
        "linear", "b", lambda b: b.tolist(), TypeError, "b is a list; a NumPy array is wanted"
    ),
    "a number": Bad(
        "linear_regression", "w", float, TypeError, "w is a float; a NumPy array is wanted"
    ),
    "nothing": Bad(
        "linear", "b", lambda _: None, TypeError, "b is a NoneType; a NumPy array is wanted"
    ),
}


def small(computation: Computation) -> Arrays:
    return draw(computation, min(computation.sizes), "float64")


def refusals(backend: Backend, computation: Computation, primals: Any) -> list[Exception]:  # noqa: ANN401
    """Returns what `make_vjp` and `prepare` raise."""
    calls: list[Callable[[], object]] = [
        lambda: backend.make_vjp(computation, primals),
        lambda: backend.prepare(computation, primals, "value"),
        lambda: backend.prepare(computation, primals, "gradient"),
    ]
    raised = []
    for call in calls:
        with pytest.raises(Exception) as refusal:  # noqa: PT011 -- compared by the caller
            call()
        raised.append(refusal.value)
    return raised


@every_backend
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_an_unfit_argument_is_refused_in_one_line(backend: Backend, bad: Bad) -> None:
    computation = BY_NAME[bad.computation]
    primals: dict[str, Any] = {**small(computation)}
    primals[bad.argument] = bad.spoil(primals[bad.argument])
    for refusal in refusals(backend, computation, primals):
        assert type(refusal) is bad.error
        assert str(refusal) == f"{bad.computation}: {bad.message}"


@every_backend
@every_computation
def test_each_argument_of_each_computation_must_be_given(
    backend: Backend, computation: Computation
) -> None:
    takes = ", ".join(computation.shapes)
    for missing in computation.shapes:
        primals = {name: array for name, array in small(computation).items() if name != missing}
        with pytest.raises(TypeError) as refusal:
            backend.make_vjp(computation, primals)
        given = ", ".join(primals) or "nothing"
        wanted = f"argument {missing!r} is missing (takes {takes}; got {given})"
        assert str(refusal.value) == f"{computation.name}: {wanted}"


@every_backend
@pytest.mark.parametrize(
    ("computation", "extra", "suggestion"),
    [
        ("batch_norm", "gama", "; did you mean 'gamma'?"),
        ("donsker_varadhan", "Zref", "; did you mean 'Z_ref'?"),
        ("batch_norm", "momentum", ""),
    ],
)
def test_an_argument_too_many_is_refused(
    backend: Backend, computation: str, extra: str, suggestion: str
) -> None:
    primals = small(BY_NAME[computation])
    takes = ", ".join(BY_NAME[computation].shapes)
    for refusal in refusals(backend, BY_NAME[computation], {**primals, extra: np.ones(3)}):
        assert type(refusal) is TypeError
        assert str(refusal) == (
            f"{computation}: unknown argument {extra!r} (takes {takes}{suggestion})"
        )


@every_backend
@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (
            lambda u: u[:1],
            ValueError,
            "cotangent has shape (1, 5), but the value has shape (2, 5)",
        ),
        (lambda u: u[0], ValueError, "cotangent has shape (5,), but the value has shape (2, 5)"),
        (lambda u: u.T, ValueError, "cotangent has shape (5, 2), but the value has shape (2, 5)"),
        (as_dtype("float32"), TypeError, "cotangent is float32, but the value is float64"),
        (as_dtype("int64"), TypeError, f"cotangent has dtype int64; {DTYPES}"),
        (torch.tensor, TypeError, "cotangent is a torch.Tensor; a NumPy array is wanted"),
        (lambda u: u.tolist(), TypeError, "cotangent is a list; a NumPy array is wanted"),
        (lambda _: 1.0, TypeError, "cotangent is a float; a NumPy array is wanted"),
    ],
    ids=[
        "would broadcast",
        "an axis missing",
        "transposed",
        "narrower",
        "integers",
        "a tensor",
        "a list",
        "a number",
    ],
)
def test_an_unfit_cotangent_is_refused_in_one_line(
    backend: Backend, spoil: Callable[[Array], Any], error: type[Exception], message: str
) -> None:
    computation = BY_NAME["linear"]
    primals = small(computation)
    primals["x"] = np.ones((2, 3))
    value, vjp = backend.make_vjp(computation, primals)
    with pytest.raises(error) as refusal:
        vjp(spoil(np.ones_like(value)))
    assert str(refusal.value) == f"linear: {message}"


@every_backend
def test_numpys_scalars_are_arrays_of_no_axes(backend: Backend) -> None:
    computation = BY_NAME["linear_regression"]
    primals = small(computation)
    value, vjp = backend.make_vjp(computation, {**primals, "w": primals["w"][()]})
    expected, expected_vjp = backend.make_vjp(computation, primals)
    assert value == expected
    assert vjp(np.float64(1)) == expected_vjp(np.ones(()))  # type: ignore[arg-type]


@every_backend
@pytest.mark.parametrize("shape", [(1,), (2, 3), (2, 3, 4), ()], ids=str)
def test_an_elementwise_function_takes_any_shape(backend: Backend, shape: tuple[int, ...]) -> None:
    value, vjp = backend.make_vjp(BY_NAME["sigmoid"], {"x": np.full(shape, 0.5)})
    assert value.shape == vjp(value)["x"].shape == shape


@every_backend
def test_a_computation_without_shapes_still_needs_its_arguments(backend: Backend) -> None:
    linear = BY_NAME["linear"]
    undeclared = replace(linear, shapes={})
    primals = small(linear)
    value, _ = backend.make_vjp(undeclared, primals)
    assert value.shape == (1, 5)
    with pytest.raises(TypeError, match=r"linear: argument 'W' is missing \(takes x, W, b; "):
        backend.make_vjp(undeclared, {"x": primals["x"], "b": primals["b"]})
