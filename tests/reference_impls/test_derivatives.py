import warnings
from collections.abc import Callable
from typing import Any

import autograd
import numpy as np
import pytest
import torch
from torch.autograd import forward_ad

from reference_impls import (
    BACKENDS,
    Array,
    Arrays,
    Autograd,
    Backend,
    Computation,
    Manual,
    Torch,
    draw,
    gradient,
    hvp,
    jacobian,
    jvp,
    value,
)
from reference_impls.computations.elu import EluFunction, elu_node
from reference_impls.derivatives import forward_over_reverse, second_pullback, second_vjp
from tests.reference_impls.shared import (
    BOUNDS,
    BY_NAME,
    DECOMPOSING,
    distance,
    every_backend,
    every_computation,
    every_dtype,
    gaussian_cotangent,
    gaussian_tangents,
    norm,
)

VECTORS = [
    "tanh",
    "elu",
    "composite_elu",
    "exponential_loss",
    "linear",
    "perceptron",
    "batch_norm",
    "conv_encoder",
    "elu_mlp",
    "mlp_log_probabilities",
]
SCALARS = [
    "logsumexp",
    "linear_bce",
    "circles_classifier",
    "linear_regression",
    "polynomial_regression",
    "mlp_regression",
    "relu_regression",
    "two_layer_mlp",
    "mlp_classifier",
    "relu_classifier",
    "donsker_varadhan",
]


def small(name: str, dtype: str = "float64") -> Arrays:
    return draw(BY_NAME[name], min(BY_NAME[name].sizes), dtype)


def pairing(one: Arrays, other: Arrays) -> float:
    return float(sum(np.sum(one[name] * other[name], dtype=np.float64) for name in one))


@every_backend
@every_dtype
def test_the_jacobian_of_a_layer_is_known(backend: Backend, dtype: str) -> None:
    rng = np.random.default_rng(0)
    shapes = {"x": (2, 3), "W": (5, 3), "b": (5,)}
    primals = {name: rng.standard_normal(shape).astype(dtype) for name, shape in shapes.items()}
    rows, outputs = np.eye(2), np.eye(5)
    # ∂f[n, o] by x[m, d] is W[o, d] in the same row, by W[p, d] is x[n, d] for the same output.
    expected = {
        "x": np.einsum("nm,od->nomd", rows, primals["W"]),
        "W": np.einsum("op,nd->nopd", outputs, primals["x"]),
        "b": np.broadcast_to(outputs, (2, 5, 5)),
    }
    got = jacobian(backend, BY_NAME["linear"], primals)
    for name, matrix in expected.items():
        assert got[name].dtype == dtype
        # Products with ones and zeros, and sums with zeros, are exact.
        np.testing.assert_array_equal(got[name], matrix.astype(dtype))


@every_backend
def test_the_jacobian_of_a_scalar_is_its_gradient(backend: Backend) -> None:
    computation, primals = BY_NAME["linear_regression"], small("linear_regression")
    got = jacobian(backend, computation, primals)
    assert got == gradient(backend, computation, primals)
    assert all(array.shape == () for array in got.values())


@every_backend
@every_dtype
def test_the_gradient_of_a_line_through_points_is_known(backend: Backend, dtype: str) -> None:
    computation, primals = BY_NAME["linear_regression"], small("linear_regression", dtype)
    w, b, x, t = (primals[name].astype(np.float64) for name in ("w", "b", "x", "t"))
    residual = w * x + b - t
    got = gradient(backend, computation, primals)
    assert distance(got, {"w": (residual * x).mean(), "b": residual.mean()}) <= BOUNDS[dtype]
    cost = value(backend, computation, primals)
    assert abs(cost - (residual**2).mean() / 2) <= BOUNDS[dtype] * cost
    assert cost.dtype == got["w"].dtype == got["b"].dtype == dtype


@every_backend
@every_dtype
@pytest.mark.parametrize("name", [*VECTORS, "logsumexp"])
def test_the_jvp_is_the_jacobian_times_the_tangent(backend: Backend, dtype: str, name: str) -> None:
    computation, primals = BY_NAME[name], small(name, dtype)
    tangents = gaussian_tangents(computation, primals)
    got = jvp(backend, computation, primals, tangents)
    matrices = jacobian(backend, computation, primals)
    expected = sum(
        np.tensordot(matrices[key].astype(np.float64), tangents[key], tangents[key].ndim)
        for key in tangents
    )
    assert got.dtype == dtype
    # What a Jacobian within the bound can change of the product.
    bound = BOUNDS[dtype] * norm(matrices.values()) * norm(tangents.values())
    assert norm([got - expected]) <= bound


@pytest.mark.parametrize("name", [*VECTORS, *SCALARS])
def test_the_jvps_of_all_backends_agree(name: str) -> None:
    computation, primals = BY_NAME[name], small(name)
    tangents = gaussian_tangents(computation, primals)
    products = {b.name: {"Jv": jvp(b, computation, primals, tangents)} for b in BACKENDS}
    for backend in ("autograd", "torch"):
        assert distance(products[backend], products["manual"]) <= BOUNDS["float64"], backend


@every_backend
def test_the_hessian_of_a_line_through_points_is_known(backend: Backend) -> None:
    computation, primals = BY_NAME["linear_regression"], small("linear_regression")
    x = primals["x"]
    hessian = np.array([[np.mean(x * x), np.mean(x)], [np.mean(x), 1]])
    for v in np.eye(2):
        tangents = {"w": np.asarray(v[0]), "b": np.asarray(v[1])}
        got = hvp(backend, computation, primals, tangents)
        expected = dict(zip("wb", hessian @ v, strict=True))
        assert distance(got, expected) <= BOUNDS["float64"]


@every_backend
def test_the_hessian_of_logsumexp_is_the_covariance_of_its_softmax(backend: Backend) -> None:
    computation, primals = BY_NAME["logsumexp"], small("logsumexp")
    p = np.exp(primals["x"]) / np.exp(primals["x"]).sum()
    tangents = gaussian_tangents(computation, primals)
    v = tangents["x"]
    expected = {"x": p * v - p * (p @ v)}
    assert distance(hvp(backend, computation, primals, tangents), expected) <= BOUNDS["float64"]


@every_backend
@every_dtype
@pytest.mark.parametrize("name", SCALARS)
def test_the_hessian_is_symmetric(backend: Backend, dtype: str, name: str) -> None:
    computation, primals = BY_NAME[name], small(name, dtype)
    v, w = (gaussian_tangents(computation, primals, seed) for seed in (1, 2))
    Hv, Hw = (hvp(backend, computation, primals, tangents) for tangents in (v, w))
    assert all(Hv[key].dtype == dtype and Hv[key].shape == v[key].shape for key in v)
    scale = norm(Hv.values()) * norm(w.values()) + norm(Hw.values()) * norm(v.values())
    assert abs(pairing(Hv, w) - pairing(Hw, v)) <= BOUNDS[dtype] * scale
    assert norm(Hv.values()) > 0


@pytest.mark.parametrize("name", SCALARS)
def test_the_hvps_of_all_backends_agree(name: str) -> None:
    computation, primals = BY_NAME[name], small(name)
    tangents = gaussian_tangents(computation, primals)
    manual = hvp(Manual(), computation, primals, tangents)
    for backend in (Autograd(), Torch()):
        got = hvp(backend, computation, primals, tangents)
        assert distance(got, manual) <= BOUNDS["float64"], backend.name


SECOND = [second_vjp, forward_over_reverse]
either_mode = pytest.mark.parametrize("second", SECOND, ids=["reverse", "forward"])


@either_mode
@every_backend
@every_dtype
def test_the_second_derivative_of_tanh_is_known(
    second: Callable[..., Arrays], backend: Backend, dtype: str
) -> None:
    computation, primals = BY_NAME["tanh"], small("tanh", dtype)
    cotangent = gaussian_cotangent(computation, primals["x"])
    tangents = gaussian_tangents(computation, primals)
    got = second(backend, computation, primals, cotangent, tangents)
    t = np.tanh(primals["x"].astype(np.float64))
    assert distance(got, {"x": -2 * t * (1 - t**2) * cotangent * tangents["x"]}) <= BOUNDS[dtype]
    assert got["x"].dtype == dtype


@either_mode
@every_backend
@every_dtype
def test_the_second_derivative_of_a_layer_is_known(
    second: Callable[..., Arrays], backend: Backend, dtype: str
) -> None:
    """⟨u, x Wᵀ + b⟩ is bilinear in x and W, and linear in b."""
    computation, primals = BY_NAME["linear"], small("linear", dtype)
    cotangent = np.arange(1, 6, dtype=dtype)[None]
    tangents = gaussian_tangents(computation, primals)
    got = second(backend, computation, primals, cotangent, tangents)
    expected = {"x": cotangent @ tangents["W"], "W": cotangent.T @ tangents["x"]}
    assert distance({name: got[name] for name in expected}, expected) <= BOUNDS[dtype]
    assert list(got) == list(computation.wrt)
    np.testing.assert_array_equal(got["b"], np.zeros(5, dtype))
    assert all(got[name].shape == tangents[name].shape for name in got)
    assert all(got[name].dtype == dtype for name in got)


@either_mode
@every_backend
def test_a_second_derivative_of_zero_is_zeros_without_a_warning(
    second: Callable[..., Arrays], backend: Backend
) -> None:
    computation, primals = BY_NAME["relu"], small("relu")
    tangents = gaussian_tangents(computation, primals)
    got = second(backend, computation, primals, np.ones_like(primals["x"]), tangents)
    np.testing.assert_array_equal(got["x"], np.zeros_like(primals["x"]))


@every_computation
def test_the_second_derivatives_of_all_backends_agree(computation: Computation) -> None:
    primals = small(computation.name)
    cotangent = gaussian_cotangent(computation, value(Torch(), computation, primals))
    tangents = gaussian_tangents(computation, primals)
    reference = second_vjp(Autograd(), computation, primals, cotangent, tangents)
    for backend in BACKENDS:
        if computation.name in DECOMPOSING and backend.name == "manual":
            continue  # not analytic
        got = second_vjp(backend, computation, primals, cotangent, tangents)
        difference = norm(got[name] - reference[name] for name in got)
        assert difference <= BOUNDS["float64"] * norm(reference.values()), backend.name


HAVE_NO_FORWARD_RULE = {
    "autograd": ["conv_encoder", "least_squares", "ridge_argmin"],
    "torch": ["ridge_argmin"],
}


@pytest.mark.parametrize("backend", [Autograd(), Torch()], ids=lambda backend: backend.name)
@pytest.mark.parametrize("name", [*VECTORS, *SCALARS, "least_squares", "ridge_argmin"])
def test_forward_over_reverse_is_reverse_over_reverse(backend: Backend, name: str) -> None:
    computation, primals = BY_NAME[name], small(name)
    cotangent = gaussian_cotangent(computation, value(backend, computation, primals))
    tangents = gaussian_tangents(computation, primals)
    given = backend, computation, primals, cotangent, tangents
    if name in HAVE_NO_FORWARD_RULE[backend.name]:
        with pytest.raises(NotImplementedError):
            forward_over_reverse(*given)
        return
    forward, reverse = forward_over_reverse(*given), second_vjp(*given)
    difference = norm(forward[name] - reverse[name] for name in reverse)
    assert difference <= BOUNDS["float64"] * norm(reverse.values())


def test_the_forward_rule_of_the_elu_node_is_that_of_its_backward() -> None:
    """At the kink and far from it, for α differentiated and for α a number."""
    z, v = np.array([-800.0, -1.0, 0.0, 1.0, 1e4]), np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    half, rate = np.asarray(0.5), np.asarray(3.0)
    along_z = np.where(z > 0, 1, 0.5 * np.exp(np.minimum(z, 0))) * v
    along_both = along_z + 3.0 * np.expm1(np.minimum(z, 0))
    jvp_of = autograd.make_jvp
    np.testing.assert_allclose(jvp_of(lambda z: elu_node(z, 0.5))(z)(v)[1], along_z, rtol=1e-15)
    both = jvp_of(lambda pair: elu_node(*pair))((z, half))((v, rate))[1]
    np.testing.assert_allclose(both, along_both, rtol=1e-15)
    # Untyped: torch gives its forward mode no types, and has deprecated what it is built with.
    elu, mode = EluFunction.apply, forward_ad  # type: Any, Any
    with warnings.catch_warnings(), mode.dual_level():
        warnings.simplefilter("ignore", DeprecationWarning)
        moving = mode.make_dual(torch.tensor(z), torch.tensor(v))
        alpha = mode.make_dual(torch.tensor(half), torch.tensor(rate))
        for number, expected in ((0.5, along_z), (alpha, along_both)):
            pushed = mode.unpack_dual(elu(moving, number)).tangent
            np.testing.assert_allclose(pushed.numpy(), expected, rtol=1e-15)


@every_backend
def test_the_hessian_is_the_second_derivative_of_a_scalar(backend: Backend) -> None:
    computation, primals = BY_NAME["mlp_regression"], small("mlp_regression")
    tangents = gaussian_tangents(computation, primals)
    one = np.ones(())
    for second in SECOND:
        got = second(backend, computation, primals, -2 * one, tangents)
        hessian = hvp(backend, computation, primals, tangents)
        assert distance(got, {"theta": -2 * hessian["theta"]}) <= BOUNDS["float64"]


@every_backend
def test_one_graph_has_any_number_of_second_derivatives(backend: Backend) -> None:
    computation, primals = BY_NAME["batch_norm"], small("batch_norm")
    cotangent = gaussian_cotangent(computation, value(backend, computation, primals))
    v, w = (gaussian_tangents(computation, primals, seed) for seed in (1, 2))
    second = second_pullback(backend, computation, primals, cotangent)
    of_v, of_w, again = second(v), second(w), second(v)
    for name in computation.wrt:
        np.testing.assert_array_equal(of_v[name], again[name])
    scale = norm(of_v.values()) * norm(w.values()) + norm(of_w.values()) * norm(v.values())
    assert abs(pairing(of_v, w) - pairing(of_w, v)) <= BOUNDS["float64"] * scale


@either_mode
@every_backend
def test_a_cotangent_that_does_not_fit_is_refused_in_one_line(
    second: Callable[..., Arrays], backend: Backend
) -> None:
    computation, primals = BY_NAME["linear"], small("linear")
    tangents = gaussian_tangents(computation, primals)
    refusals = [
        (np.ones(5), r"cotangent has shape \(5,\), but the value has shape \(1, 5\)"),
        (np.ones((1, 5), np.float32), "must share one dtype, .* cotangent float32"),
    ]
    for cotangent, message in refusals:
        with pytest.raises((TypeError, ValueError), match=f"^linear: .*{message}$"):
            second(backend, computation, primals, cotangent, tangents)


@every_backend
def test_a_vector_has_no_gradient_and_no_hessian(backend: Backend) -> None:
    computation, primals = BY_NAME["linear"], small("linear")
    with pytest.raises(ValueError, match=r"^linear: .* shape \(1, 5\) .* take its jacobian"):
        gradient(backend, computation, primals)
    with pytest.raises(ValueError, match=r"^linear: only a scalar has a Hessian, got \(1, 5\)$"):
        hvp(backend, computation, primals, gaussian_tangents(computation, primals))


def drop(tangents: dict[str, Any]) -> None:
    del tangents["W"]


def add(tangents: dict[str, Any]) -> None:
    tangents["y"] = tangents["x"]


def narrow(tangents: dict[str, Any]) -> None:
    tangents["W"] = tangents["W"].astype(np.float32)


def cut(tangents: dict[str, Any]) -> None:
    tangents["W"] = tangents["W"][:, :1]


def unpack(tangents: dict[str, Any]) -> None:
    tangents["W"] = tangents["W"].tolist()


@every_backend
@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (drop, TypeError, "tangents are wanted for x, W, b, got x, b"),
        (add, TypeError, "tangents are wanted for x, W, b, got x, W, b, y"),
        (narrow, TypeError, "tangent W is float32, but the primal is float64"),
        (cut, ValueError, "tangent W has shape (5, 1), but the primal has shape (5, 3)"),
        (unpack, TypeError, "tangent W is a list; a NumPy array is wanted"),
    ],
    ids=["missing", "unknown", "dtype", "shape", "list"],
)
def test_an_unfit_tangent_is_refused_in_one_line(
    backend: Backend,
    spoil: Callable[[dict[str, Any]], None],
    error: type[Exception],
    message: str,
) -> None:
    computation, primals = BY_NAME["linear"], small("linear")
    tangents: dict[str, Any] = {**gaussian_tangents(computation, primals)}
    spoil(tangents)
    with pytest.raises(error) as refusal:
        jvp(backend, computation, primals, tangents)
    assert str(refusal.value) == f"linear: {message}"


@every_backend
def test_an_unfit_primal_is_refused_before_the_tangents_are_looked_at(backend: Backend) -> None:
    computation, primals = BY_NAME["linear"], small("linear")
    tangents = gaussian_tangents(computation, primals)
    del primals["W"]
    with pytest.raises(TypeError, match="linear: argument 'W' is missing"):
        jvp(backend, computation, primals, tangents)


def test_the_manual_jvp_refuses_a_body_that_is_not_analytic() -> None:
    computation, primals = BY_NAME["least_squares"], small("least_squares")
    tangents = gaussian_tangents(computation, primals)
    with pytest.raises(ValueError, match="least_squares: by_hand is not analytic in complex"):
        jvp(Manual(), computation, primals, tangents)


def test_the_engines_jvps_of_least_squares_agree() -> None:
    computation, primals = BY_NAME["least_squares"], small("least_squares")
    tangents = gaussian_tangents(computation, primals)
    one, other = ({"Jv": jvp(b, computation, primals, tangents)} for b in (Autograd(), Torch()))
    assert distance(one, other) <= BOUNDS["float64"]


@every_backend
def test_derivatives_leave_their_arguments_alone(backend: Backend) -> None:
    computation, primals = BY_NAME["mlp_regression"], small("mlp_regression")
    tangents = gaussian_tangents(computation, primals)
    before: dict[str, Array] = {**primals, "v": tangents["theta"]}
    before = {name: array.copy() for name, array in before.items()}
    jvp(backend, computation, primals, tangents)
    hvp(backend, computation, primals, tangents)
    for name, array in {**primals, "v": tangents["theta"]}.items():
        np.testing.assert_array_equal(array, before[name])


def test_a_hessian_in_a_direction_is_the_same_at_every_call() -> None:
    computation, primals = BY_NAME["donsker_varadhan"], small("donsker_varadhan")
    tangents = gaussian_tangents(computation, primals)
    for backend in BACKENDS:
        first, again = (hvp(backend, computation, primals, tangents) for _ in range(2))
        for name in computation.wrt:
            np.testing.assert_array_equal(first[name], again[name])


def test_near_a_minimum_where_the_gradient_is_rounding_the_complex_step_is_taken() -> None:
    x = np.nextafter(np.ones(2), [2.0, 0.0])
    exact = np.asarray([[802.0, -400.0], [-400.0, 200.0]])
    for direction in np.identity(2):
        found = hvp(Manual(), BY_NAME["rosenbrock"], {"x": x}, {"x": direction})
        np.testing.assert_allclose(found["x"], exact @ direction, rtol=1e-5)
