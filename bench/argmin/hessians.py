"""The argmin layer through whole Hessians: the baselines that the general operator is held against.

All search with torch's L-BFGS as the tutorial sets it (optimization, Part 2): steps of 0.9, at
most 1000 of them, and torch's own stopping rule, which watches the loss more than the gradient.
They differ in how their backward pass solves

    K u = ȳ,    z̄ = -Rᵀ u,    K = ∂²f/∂y²,    R = ∂²f/∂y∂z.

The tutorial's code has three faults, which are mended here: Hessians are taken with gradients
enabled, singular values are cut relative to the largest, and y shares no memory with the initial
guess, whose gradient is zero.
"""

from collections.abc import Callable, Sequence
from math import prod

import torch
from torch.autograd.functional import hessian

from reference_impls.computation import Native

STEP = 0.9
STEPS = 1000
TORCH_TOLERANCES = (1e-7, 1e-9)
"""The defaults of torch's L-BFGS: for the gradient's largest entry, for changes of loss and y."""

SMALLEST_SINGULAR_VALUE = 1e-6
"""Relative to the largest; smaller ones are dropped."""

Objective = Callable[..., torch.Tensor]
Pull = Callable[
    [Objective, torch.Tensor, Sequence[torch.Tensor], torch.Tensor], Sequence[torch.Tensor]
]
"""From the objective, y, z and ȳ to z̄, one tensor for each of z."""


def full_hessian(
    objective: Objective,
    initial: torch.Tensor,
    *parameters: torch.Tensor,
    tolerance: float | None = None,
) -> torch.Tensor:
    """Returns the minimizer; its backward pass takes K and R from the Hessian in all of (y, z).

    Args:
        objective: from y and the parameters to a scalar.
        initial: a guess of y, of any shape.
        parameters: z, of any shapes; they get gradients.
        tolerance: as for `lbfgs`.
    """
    return _layer(_pull_through_full_hessian, objective, initial, parameters, tolerance)


def k_alone(
    objective: Objective,
    initial: torch.Tensor,
    *parameters: torch.Tensor,
    tolerance: float | None = None,
) -> torch.Tensor:
    """Returns the minimizer; its backward pass forms K, row by row, and takes one VJP for R.

    Args as for `full_hessian`.
    """
    return _layer(_pull_through_k, objective, initial, parameters, tolerance)


def k_batched(
    objective: Objective,
    initial: torch.Tensor,
    *parameters: torch.Tensor,
    tolerance: float | None = None,
) -> torch.Tensor:
    """Returns the minimizer; its backward pass forms all rows of K together, and takes one VJP.

    Args as for `full_hessian`. K must be positive definite: it is factored by Cholesky.
    """
    return _layer(_pull_through_k_batched, objective, initial, parameters, tolerance)


def lbfgs(
    objective: Objective,
    initial: torch.Tensor,
    *parameters: torch.Tensor,
    tolerance: float | None = None,
) -> torch.Tensor:
    """Returns where torch's L-BFGS stops, without a graph.

    Args:
        objective: from y and the parameters to a scalar.
        initial: where it starts; left as it is.
        parameters: held constant.
        tolerance: the search ends when the largest entry of the gradient is below it. By default,
            when either of `TORCH_TOLERANCES` is met.
    """
    y = initial.detach().clone().requires_grad_()
    constants = [parameter.detach() for parameter in parameters]
    gradient, change = TORCH_TOLERANCES if tolerance is None else (tolerance, 0.0)
    optimizer = torch.optim.LBFGS(
        [y], lr=STEP, max_iter=STEPS, tolerance_grad=gradient, tolerance_change=change
    )

    def closure() -> torch.Tensor:
        loss = objective(y, *constants)
        (y.grad,) = torch.autograd.grad(loss, [y])
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return y.detach()


def _layer(
    pull: Pull,
    objective: Objective,
    initial: torch.Tensor,
    parameters: tuple[torch.Tensor, ...],
    tolerance: float | None,
) -> torch.Tensor:
    y = lbfgs(objective, initial, *parameters, tolerance=tolerance)
    attached: torch.Tensor = _Attach.apply(pull, objective, y, *parameters)  # type: ignore[no-untyped-call]
    return attached


class _Attach(torch.autograd.Function):
    """y as a function of z, with a given backward pass."""

    @staticmethod
    def forward(
        ctx: Native, pull: Pull, objective: Objective, y: torch.Tensor, *z: torch.Tensor
    ) -> torch.Tensor:
        ctx.pull, ctx.objective = pull, objective
        output = y.clone()
        ctx.save_for_backward(output, *z)
        return output

    @staticmethod
    def backward(ctx: Native, *cotangents: torch.Tensor) -> Native:
        y, *z = (tensor.detach() for tensor in ctx.saved_tensors)
        with torch.enable_grad():  # without, every second derivative would be zero
            bars = ctx.pull(ctx.objective, y, z, *cotangents)
        return None, None, None, *bars


def _pull_through_full_hessian(
    objective: Objective, y: torch.Tensor, z: Sequence[torch.Tensor], y_bar: torch.Tensor
) -> list[torch.Tensor]:
    def of_vectors(y_vector: torch.Tensor, z_vector: torch.Tensor) -> torch.Tensor:
        return objective(y_vector.reshape(y.shape), *_split(z_vector, z))

    vectors = y.reshape(-1), torch.cat([tensor.reshape(-1) for tensor in z])
    (K, R), _ = hessian(of_vectors, vectors)  # type: ignore[no-untyped-call]
    u = torch.linalg.lstsq(
        K, y_bar.reshape(-1, 1), rcond=SMALLEST_SINGULAR_VALUE, driver="gelsd"
    ).solution
    return _split(-(R.T @ u).reshape(-1), z)


def _pull_through_k(
    objective: Objective, y: torch.Tensor, z: Sequence[torch.Tensor], y_bar: torch.Tensor
) -> Sequence[torch.Tensor]:
    K = hessian(lambda y: objective(y, *z), y)  # type: ignore[no-untyped-call]
    u = torch.linalg.solve(K.reshape(y.numel(), y.numel()), y_bar.reshape(-1))
    leaves, gradient = _traced_gradient(objective, y, z)
    return torch.autograd.grad(gradient, leaves[1:], -u.reshape(y.shape))


def _pull_through_k_batched(
    objective: Objective, y: torch.Tensor, z: Sequence[torch.Tensor], y_bar: torch.Tensor
) -> Sequence[torch.Tensor]:
    leaves, gradient = _traced_gradient(objective, y, z)
    rows = torch.eye(y.numel(), dtype=y.dtype).reshape(-1, *y.shape)
    # torch.func.jacrev would take longer, and leave no graph for the VJP.
    (K,) = torch.autograd.grad(gradient, leaves[:1], rows, retain_graph=True, is_grads_batched=True)
    factor = torch.linalg.cholesky(K.reshape(y.numel(), y.numel()))
    u = torch.cholesky_solve(y_bar.reshape(-1, 1), factor)
    return torch.autograd.grad(gradient, leaves[1:], -u.reshape(y.shape))


def _traced_gradient(
    objective: Objective, y: torch.Tensor, z: Sequence[torch.Tensor]
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Returns y and z, and ∂f/∂y of y's shape with a graph to all of them."""
    leaves = [tensor.requires_grad_() for tensor in (y, *z)]
    (gradient,) = torch.autograd.grad(objective(*leaves), leaves[:1], create_graph=True)
    return leaves, gradient


def _split(vector: torch.Tensor, like: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    pieces = torch.split(vector, [prod(tensor.shape) for tensor in like])
    return [piece.reshape(tensor.shape) for piece, tensor in zip(pieces, like, strict=True)]
