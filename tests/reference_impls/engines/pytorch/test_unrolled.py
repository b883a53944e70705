"""Differentiation through the iterations, which knows no implicit function theorem."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from reference_impls.computation import Array
from reference_impls.engines.pytorch.argmin import torch_argmin
from reference_impls.engines.pytorch.unrolled import torch_unrolled_argmin, torch_unrolled_root
from reference_impls.implicit import (
    NotConvergedError,
    OutputShapeError,
    SingularError,
    adjoint,
)
from tests.reference_impls.implicit.shared import (
    POINTS,
    RIDGE,
    TORCH,
    Native,
    close,
    cubic,
    cubic_at_its_root,
    derivative,
    numbers,
    ridge,
    ridge_layer,
    skewed,
    torch_array,
)

BOUND = 1e-12


def unrolled_ridge(penalty: torch.Tensor) -> Native:
    S, Y = torch_array(POINTS[0]), torch_array(POINTS[1])
    return torch_unrolled_argmin(ridge, torch_array([0.0, 0.0]), penalty, S, Y)


def ridge_in_closed_form() -> list[Array]:
    """Returns w and its first two derivatives in the penalty, at a penalty of 2."""
    S, Y = map(np.array, POINTS)
    A = S.T @ S / 3 + 2.0 / 2 * np.eye(2)
    w = np.linalg.solve(A, S.T @ Y / 3)
    first = -np.linalg.solve(A, w) / 2
    return [w, first, -np.linalg.solve(A, first)]


@pytest.mark.parametrize("order", [0, 1, 2])
def test_ridge_regression_has_a_closed_form(order: int) -> None:
    got = derivative(TORCH, unrolled_ridge, order)(torch_array(2.0))
    assert close(got, ridge_in_closed_form()[order], BOUND)


def test_a_root_tells_the_jacobian_from_its_transpose() -> None:
    A, b = map(torch_array, skewed())
    initial = torch_array(np.zeros(4))
    y = numbers(torch_unrolled_root(cubic, initial, A, b))
    by_A, by_b = cubic_at_its_root(y, numbers(A))
    assert np.linalg.norm(cubic(y, numbers(A), numbers(b))) < BOUND
    got = TORCH.jacobian(lambda A: torch_unrolled_root(cubic, initial, A, b))(A)
    assert close(got, by_A, BOUND)
    got = TORCH.jacobian(lambda b: torch_unrolled_root(cubic, initial, A, b))(b)
    assert close(got, by_b, BOUND)


@pytest.mark.parametrize("order", [0, 1, 2])
def test_the_derivatives_arrive_although_the_guess_is_the_root(order: int) -> None:
    def layer(z: torch.Tensor) -> Native:
        return torch_unrolled_root(lambda y, z: y**2 - z, torch_array(2.0), z)

    wanted = (2.0, 1 / 4, -1 / 32)[order]
    assert close(derivative(TORCH, layer, order)(torch_array(4.0)), wanted, BOUND)


def test_second_derivatives_of_a_root_pass_torchs_check() -> None:
    A, b = (torch_array(array).requires_grad_() for array in skewed())

    def layer(A: torch.Tensor, b: torch.Tensor) -> Native:
        return torch_unrolled_root(cubic, torch_array(np.zeros(4)), A, b)

    assert torch.autograd.gradcheck(layer, (A, b))
    assert torch.autograd.gradgradcheck(layer, (A, b))


def test_a_quadratic_programme_is_solved_through_its_kkt_conditions() -> None:
    Q = torch_array([[4, 1], [1, 2]])

    def layer(c: Native, b: Native) -> Native:
        return torch_unrolled_argmin(
            lambda x, c, b: x @ Q @ x / 2 + c @ x,  # noqa: ARG005 -- b is the constraint's
            torch_array([0, 0]),
            c,
            b,
            constraint=lambda x, c, b: x.sum() - b,  # noqa: ARG005 -- c is the objective's
        )

    c, b = torch_array([1, 1]), torch_array(1)
    assert close(layer(c, b), (0.25, 0.75), BOUND)
    by_c = TORCH.jacobian(lambda c: layer(c, b))(c)
    assert close(by_c, np.array([[-1, 1], [1, -1]]) / 4, BOUND)
    assert close(TORCH.jacobian(lambda b: layer(c, b))(b), (0.25, 0.75), BOUND)


def logistic(w: Native, penalty: Native, X: Native, labels: Native) -> Native:
    scores = X @ w
    return (torch.log1p(scores.exp()) - labels * scores).mean() + penalty / 2 * (w**2).sum()


@pytest.mark.parametrize("order", [0, 1, 2])
def test_logistic_regression_is_that_of_the_layer(order: int) -> None:
    X = torch_array([[1, 2], [2, -1], [-1, 1], [0, 1], [1, -1]])
    labels = torch_array([1, 0, 1, 0, 1])

    def differentiated(solve: Callable[..., Native]) -> Native:
        def layer(penalty: torch.Tensor) -> Native:
            return solve(logistic, torch_array([0, 0]), penalty, X, labels)

        return derivative(TORCH, layer, order)(torch_array(0.1))

    wanted = numbers(differentiated(torch_argmin))
    assert close(differentiated(torch_unrolled_argmin), wanted, BOUND)


def test_the_structure_is_kept_and_the_gradient_of_the_initial_guess_is_zero() -> None:
    start, b = (torch_array(values).requires_grad_() for values in ([0.0, 1.0], [4.0, 6.0]))

    def condition(y: dict[str, Native], b: Native, scale: int) -> tuple[Native, Native]:
        return y["a"] * scale - b, y["b"] + y["a"].sum()

    y = torch_unrolled_root(condition, {"b": 0.0, "a": start}, b, 2)
    assert list(y) == ["b", "a"]
    assert close(y["a"], [2.0, 3.0])
    (y["b"] + y["a"].sum() * 3).backward()
    assert start.grad is not None
    assert start.grad.tolist() == [0.0, 0.0]
    assert b.grad is not None
    assert close(b.grad, [1.0, 1.0])


def test_the_gradient_of_the_initial_guess_can_be_asked_for_alone() -> None:
    start = torch_array([0.0, 1.0]).requires_grad_()
    y = torch_unrolled_argmin(lambda y: ((y - 1) ** 2).sum(), start)
    assert torch.autograd.grad(y.sum(), start)[0].tolist() == [0.0, 0.0]


def test_inference_mode_has_values() -> None:
    with torch.inference_mode():
        z = torch_array([0.3, 5.0])
        y = torch_unrolled_root(lambda y, z: y**3 + 2 * y - z, z * 0, z)
        assert close(y**3 + 2 * y, z)
        assert close(unrolled_ridge(torch_array(2.0)), RIDGE[0])
    scale = torch_array(2.0).requires_grad_()
    y = torch_unrolled_root(lambda y, z, scale: y - z * scale, torch_array([0.0, 0.0]), z, scale)
    assert close(torch.autograd.grad(y.sum(), scale)[0], 5.3)


def test_without_a_graph_there_is_none() -> None:
    with torch.no_grad():
        assert not unrolled_ridge(torch_array(2.0).requires_grad_()).requires_grad


def test_wrong_arguments_are_refused() -> None:
    start, z = torch_array([0.0, 0.0]), torch_array([1.0, 2.0]).requires_grad_()
    with pytest.raises(TypeError, match="objective: got NoneType, wanted a tensor of float64"):
        torch_unrolled_argmin(lambda _: None, start)
    with pytest.raises(TypeError, match=r"condition\[1\]: got float, wanted a tensor of float64"):
        torch_unrolled_root(lambda y: [y[:1], 0.5], start)
    with pytest.raises(OutputShapeError, match="constraint: got no entries"):
        torch_unrolled_argmin(lambda y: y.sum(), start, constraint=lambda _: [])
    with pytest.raises(TypeError, match="objective: reads, besides its arguments, a tensor"):
        torch_unrolled_argmin(lambda y: ((y - z) ** 2).sum(), start)
    with pytest.raises(TypeError, match="condition: reads, besides its arguments, a tensor"):
        torch_unrolled_root(lambda y: y - z, start)
    with pytest.raises(TypeError, match=r"torch\.func: no layer runs in its transforms"):
        torch.func.vmap(unrolled_ridge)(torch_array([1.0, 2.0]))


def test_single_precision_is_kept() -> None:
    target = torch_array([1.0, 2.0], "float32").requires_grad_()
    y = torch_unrolled_argmin(lambda y, t: ((y - t) ** 4 + (y - t) ** 2).sum(), target * 0, target)
    assert y.dtype == torch.float32
    assert close(y, [1.0, 2.0], 1e-6)


def test_what_has_no_derivative_is_refused() -> None:
    one, ones = torch_array(1.0), torch_array([1.0, 1.0])
    with pytest.raises(NotConvergedError, match=r"‖F‖ is 1\.0e\+00, but the next Newton step"):
        torch_unrolled_root(lambda y: y**2 + 1, one)
    with pytest.raises(NotConvergedError, match="F is not finite at the guess"):
        torch_unrolled_root(lambda y: y + np.nan, one)
    with pytest.raises(NotConvergedError, match="the next Newton step would move y"):
        torch_unrolled_argmin(lambda y: 2.0 ** (-y), one)
    with pytest.raises(SingularError, match="K = ∂F/∂y is singular: it vanishes"):
        torch_unrolled_root(lambda y: y**3, one)
    with pytest.raises(SingularError, match="singular to working precision"):
        torch_unrolled_root(lambda y: torch.stack([y.sum(), y.sum()]), ones)
    with pytest.raises(SingularError, match="y is a saddle or a maximum"):
        torch_unrolled_argmin(lambda y: y[0] ** 2 - y[1] ** 2, ones)
    with pytest.raises(OutputShapeError, match="objective: got shape"):
        torch_unrolled_argmin(lambda y: y, ones)
    with pytest.raises(OutputShapeError, match="condition: got shape"):
        torch_unrolled_root(lambda y: y[:1], ones)


def test_it_uses_no_derivative_of_the_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the implicit function theorem is used")

    monkeypatch.setattr(adjoint.Root, "vjp", refuse)
    with pytest.raises(AssertionError):
        derivative(TORCH, ridge_layer(TORCH), 1)(torch_array(2.0))
    assert close(derivative(TORCH, unrolled_ridge, 1)(torch_array(2.0)), ridge_in_closed_form()[1])


@pytest.mark.parametrize("z", [1.0, 10.0, 30.0, 100.0])
def test_a_weak_direction_is_followed_to_its_end(z: float) -> None:
    """The norm of F is soon the rounding of its strong part; what is left to go is not."""

    def condition(y: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        strong, weak = 1e2 * (y[0] ** 2 - 12345.678), 1e-4 * (y[1] + y[1] ** 3 - z)
        return torch.stack([strong, weak])

    parameter = torch.tensor(z, dtype=torch.float64, requires_grad=True)
    guess = torch.tensor([100.0, 1.0], dtype=torch.float64)
    y = torch_unrolled_root(condition, guess, parameter)
    (derivative,) = torch.autograd.grad(y[1], parameter)
    root = float(y[1].detach())
    assert root + root**3 == pytest.approx(z, rel=1e-14)
    assert float(derivative) == pytest.approx(1 / (1 + 3 * root**2), rel=1e-12)
