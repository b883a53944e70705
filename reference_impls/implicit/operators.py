"""The argmin of an objective, or the root of a condition, as a layer, for each engine."""

import warnings
from collections.abc import Callable
from contextlib import suppress
from numbers import Real

from reference_impls.computation import Array, Native
from reference_impls.implicit.adjoint import Root
from reference_impls.implicit.autograd_engine import AutogradEngine
from reference_impls.implicit.engine import Engine
from reference_impls.implicit.errors import ImplicitError, RankDeficientWarning
from reference_impls.implicit.linear_solvers import LINEAR_SOLVERS
from reference_impls.implicit.newton import Newton, Point, check_minimum
from reference_impls.implicit.precision import searching
from reference_impls.implicit.problem import Problem
from reference_impls.implicit.search import Search
from reference_impls.implicit.torch_engine import TorchEngine
from reference_impls.nested import Tree
from reference_impls.validation import check_choice


def torch_argmin(
    objective: Callable[..., Native],
    initial: Tree,
    *parameters: Tree,
    constraint: Callable[..., Tree] | None = None,
    solver: Callable[..., Tree] | None = None,
    linear_solver: str | None = None,
    tolerance: float | None = None,
) -> Tree:
    """Returns the y near `initial` that minimizes `objective(y, *parameters)`.

    The search is by L-BFGS, or SLSQP under a constraint, or the given solver; then, in each case,
    by Newton steps until ‖F‖ no longer decreases, or is within the tolerance if one is given. Where
    F is linear and no tolerance is given, one Newton step from the initial guess is the search.

    A batch of B independent problems of n unknowns is the argmin of the sum of their objectives.
    Its K is one dense matrix of B·n rows, most of them zeros; ``linear_solver="cg"`` forms none.

    Args:
        objective: from y and the parameters to a tensor of shape () and y's dtype, twice
            differentiable. Nothing else that it reads may require grad: it would get no gradient.
        initial: a tensor, or a nested structure as in `nested.flatten`, which y has too. Its
            gradient is zero.
        parameters: tensors of any shape and of y's dtype, nested structures of them as in
            `nested.flatten`, and anything else. Tensors that require gradients get them.
        constraint: from y and the parameters to a tensor, or a nested structure, that is zero at
            the solution. What it reads is as for the objective.
        solver: `solver(objective, initial, *parameters)` returns a point close to the solution.
        linear_solver: for K. ``"cholesky"``, the default without a constraint; ``"lu"``, the
            default with one; ``"cg"``, which only takes products with K; ``"pinv"``, which drops
            the singular values below n·eps of the largest one and warns of it. Only first
            derivatives mean anything with singular values dropped.
        tolerance: for ‖F‖ at the solution. If given, the search stops as soon as it is met: with a
            looser one it costs less, and y is less accurate. K is taken at the y returned. By
            default y is as accurate as its dtype allows, and refused if ‖F‖ is not within
            eps^¾ · max(1, ‖F at `initial`‖), with the eps of that dtype.

    Returns:
        y, of the structure, shapes, dtype and device of `initial`, sharing no memory with it.

    Raises:
        OutputShapeError: the objective is not scalar, or the constraint has no entries.
        NotConvergedError: ‖F‖ exceeds the tolerance, or a Newton step would still move y far. With
            a tolerance given it may, if further steps with the same K lead to a point nearby.
        SingularError: y is no strict minimum. K is also refused above a condition of
            1/(16 eps), where no digit is left.
        ConstraintRankError: the constraints are redundant or contradict each other.
        ValueError: the linear solver is unknown or does not fit, the tolerance is not positive, the
            initial guess is empty, or the solver returned another structure.
        TypeError: the initial guess is not of tensors of float32 or float64 and numbers, what the
            solver returned is not, or the value of a function is not of tensors of the dtype of
            the initial guess; a function reads a tensor that requires grad and is none of its
            arguments; or the layer is in a `torch.func` transform.
    """
    engine = TorchEngine.of(initial, parameters)
    return _argmin(
        engine, objective, initial, parameters, constraint, solver, linear_solver, tolerance
    )


def autograd_argmin(
    objective: Callable[..., Native],
    initial: Tree,
    *parameters: Tree,
    constraint: Callable[..., Tree] | None = None,
    solver: Callable[..., Tree] | None = None,
    linear_solver: str | None = None,
    tolerance: float | None = None,
) -> Tree:
    """Returns the y near `initial` that minimizes `objective(y, *parameters)`.

    Args and errors as for `torch_argmin`, with functions in `autograd.numpy`, and arrays for
    tensors.
    """
    engine = AutogradEngine()
    return _argmin(
        engine, objective, initial, parameters, constraint, solver, linear_solver, tolerance
    )


def torch_root(
    condition: Callable[..., Tree],
    initial: Tree,
    *parameters: Tree,
    solver: Callable[..., Tree] | None = None,
    linear_solver: str = "lu",
    tolerance: float | None = None,
) -> Tree:
    """Returns the y near `initial` where `condition(y, *parameters)` is zero.

    The search is by damped Newton steps, from what the solver returned if one is given, until ‖F‖
    no longer decreases, or is within the tolerance if one is given.

    Args:
        condition: from y and the parameters to as many numbers as y has, in a tensor or a nested
            structure; differentiable. K need not be symmetric. Nothing else that it reads may
            require grad: it would get no gradient.
        initial: as for `torch_argmin`.
        parameters: as for `torch_argmin`.
        solver: `solver(condition, initial, *parameters)` returns a point close to the solution.
        linear_solver: as for `torch_argmin`; ``"cholesky"`` and ``"cg"`` are for a condition
            whose K is symmetric and positive definite.
        tolerance: as for `torch_argmin`.

    Returns:
        y, of the structure, shapes, dtype and device of `initial`, sharing no memory with it.

    Raises:
        OutputShapeError: the condition has not one entry per unknown.
        NotSymmetricError: K is not symmetric, as the linear solver wants it.
        NotConvergedError: as for `torch_argmin`.
        SingularError: K is singular, or not positive definite, as the linear solver wants it.
        ValueError, TypeError: as for `torch_argmin`.
    """
    engine = TorchEngine.of(initial, parameters)
    return _root(engine, condition, initial, parameters, solver, linear_solver, tolerance)


def autograd_root(
    condition: Callable[..., Tree],
    initial: Tree,
    *parameters: Tree,
    solver: Callable[..., Tree] | None = None,
    linear_solver: str = "lu",
    tolerance: float | None = None,
) -> Tree:
    """Returns the y near `initial` where `condition(y, *parameters)` is zero.

    Args and errors as for `torch_root`, with functions in `autograd.numpy`, and arrays for tensors.
    """
    engine = AutogradEngine()
    return _root(engine, condition, initial, parameters, solver, linear_solver, tolerance)


def _argmin(
    engine: Engine,
    objective: Callable[..., Native],
    initial: Tree,
    parameters: tuple[Tree, ...],
    constraint: Callable[..., Tree] | None,
    solver: Callable[..., Tree] | None,
    linear_solver: str | None,
    tolerance: float | None,
) -> Tree:
    method = _argmin_method(linear_solver, constrained=constraint is not None)
    check_tolerance(tolerance)
    problem = Problem.of(engine, initial, parameters)
    problem.check_scalar("objective", objective)
    if constraint is not None:
        problem.check_vector("constraint", constraint)
    equality = None if constraint is None else problem.raveled(constraint)
    search = Search(problem, problem.of_vectors(objective), equality)
    y = problem.run(solver, objective) if solver else None
    with engine.without_graph(), searching():
        function = problem.numeric(search.stationarity)
        newton = Newton.of(function, search.start, method, tolerance)
        point = _minimum(search, newton, y)
    _warn_of(point)
    root = Root(engine, search.stationarity, point.inverse)
    solution = engine.attach(root.vjp, point.x, problem.inputs)
    return problem.unflatten(solution[: problem.size])


def _minimum(search: Search, newton: Newton, y: Array | None) -> Point:
    """Returns the minimum near y, if given, or the initial guess."""
    if y is None and not newton.enough:
        # What fails here need not fail where the search leads.
        with suppress(ImplicitError):
            point = newton.leap(search.start)
            if point is not None:
                return _checked(search, newton, point)
    return _checked(search, newton, newton.run(search.run(newton.method, newton.enough, y)))


def _checked(search: Search, newton: Newton, point: Point) -> Point:
    newton.check(point)
    # Cholesky and conjugate gradients have looked at the curvature on their way.
    if point.K is not None and newton.method != "cholesky":
        check_minimum(point.K, search.problem.size)
    return point


def _root(
    engine: Engine,
    condition: Callable[..., Tree],
    initial: Tree,
    parameters: tuple[Tree, ...],
    solver: Callable[..., Tree] | None,
    linear_solver: str,
    tolerance: float | None,
) -> Tree:
    check_choice("linear solver", linear_solver, LINEAR_SOLVERS)
    check_tolerance(tolerance)
    problem = Problem.of(engine, initial, parameters)
    problem.check_vector("condition", condition, problem.size)
    residual = problem.raveled(condition)
    y = problem.run(solver, condition) if solver else problem.start
    with engine.without_graph(), searching():
        function = problem.numeric(residual)
        newton = Newton.of(function, problem.start, linear_solver, tolerance)
        point = newton.run(y)
        newton.check(point)
    _warn_of(point)
    root = Root(engine, residual, point.inverse)
    return problem.unflatten(engine.attach(root.vjp, point.x, problem.inputs))


def _warn_of(point: Point) -> None:
    if point.inverse.defect:
        warnings.warn(point.inverse.defect, RankDeficientWarning, stacklevel=4)


def check_tolerance(tolerance: object) -> None:
    """Raises ValueError if it is neither None nor a positive number."""
    if tolerance is not None and not (isinstance(tolerance, Real) and float(tolerance) > 0):
        raise ValueError(f"tolerance: got {tolerance!r}, wanted a positive number")


def _argmin_method(linear_solver: str | None, *, constrained: bool) -> str:
    if not constrained:
        method = linear_solver or "cholesky"
        check_choice("linear solver", method, LINEAR_SOLVERS)
        return method
    # The rows and columns of the multipliers make K indefinite.
    method = linear_solver or "lu"
    check_choice("linear solver for a constraint", method, ("lu", "pinv"))
    return method
