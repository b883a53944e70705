"""The argmin and the root in torch once more, differentiated through the iterations.

Newton's method is y ← y - K⁻¹ F(y, z). At a root, where F = 0, a step turns whatever dy/dz the
iterate has into

    dy/dz - K⁻¹ (K dy/dz + ∂F/∂z) = -K⁻¹ ∂F/∂z.

Differentiating the steps as they are therefore gives the derivative of the root one step after the
iterate is at the root, and the second derivative one step after that. Nothing here uses that
formula, nor anything of `implicit.adjoint`, so that the layers of `argmin` can be held against the
result. It costs far more time and memory than they do.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch

from reference_impls.computation import Array, Native
from reference_impls.engines.pytorch.argmin import TorchEngine, for_graphs
from reference_impls.implicit.newton import (
    STEPS,
    Newton,
    Point,
    check_finite,
    check_minimum,
)
from reference_impls.implicit.precision import searching
from reference_impls.implicit.solvers import LU
from reference_impls.implicit.vectors import VectorProblem, lagrangian_of
from reference_impls.nested import Tree

ORDERS = 2
"""The highest order of derivatives that is right: each takes a step once ‖F‖ stops decreasing."""

Condition = Callable[..., Native]
"""F, of a vector and the leaves of the parameters."""


def torch_unrolled_argmin(
    objective: Callable[..., Native],
    initial: Tree,
    *parameters: Tree,
    constraint: Callable[..., Tree] | None = None,
) -> Tree:
    """Returns the y near `initial` that minimizes `objective(y, *parameters)`.

    Damped Newton steps from the initial guess find it; all of them stay in the graph. As no search
    goes before them, they may end in another place than `torch_argmin`, or nowhere.

    Args:
        objective: as for `torch_argmin`, and such that `torch.func` can transform it.
        initial: as for `torch_argmin`.
        parameters: as for `torch_argmin`.
        constraint: as for `torch_argmin`; multipliers start from zero.

    Returns:
        y, of the structure, shapes, dtype and device of `initial`, differentiable to second order
        in every tensor among the parameters, to about the accuracy of y.

    Raises:
        OutputShapeError, ValueError, TypeError: as `torch_argmin`.
        NotConvergedError: ‖F‖ stays above the default tolerance of `torch_argmin`.
        SingularError: K is singular on the way, or y is no minimum.

    Source: Gilbert, *Automatic differentiation and iterative processes*, 1992.
    """
    problem = VectorProblem.of(TorchEngine.of(initial, parameters), initial, parameters)
    problem.check_scalar("objective", objective)
    cost = problem.of_vectors(objective)
    function, start = cost, problem.start
    if constraint is not None:
        problem.check_vector("constraint", constraint)
        equality = problem.raveled(constraint)
        function = lagrangian_of(cost, equality, problem.size)
        start = np.append(start, np.zeros(len(problem.at_start(equality)), start.dtype))
    with _outside_inference_mode():
        x, K = _iterated(problem, _gradient_of(function), start)
        check_minimum(problem.engine.to_numpy(K), problem.size)
        return problem.unflatten(_attached(x[: problem.size], problem.guesses))


def torch_unrolled_root(condition: Callable[..., Tree], initial: Tree, *parameters: Tree) -> Tree:
    """Returns the y near `initial` where `condition(y, *parameters)` is zero.

    Args:
        condition: as for `torch_root`, and such that `torch.func` can transform it.
        initial: as for `torch_root`.
        parameters: as for `torch_root`.

    Returns:
        As `torch_unrolled_argmin`.

    Raises:
        OutputShapeError, ValueError, TypeError: as `torch_root`.
        NotConvergedError: ‖F‖ stays above the default tolerance of `torch_root`.
        SingularError: K is singular, at the root or on the way.

    Source: as `torch_unrolled_argmin`.
    """
    problem = VectorProblem.of(TorchEngine.of(initial, parameters), initial, parameters)
    problem.check_vector("condition", condition, problem.size)
    with _outside_inference_mode():
        x, _ = _iterated(problem, problem.raveled(condition), problem.start)
        return problem.unflatten(_attached(x, problem.guesses))


def _outside_inference_mode() -> AbstractContextManager[object]:
    """Returns a context without inference mode, whose tensors cannot be in F's graph."""
    if not torch.is_inference_mode_enabled():
        return nullcontext()
    # No more than that: outside the mode torch would record a graph, which nobody asked for.
    return TorchEngine.without_graph()


def _attached(x: torch.Tensor, guesses: list[torch.Tensor]) -> torch.Tensor:
    """Returns x as a function of the guesses too, with derivatives of zero."""
    return x + sum((0 * guess).sum() for guess in guesses)


def _gradient_of(function: Callable[..., Native]) -> Condition:
    return lambda x, *leaves: torch.func.grad(lambda x: function(x, *leaves))(x)


def _iterated(
    problem: VectorProblem, condition: Condition, start: Array
) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the root of F, with the graph of all steps to it, and K there."""
    with torch.no_grad(), searching():
        newton = Newton(problem.numeric(condition), LU(), start)
        check_finite(newton.function(start))
    leaves = list(map(for_graphs, problem.leaves))
    x = problem.engine.from_numpy(start)
    for _ in range(STEPS):
        K, residual = _linearized(condition, x, leaves)
        point = _without_graph(problem, x, K, residual)
        with torch.no_grad(), searching():
            taken = newton.part_of_step(point)
        if taken is None:
            break
        part, _ = taken
        x = x - part * torch.linalg.solve(K, residual)
    with torch.no_grad(), searching():
        newton.check(point)
    for _ in range(ORDERS):
        K, residual = _linearized(condition, x, leaves)
        x = x - torch.linalg.solve(K, residual)
    return x, K


def _linearized(
    condition: Condition, x: torch.Tensor, leaves: list[Native]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns K and F at x."""
    return torch.func.jacrev(lambda x: condition(x, *leaves))(x), condition(x, *leaves)


def _without_graph(
    problem: VectorProblem, x: torch.Tensor, K: torch.Tensor, residual: torch.Tensor
) -> Point:
    """Returns the same point in NumPy; raises SingularError."""
    x_, K_, residual_ = map(problem.engine.to_numpy, (x, K, residual))
    inverse = LU().inverse(K_)
    return Point(x_, residual_, K_, inverse, inverse(residual_))
