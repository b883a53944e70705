"""The argmin of an objective, or the root of a condition, as a layer of any engine."""

import warnings
from contextlib import suppress

from reference_impls.computation import Array
from reference_impls.implicit.adjoint import Root
from reference_impls.implicit.engine import Engine
from reference_impls.implicit.errors import ImplicitError, RankDeficientWarning
from reference_impls.implicit.newton import Newton, Point, check_minimum
from reference_impls.implicit.precision import searching
from reference_impls.implicit.problem import Equation, Minimization
from reference_impls.implicit.search import Search
from reference_impls.implicit.solvers import LU, Cholesky, Solver, check_solver
from reference_impls.implicit.vectors import VectorProblem
from reference_impls.nested import Tree


def argmin(engine: Engine, problem: Minimization, solver: Solver | None = None) -> Tree:
    """Returns the y near the initial guess that minimizes the objective, as a layer.

    Where F is linear and neither a tolerance nor a search is given, one Newton step from the
    initial guess finds y. Otherwise the search of the solver does, and then Newton steps, until
    ‖F‖ no longer decreases or is within the tolerance.

    Args:
        engine: the library that differentiates, where the initial guess is.
        problem: the objective, the initial guess, the parameters and the constraint.
        solver: by default `Cholesky`; `LU` under a constraint, which `PseudoInverse` takes too.

    Returns:
        y, of the structure, shapes, dtype and device of the initial guess, sharing no memory with
        it; differentiable in the parameters to any order.

    Raises:
        OutputShapeError: the objective is not scalar, or the constraint has no entries.
        NotConvergedError: ‖F‖ exceeds the tolerance, or another Newton step would move y by more
            than rounding does. With a tolerance it may, if steps with this K lead to a point near.
        SingularError: y is no strict minimum, or no digit of K⁻¹ is left.
        NotSymmetricError: K is not symmetric, and the solver wants it to be.
        ConstraintRankError: the constraints are redundant or contradict each other.
        ValueError: the solver is none, or takes no constraint; the initial guess is empty; or the
            search returned another structure.
        TypeError: the initial guess, or what the search returned, holds anything but arrays of
            float32 or float64 and numbers; a function's value is not of arrays of the initial
            guess's dtype; or a function reads from its surroundings what wants a gradient.
    """
    constrained = problem.constraint is not None
    if solver is None:
        solver = LU() if constrained else Cholesky()
    check_solver(solver, constrained=constrained)
    vectors = VectorProblem.of(engine, problem.initial, problem.parameters)
    vectors.check_scalar("objective", problem.objective)
    equality = None
    if problem.constraint is not None:
        vectors.check_vector("constraint", problem.constraint)
        equality = vectors.raveled(problem.constraint)
    search = Search(vectors, vectors.of_vectors(problem.objective), equality)
    y = vectors.searched(solver.search, problem.objective) if solver.search else None
    with engine.without_graph(), searching():
        newton = Newton(vectors.numeric(search.stationarity), solver, search.start)
        point = _minimum(search, newton, y)
    _warn_of(point)
    found = Root(engine, search.stationarity, point.inverse)
    solution = engine.attach(found.vjp, point.x, vectors.inputs)
    return vectors.unflatten(solution[: vectors.size])


def root(engine: Engine, problem: Equation, solver: Solver | None = None) -> Tree:
    """Returns the y near the initial guess where the condition is zero, as a layer.

    Damped Newton steps find it, from the initial guess or from what the solver's search returned,
    until ‖F‖ no longer decreases or is within the tolerance.

    Args:
        engine: as for `argmin`.
        problem: the condition, the initial guess and the parameters.
        solver: by default `LU`. `Cholesky` and `ConjugateGradients` are for a condition whose K is
            symmetric and positive definite.

    Returns:
        As `argmin`.

    Raises:
        OutputShapeError: the condition has not one entry per unknown.
        NotSymmetricError: K is not symmetric, and the solver wants it to be.
        NotConvergedError: as for `argmin`.
        SingularError: K is singular, or not positive definite where the solver wants it to be.
        ValueError, TypeError: as for `argmin`.
    """
    solver = LU() if solver is None else solver
    check_solver(solver)
    vectors = VectorProblem.of(engine, problem.initial, problem.parameters)
    vectors.check_vector("condition", problem.condition, vectors.size)
    residual = vectors.raveled(problem.condition)
    y = vectors.searched(solver.search, problem.condition) if solver.search else vectors.start
    with engine.without_graph(), searching():
        newton = Newton(vectors.numeric(residual), solver, vectors.start)
        point = newton.run(y)
        newton.check(point)
    _warn_of(point)
    found = Root(engine, residual, point.inverse)
    return vectors.unflatten(engine.attach(found.vjp, point.x, vectors.inputs))


def _minimum(search: Search, newton: Newton, y: Array | None) -> Point:
    """Returns the minimum near y, if given, or the initial guess."""
    if y is None and not newton.enough:
        # What fails from the initial guess need not fail from where the search leads.
        with suppress(ImplicitError):
            point = newton.leap(search.start)
            if point is not None:
                return _checked(search, newton, point)
    return _checked(search, newton, newton.run(search.run(newton.solver, y)))


def _checked(search: Search, newton: Newton, point: Point) -> Point:
    newton.check(point)
    if point.K is not None and not newton.solver.refuses_saddles:
        check_minimum(point.K, search.problem.size)
    return point


def _warn_of(point: Point) -> None:
    if point.inverse.defect:
        # Four levels up is the caller of an engine's own operator.
        warnings.warn(point.inverse.defect, RankDeficientWarning, stacklevel=4)
