"""What is torch's own: its modes, its batches and its autograd."""

from typing import Any

import numpy as np
import pytest
import torch

from reference_impls.engines.pytorch import argmin as argmin_of_torch
from reference_impls.engines.pytorch.argmin import TorchEngine, torch_argmin, torch_root
from reference_impls.implicit import SingularError
from reference_impls.implicit.solvers import Cholesky, ConjugateGradients
from tests.reference_impls.implicit.shared import Native, close, torch_array


def energy(y: Native, z: Native) -> Native:
    return (y**4).sum() / 4 + (y**2).sum() - (y * z).sum()


def test_fewer_rows_of_the_matrix_are_formed_at_once_as_the_parameters_grow() -> None:
    def rows(unknowns: int, parameters: int) -> int:
        z = torch.empty(parameters, device="meta")
        return TorchEngine.of(torch_array([0.0]), {"z": [z]}).rows_at_once(unknowns)

    assert [rows(200, 2**power) for power in (10, 14, 17, 19, 20, 22)] == [200, 64, 8, 2, 1, 1]
    # With more unknowns, K itself is as large.
    assert [rows(2**12, 2**power) for power in (10, 14, 20)] == [2**12, 2**10, 2**4]
    assert TorchEngine.of(torch_array([0.0]), ()).rows_at_once(7) == 7


def test_rows_that_are_formed_apart_make_the_same_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, z = TorchEngine(torch.device("cpu"), 40), torch_array([1.0, 2.0, 3.0, 4.0, 5.0])
    batches: list[int] = []
    gradients = argmin_of_torch._gradients  # noqa: SLF001 -- it alone sees the batches

    def spy(value: Native, inputs: Native, rows: Native, *, batched: bool) -> Native:
        batches.append(len(rows))
        return gradients(value, inputs, rows, batched=batched)

    monkeypatch.setattr(argmin_of_torch, "_gradients", spy)
    monkeypatch.setattr(argmin_of_torch, "ENTRIES_AT_ONCE", 80)
    J = engine.jacobian(lambda y: y * z + y.sum() ** 2, z)
    assert batches == [2, 2, 1]
    assert close(J, np.diag(z) + 2 * 15.0)


def test_a_parameter_may_be_computed_from_another() -> None:
    a = torch_array([1.0, -2.0]).requires_grad_()

    def loss(y: Native, a: Native, b: Native) -> Native:
        return ((y - a) ** 2).sum() + ((y - b) ** 2).sum()

    y = torch_argmin(loss, torch_array([0.0, 0.0]), a, a**2)
    (slope,) = torch.autograd.grad(y.sum(), a, create_graph=True)
    assert close(slope, (1 + 2 * a.detach()) / 2)
    assert close(torch.autograd.grad(slope.sum(), a)[0], [1.0, 1.0])


@pytest.mark.parametrize("library", ["torch.func", "torch.autograd"])
def test_a_condition_may_itself_be_a_derivative(library: str) -> None:
    def by_autograd(y: Native, z: Native) -> Native:
        with torch.enable_grad():
            y = y if y.requires_grad else y.detach().requires_grad_()
            return torch.autograd.grad(energy(y, z), y, create_graph=True)[0]

    condition: Any = torch.func.grad(energy) if library == "torch.func" else by_autograd
    z = torch_array([0.3, 5.0]).requires_grad_()
    y = torch_root(condition, torch_array([0.0, 0.0]), z)
    assert close(y**3 + 2 * y, z.detach())
    (slope,) = torch.autograd.grad(y.sum(), z)
    assert close(slope, 1 / (3 * y.detach() ** 2 + 2))


def test_an_objective_may_have_a_layer_in_it() -> None:
    """The inner argmin is z/2 of its parameter z; the outer one then is at its own."""

    def inner(w: Native, z: Native) -> Native:
        return ((w - z) ** 2).sum() + (w**2).sum()

    def outer(y: Native, z: Native) -> Native:
        w = torch_argmin(inner, torch_array([0.0, 0.0]), y)
        return ((w - z) ** 2).sum() + (y**2).sum() / 4

    z = torch_array([0.3, 0.2]).requires_grad_()
    y = torch_argmin(outer, torch_array([0.1, 0.1]), z, solver=ConjugateGradients())
    assert close(y, [0.3, 0.2])
    assert close(torch.autograd.grad(y.sum(), z)[0], [1.0, 1.0])


def test_a_matrix_of_zeros_is_singular_even_if_something_else_wants_a_gradient() -> None:
    slope = torch_array([1.0, 2.0, 3.0]).requires_grad_()
    # With a graph, what else wants a gradient would be refused at once.
    with torch.no_grad(), pytest.raises(SingularError):
        torch_root(lambda y: slope + 0 * y.detach(), torch_array([0.0, 0.0, 0.0]))
    with pytest.raises(SingularError):
        torch_root(lambda y: 0 * y.detach() + 1, torch_array([0.0, 0.0, 0.0]))
    with torch.no_grad(), pytest.raises(SingularError):
        torch_argmin(
            lambda y: (y * slope).sum(),
            torch_array([0.0, 0.0, 0.0]),
            solver=Cholesky(tolerance=9.0),
        )


def test_inference_mode_has_values() -> None:
    with torch.inference_mode():
        z = torch_array([0.3, 5.0])
        y = torch_argmin(energy, z * 0, z)
        assert close(y**3 + 2 * y, z)
        y = torch_root(lambda y, z: y**3 + 2 * y - z, z * 0, z)
        assert close(y**3 + 2 * y, z)


def test_tensors_of_inference_mode_may_be_parameters_beside_others() -> None:
    with torch.inference_mode():
        z = torch_array([0.3, 5.0])
    scale = torch_array(2.0).requires_grad_()
    y = torch_root(lambda y, z, scale: y - z * scale, torch_array([0.0, 0.0]), z, scale)
    assert close(torch.autograd.grad(y.sum(), scale)[0], 5.3)
    with torch.inference_mode():
        assert close(torch_root(lambda y, scale: y - scale, torch_array([0.0]), scale), [2.0])


@pytest.mark.parametrize("computed", [False, True], ids=["leaf", "computed"])
def test_a_variable_that_is_no_parameter_is_refused(*, computed: bool) -> None:
    z = torch_array([0.3, 5.0]).requires_grad_()
    closed = z.exp() if computed else z
    start = torch_array([0.0, 0.0])
    message = "reads, besides its arguments, a tensor that requires grad, .*pass it as a parameter"
    for condition in (lambda y: y - closed, lambda _: closed, lambda y, z: [y - z * closed]):
        with pytest.raises(TypeError, match=f"^condition: {message}"):
            torch_root(condition, start, *[z] * (condition.__code__.co_argcount - 1))
    # Where nobody asks for a gradient, none is lost.
    with torch.no_grad():
        assert close(torch_root(lambda y: y - closed, start), closed.detach())
    assert close(torch_root(lambda y: y - closed.detach(), start), closed.detach())


def test_a_variable_of_the_outer_objective_is_refused_in_the_inner_one() -> None:
    def outer(y: Native) -> Native:
        return torch_argmin(lambda w: ((w - y) ** 2).sum(), torch_array([0.0, 0.0])).sum()

    with pytest.raises(TypeError, match="objective: reads, besides its arguments, a tensor that"):
        torch_argmin(outer, torch_array([0.1, 0.1]))


@pytest.mark.parametrize("transform", [torch.func.vmap, torch.func.jacrev])
@pytest.mark.parametrize("closed", [False, True])
def test_transforms_are_refused(transform: Any, *, closed: bool) -> None:  # noqa: ANN401
    def layer(z: Native) -> Native:
        if closed:
            return torch_argmin(lambda y: energy(y, z), torch_array(0.0))
        return torch_argmin(energy, z * 0, z)

    message = (
        r"torch\.func: no layer runs in its transforms; differentiate by torch\.autograd\.grad"
    )
    with pytest.raises(TypeError, match=message):
        transform(layer)(torch_array([0.3, 5.0]))
