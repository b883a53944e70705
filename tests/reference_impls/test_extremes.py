"""Inputs up to ±1e4, and the places where a formula that is right on paper gives NaN."""

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from itertools import product
from typing import Any, NamedTuple

import autograd
import autograd.numpy as anp
import numpy as np
import numpy.typing as npt
import pytest
import torch
from autograd.test_util import check_grads

from reference_impls import BACKENDS, Array, Arrays, Backend, Computation, Manual, draw
from reference_impls.computations import elu, logsumexp
from reference_impls.computations.least_squares import ClippedSingularValuesWarning
from reference_impls.engines.backend import seed_cotangent
from reference_impls.implicit import ImplicitError
from tests.reference_impls.shared import (
    BOUNDS,
    BY_NAME,
    distance,
    every_backend,
    every_computation,
    every_dtype,
    gaussian_cotangent,
    norm,
    run_body,
)

LARGE = 1e4


def unit_roundoff(dtype: str) -> float:
    return float(np.finfo(dtype).eps) / 2


class Limit(NamedTuple):
    """What an activation and its slope are at one point."""

    name: str
    at: float
    value: float
    slope: float


LIMITS = [
    Limit("relu", LARGE, LARGE, 1),
    Limit("relu", 1e-30, 1e-30, 1),
    Limit("relu", 0, 0, 0),  # as the tutorial's code has it
    Limit("relu", -1e-30, 0, 0),
    Limit("relu", -LARGE, 0, 0),
    Limit("sigmoid", LARGE, 1, 0),
    Limit("sigmoid", 80, 1, np.exp(-80)),
    Limit("sigmoid", 1e-30, 0.5, 0.25),
    Limit("sigmoid", 0, 0.5, 0.25),
    Limit("sigmoid", -1e-30, 0.5, 0.25),
    Limit("sigmoid", -80, np.exp(-80), np.exp(-80)),
    Limit("sigmoid", -1e2, np.exp(-1e2), np.exp(-1e2)),
    Limit("sigmoid", -LARGE, 0, 0),
    Limit("tanh", LARGE, 1, 0),
    Limit("tanh", 1e2, 1, 0),
    Limit("tanh", 1e-30, 1e-30, 1),
    Limit("tanh", 0, 0, 1),
    Limit("tanh", -1e-30, -1e-30, 1),
    Limit("tanh", -1e2, -1, 0),
    Limit("tanh", -LARGE, -1, 0),
    Limit("elu", LARGE, LARGE, 1),
    Limit("elu", 1e2, 1e2, 1),
    Limit("elu", 1e-30, 1e-30, 1),
    Limit("elu", 0, 0, 0.5),  # alpha, the left derivative
    Limit("elu", -1e-30, -0.5e-30, 0.5),
    Limit("elu", -1e2, -0.5, 0),
    Limit("elu", -LARGE, -0.5, 0),
    Limit("composite_elu", LARGE, LARGE, 1),
    Limit("composite_elu", 1e2, 1e2, 1),
    Limit("composite_elu", 1e-30, 1e-30, 1),
    Limit("composite_elu", 0, 0, 0.5),  # alpha, the left derivative
    Limit("composite_elu", -1e2, -0.5, 0),
    Limit("composite_elu", -LARGE, -0.5, 0),
    Limit("exponential_loss", 0, 1, -1),
    Limit("exponential_loss", 80, np.exp(-80), -np.exp(-80)),
    Limit("exponential_loss", LARGE, 0, 0),
]

OTHER_ARGUMENTS: dict[str, dict[str, npt.ArrayLike]] = {
    "elu": {"alpha": 0.5},
    "composite_elu": {"alpha": 0.5},
    "exponential_loss": {"z": [-1.0]},
}


@every_backend
@every_dtype
@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: f"{limit.name}({limit.at:g})")
def test_activations_reach_their_limits(backend: Backend, dtype: str, limit: Limit) -> None:
    computation = BY_NAME[limit.name]
    first = computation.wrt[0]
    value, cotangents = run_body(
        backend, limit.name, {first: [limit.at], **OTHER_ARGUMENTS.get(limit.name, {})}, [1], dtype
    )
    # exp(x) of an x with a few roundings in it has |x| times their relative error, until it is
    # subnormal. A slope has the absolute error of a number near 1: it may be formed as 1 - f².
    roundings = 4 * unit_roundoff(dtype) * (1 + min(abs(limit.at), 100))
    subnormal = float(np.finfo(dtype).tiny)
    assert abs(value[0] - limit.value) <= roundings * abs(limit.value) + subnormal
    assert abs(cotangents[first][0] - limit.slope) <= roundings
    assert value.dtype == cotangents[first].dtype == dtype


@every_backend
@every_dtype
@pytest.mark.parametrize(("z", "expected"), [(LARGE, 0), (0, 0), (-1e-30, -1e-30), (-LARGE, -1)])
def test_alphas_cotangent_reaches_its_limits(
    backend: Backend, dtype: str, z: float, expected: float
) -> None:
    _, cotangents = run_body(backend, "elu", {"z": [z], "alpha": 0.5}, [1], dtype)
    assert cotangents["alpha"] == np.asarray(expected, dtype)


LOGSUMEXPS = [
    ([LARGE, LARGE], LARGE + np.log(2), [0.5, 0.5]),
    ([LARGE, -LARGE], LARGE, [1, 0]),
    ([-LARGE, -LARGE], -LARGE + np.log(2), [0.5, 0.5]),
    ([0, 0, 0, 0], np.log(4), [0.25, 0.25, 0.25, 0.25]),
    ([-np.inf, 0, 0], np.log(2), [0, 0.5, 0.5]),
    ([-np.inf, LARGE, -np.inf], LARGE, [0, 1, 0]),
    ([-LARGE], -LARGE, [1]),
]


@every_backend
@every_dtype
@pytest.mark.parametrize(("x", "value", "softmax"), LOGSUMEXPS, ids=str)
def test_logsumexp_neither_overflows_nor_loses_an_entry(
    backend: Backend, dtype: str, x: list[float], value: float, softmax: list[float]
) -> None:
    got, cotangents = run_body(backend, "logsumexp", {"x": x}, 1, dtype)
    assert abs(got - value) <= 4 * unit_roundoff(dtype) * abs(value)
    # The softmax may be taken as exp(x - f), with the absolute error of f in its exponent.
    bound = 4 * unit_roundoff(dtype) * max(1, abs(value))
    np.testing.assert_allclose(cotangents["x"], softmax, rtol=0, atol=bound)
    assert np.all(cotangents["x"][np.isneginf(x)] == 0)


@every_backend
@every_dtype
def test_logsumexp_of_nothing_but_minus_infinity_is_minus_infinity(
    backend: Backend, dtype: str
) -> None:
    # It has no gradient there, so neither is one asked for nor a warning about log 0 a fault.
    with np.errstate(divide="ignore", invalid="ignore"):
        value, _ = run_body(backend, "logsumexp", {"x": [-np.inf, -np.inf]}, 1, dtype)
    assert np.isneginf(value)


@every_backend
@every_dtype
def test_cross_entropy_of_large_logits_is_linear_in_the_wrong_ones(
    backend: Backend, dtype: str
) -> None:
    primals: dict[str, npt.ArrayLike] = {
        "x": [LARGE],
        "W": [[1, -1, 1, -1]],
        "b": [0, 0, 0, 0],
        "y": [1, 0, 0, 1],  # the last two are on the wrong side, each by 1e4
    }
    value, cotangents = run_body(backend, "linear_bce", primals, 1, dtype)
    z_bar = np.array([0, 0, 0.25, -0.25])
    assert value == LARGE / 2
    np.testing.assert_array_equal(cotangents["b"], z_bar)
    np.testing.assert_array_equal(cotangents["W"], [LARGE * z_bar])
    np.testing.assert_array_equal(cotangents["x"], [0.5])


@every_backend
@every_dtype
def test_batch_normalisation_of_constant_columns_is_beta(backend: Backend, dtype: str) -> None:
    rows = 8
    gamma, beta = np.array([1.5, -2.0]), np.array([0.25, 3.0])
    primals = {"x": np.full((rows, 2), LARGE), "gamma": gamma, "beta": beta}
    u = np.random.default_rng(0).standard_normal((rows, 2)).astype(dtype)
    value, cotangents = run_body(backend, "batch_norm", primals, u, dtype)
    # One rounding of x moves the value by x gamma/√ε of it, as the variance is 0; torch, which
    # folds μ into the offset, does round there.
    slope = gamma / np.sqrt(1e-5)
    bound = 4 * unit_roundoff(dtype) * LARGE * np.abs(slope).max()
    np.testing.assert_allclose(value, np.tile(beta, (rows, 1)), rtol=0, atol=bound)
    # What is left of the cotangent of x are the terms without x - μ; in that of gamma nothing is.
    expected = {"x": slope * (u - u.mean(axis=0)), "beta": u.sum(axis=0)}
    assert distance(cotangents, expected) <= BOUNDS[dtype]
    np.testing.assert_array_equal(cotangents["gamma"], [0, 0])


DATA = {"x", "z", "t", "features", "Z", "Z_ref", "A"}
"""Arguments that are data; the others are parameters, but for the targets y, which are labels."""


def scaled(computation: Computation, dtype: str, names: set[str]) -> Arrays:
    primals = draw(computation, min(computation.sizes), dtype)
    for name in names & set(primals):
        largest = np.abs(primals[name]).max()
        if largest > 0:
            primals[name] = primals[name] * np.asarray(LARGE / largest, dtype)
    return primals


def everything(computation: Computation) -> set[str]:
    # exp(w z) of two large arguments is truly infinite, and in float32 so are prices times six
    # layers of weights.
    only = {"exponential_loss": {"w"}, "timeseries_net": {"x", "lam"}}
    return only.get(computation.name, set(computation.shapes) - {"y", "signs"})


def data_alone(computation: Computation) -> set[str]:
    return DATA & everything(computation)


@every_backend
@every_dtype
@pytest.mark.parametrize("choose", [data_alone, everything], ids=lambda choose: choose.__name__)
@every_computation
def test_large_arguments_give_finite_values_and_gradients(
    backend: Backend,
    dtype: str,
    choose: Callable[[Computation], set[str]],
    computation: Computation,
) -> None:
    primals = scaled(computation, dtype, choose(computation))
    refused = (computation.name, choose.__name__, dtype, backend.name) in REFUSED
    with pytest.raises(ImplicitError) if refused else nullcontext():
        value, vjp = backend.make_vjp(computation, primals)
        for name, array in {"value": value, **vjp(seed_cotangent(value))}.items():
            assert np.isfinite(array).all(), name
            assert array.dtype == dtype, name


REFUSED = {
    # Sixteen rows of 1e4 for twenty features, beside a penalty of 1: float32 sees no definite K.
    *product(
        ["ridge_argmin", "ridge_intercept_argmin"],
        ["data_alone"],
        ["float32"],
        ["autograd", "torch"],
    ),
    # Nor beside a penalty of 1e4, as K has 1 for the intercept beside squares of features.
    *product(["ridge_intercept_argmin"], ["everything"], ["float32"], ["autograd", "torch"]),
    # A penalty of 1e4 that drives weights apart: those of the old signs are no minimum.
    *product(
        ["printed_elastic_net_argmin"],
        ["everything"],
        ["float64", "float32"],
        ["autograd", "torch", "manual"],
    ),
    # With weights of 1e4 tanh does not contract: where there is a fixed point, it is a cliff.
    *product(["root_argmin"], ["everything"], ["float32"], ["autograd", "torch", "manual"]),
    ("root_argmin", "everything", "float64", "manual"),
}
"""What is answered by an error that says why, for want of a number."""


@every_backend
@every_dtype
def test_the_sum_of_a_softmax_has_no_gradient(backend: Backend, dtype: str) -> None:
    computation = BY_NAME["elu_mlp"]
    value, vjp = backend.make_vjp(computation, draw(computation, 10, dtype))
    zero = norm(vjp(np.ones_like(value)).values())
    # Both cotangents reach z̄₃ = f (ū - Σ f ū), a sum of terms of size f: for Gaussian ū they do
    # not cancel, for ones they leave the rounding of a sum of ten, and the rest is linear.
    scale = norm(vjp(gaussian_cotangent(computation, value)).values())
    assert zero <= 10 * unit_roundoff(dtype) * scale


@every_backend
@every_dtype
def test_a_constant_added_to_the_donsker_varadhan_network_changes_nothing(
    backend: Backend, dtype: str
) -> None:
    n = 100
    computation = BY_NAME["donsker_varadhan"]
    value, vjp = backend.make_vjp(computation, draw(computation, n, dtype))
    # b̄₃ adds up n terms 1/n and n that sum to -1: at most 2n roundings of terms that together
    # have magnitude 2, and a handful in each term.
    cotangents = vjp(np.ones_like(value))
    assert abs(cotangents["b3"][0]) <= (2 * n + 10) * unit_roundoff(dtype) * 2


def logsumexp_of_squares(y: Any) -> Any:  # noqa: ANN401 -- a box of autograd's
    return logsumexp.logsumexp_node(y**2)


def torch_logsumexp_of_squares(y: torch.Tensor) -> torch.Tensor:
    return torch.logsumexp(y**2, dim=0)


Y = np.array([0.3, -1.2, 2.0, 0.0, 100.0, 99.99])
"""Of squares up to 1e4, two of them close to each other."""

SOFTMAX = np.exp(Y**2 - 1e4) / np.exp(Y**2 - 1e4).sum()
GRADIENT = 2 * Y * SOFTMAX
HESSIAN = np.diag(2 * SOFTMAX + 4 * Y**2 * SOFTMAX) - np.outer(GRADIENT, GRADIENT)

# exp(x - f) has the rounding of f = 1e4 in its exponent.
SQUARES_BOUND = 16 * LARGE * unit_roundoff("float64")


def test_the_custom_logsumexp_is_differentiable_twice() -> None:
    gradient = autograd.grad(logsumexp_of_squares)(Y)
    hessian = autograd.hessian(logsumexp_of_squares)(Y)
    assert norm([gradient - GRADIENT]) <= SQUARES_BOUND * norm([GRADIENT])
    # Its terms are larger than what they leave.
    terms = norm([np.outer(GRADIENT, GRADIENT)])
    assert norm([hessian - HESSIAN]) <= SQUARES_BOUND * terms


def test_torchs_logsumexp_is_differentiable_twice() -> None:
    y = torch.tensor(Y)
    gradient = torch.autograd.functional.jacobian(torch_logsumexp_of_squares, y)  # type: ignore[no-untyped-call]
    hessian = torch.autograd.functional.hessian(torch_logsumexp_of_squares, y)  # type: ignore[no-untyped-call]
    assert norm([gradient.numpy() - GRADIENT]) <= SQUARES_BOUND * norm([GRADIENT])
    terms = norm([np.outer(GRADIENT, GRADIENT)])
    assert norm([hessian.numpy() - HESSIAN]) <= SQUARES_BOUND * terms


def test_the_manual_logsumexp_of_squares_has_that_gradient_by_complex_step() -> None:
    step = 2.0**-70
    got = np.array(
        [
            np.imag(logsumexp.by_hand((Y + 1j * step * unit) ** 2)[0]) / step
            for unit in np.eye(Y.size)
        ]
    )
    assert norm([got - GRADIENT]) <= SQUARES_BOUND * norm([GRADIENT])


Z = np.array([-3.0, -0.5, -1e-3, 1e-3, 0.5, 20.0])
ALPHA = 0.7
WEIGHTS = np.array([1.0, -2.0, 0.5, 3.0, -1.0, 2.0])


def elu_hessian() -> Array:
    """Of Σ c elu(z, α) in (z, α): α c eᶻ on the diagonal and c eᶻ beside it, where z < 0."""
    slopes = np.where(Z < 0, WEIGHTS * np.exp(np.minimum(Z, 0)), 0)
    return np.block([[np.diag(ALPHA * slopes), slopes[:, None]], [slopes[None], np.zeros((1, 1))]])


def test_the_custom_elu_of_autograd_is_differentiable_twice() -> None:
    def weighted(packed: Any) -> Any:  # noqa: ANN401 -- a box of autograd's
        return anp.sum(WEIGHTS * elu.elu_node(packed[:-1], packed[-1]))

    hessian = autograd.hessian(weighted)(np.append(Z, ALPHA))
    np.testing.assert_allclose(hessian, elu_hessian(), rtol=1e-14, atol=0)
    check_grads(elu.elu_node, modes=["rev"], order=2)(Z, ALPHA)


def test_the_custom_elu_of_torch_is_differentiable_twice() -> None:
    def weighted(packed: torch.Tensor) -> torch.Tensor:
        return (torch.tensor(WEIGHTS) * elu.by_torch(packed[:-1], packed[-1])).sum()

    packed = torch.tensor(np.append(Z, ALPHA))
    hessian = torch.autograd.functional.hessian(weighted, packed)  # type: ignore[no-untyped-call]
    np.testing.assert_allclose(hessian.numpy(), elu_hessian(), rtol=1e-14, atol=0)

    arguments = (torch.tensor(Z, requires_grad=True), torch.tensor(ALPHA, dtype=torch.float64))
    arguments[1].requires_grad_()
    assert torch.autograd.gradcheck(elu.by_torch, arguments)
    assert torch.autograd.gradgradcheck(elu.by_torch, arguments)


def least_squares_on(backend: Backend, A: Array, b: Array) -> tuple[Arrays, Arrays]:
    value, vjp = backend.make_vjp(BY_NAME["least_squares"], {"A": A, "b": b})
    return {"x": value}, vjp(seed_cotangent(value))


def test_a_wide_least_squares_problem_has_the_minimum_norm_solution() -> None:
    rng = np.random.default_rng(0)
    A, b = rng.standard_normal((5, 12)), rng.standard_normal(5)
    expected = {"x": np.linalg.lstsq(A, b, rcond=None)[0]}
    _, manual = least_squares_on(Manual(), A, b)
    for backend in BACKENDS:
        value, cotangents = least_squares_on(backend, A, b)
        assert distance(value, expected) <= BOUNDS["float64"], backend.name
        assert distance(cotangents, manual) <= BOUNDS["float64"], backend.name


@every_backend
def test_a_small_but_well_conditioned_matrix_is_not_clipped(backend: Backend) -> None:
    rng = np.random.default_rng(0)
    Q, _ = np.linalg.qr(rng.standard_normal((30, 5)))
    b = rng.standard_normal(30)
    # A clipped value would warn, and a warning is an error here.
    value, _ = least_squares_on(backend, 1e-7 * Q, b)
    assert distance(value, {"x": 1e7 * (Q.T @ b)}) <= BOUNDS["float64"]


def rank_two() -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((30, 2)), rng.standard_normal((2, 5)), rng.standard_normal(30)


@every_dtype
def test_a_rank_deficient_matrix_is_clipped_with_a_warning(dtype: str) -> None:
    L, R, b = (array.astype(dtype) for array in rank_two())
    with pytest.warns(ClippedSingularValuesWarning, match="clipped 3 of 5 .*: rank 2$"):
        value, _ = least_squares_on(Manual(), L @ R, b)
    # NumPy's own cut is that of float64 even here.
    expected = np.linalg.lstsq(L @ R, b, rcond=30 * float(np.finfo(dtype).eps))[0]
    assert distance(value, {"x": expected}) <= BOUNDS[dtype]


def test_a_rank_deficient_gradient_is_that_along_matrices_of_the_same_rank() -> None:
    L, R, b = rank_two()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ClippedSingularValuesWarning)
        value, cotangents = least_squares_on(Manual(), L @ R, b)
    u = seed_cotangent(value["x"])

    # (L R)⁺ = R⁺ L⁺ for L of full column and R of full row rank, and both factors may vary freely.
    def paired(L: Any, R: Any, b: Any) -> Any:  # noqa: ANN401 -- boxes of autograd's
        return anp.dot(u, anp.dot(anp.linalg.pinv(R), anp.dot(anp.linalg.pinv(L), b)))

    L_bar, R_bar, b_bar = autograd.grad(paired, (0, 1, 2))(L, R, b)
    got = {"L": cotangents["A"] @ R.T, "R": L.T @ cotangents["A"], "b": cotangents["b"]}
    assert distance(got, {"L": L_bar, "R": R_bar, "b": b_bar}) <= BOUNDS["float64"]
