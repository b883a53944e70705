"""Implicit differentiation: the argmin of an objective, or a root, as a layer.

y*(z) solves F(y, z) = 0: F = ∇_y f for an argmin of f; the gradient in (y, ν) of the Lagrangian
f + νᵀc for an argmin under constraints c(y, z) = 0; any F whatever for a root. With K = ∂F/∂y and
R = ∂F/∂z at the solution, dy*/dz = -K⁻¹ R, so

    Kᵀ u = ȳ,    z̄ = -Rᵀ u:

one linear solve and one VJP of F. R is never formed. The solve is itself the root u of
G(u; y, ȳ, z) = Kᵀ u - ȳ, where ∂G/∂u = Kᵀ, and it is differentiated as such: derivatives of every
order share the one factorization of K that the solver ended with, and none needs a graph through
iterations.

Solving and linear algebra happen in NumPy and SciPy, once for both engines. What only an engine
can do, to differentiate, is in the two adapters at the end.

A variable that the objective reads from its surroundings, rather than as a parameter, gets no
gradient. The layers themselves do not run inside `torch.func` transforms.
"""

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import autograd.numpy as anp
import numpy as np
import torch
from autograd.core import make_vjp, vspace
from autograd.extend import defvjp_argnums, primitive
from autograd.tracer import getval
from scipy import linalg, optimize

from reference_impls.backends import Native
from reference_impls.computation import Array
from reference_impls.nested import Tree, Unflatten, flatten
from reference_impls.validation import check_choice

SEARCH_STEPS = 1000
"""Of L-BFGS or SLSQP, before Newton steps take over."""

NEWTON_STEPS = 100
HALVINGS = 12
"""The lengths tried of a Newton step before it counts as no progress."""

CG_STEPS = 10
"""Per unknown: rounding delays conjugate gradients beyond the one that theory promises."""

CG_RESIDUAL = 100
"""Relative to the right-hand side, in units of eps: 2e-14 in float64."""

NOT_DEFINITE = (
    "K = ∂F/∂y is not positive definite: y is a saddle, a maximum or one of many solutions; start "
    "nearer a minimum, add a regularizer to the objective, or ask for linear_solver='pinv'"
)

ROWS_AT_ONCE = 128
"""Of K, in torch: each holds a copy of what F computes on its way, so not all n of them."""


class ImplicitError(ArithmeticError):
    """The problem has no solution here that can be differentiated."""


class OutputShapeError(ImplicitError):
    """The objective is not scalar, or the condition has not one entry per unknown."""


class NotConvergedError(ImplicitError):
    """No point was found where F is zero to within the tolerance."""


class SingularError(ImplicitError):
    """K is singular, or not positive definite where a minimum is wanted."""


class NotSymmetricError(ImplicitError):
    """A linear solver for symmetric K was asked for, and K is not."""


class ConstraintRankError(ImplicitError):
    """The rows of the constraints' Jacobian are linearly dependent."""


class RankDeficientWarning(UserWarning):
    """The pseudo-inverse dropped singular values of K."""


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
    by Newton steps until ‖F‖ no longer decreases.

    Args:
        objective: from y and the parameters to a tensor of shape (), twice differentiable.
        initial: a tensor, or a nested structure as in `nested.flatten`, which y has too. Its
            gradient is zero.
        parameters: tensors of any shape and of y's dtype, nested structures of them, and anything
            else. Tensors that require gradients get them.
        constraint: from y and the parameters to a tensor, or a nested structure, that is zero at
            the solution.
        solver: `solver(objective, initial, *parameters)` returns a point close to the solution.
        linear_solver: for K. ``"cholesky"``, the default without a constraint; ``"lu"``, the
            default with one; ``"cg"``, which only takes products with K; ``"pinv"``, which drops
            the singular values below n·eps of the largest one and warns of it. Only first
            derivatives mean anything with singular values dropped.
        tolerance: for ‖F‖ at the solution. By default eps^¾ · max(1, ‖F at `initial`‖), with the
            eps of y's dtype.

    Returns:
        y, of the structure, shapes, dtype and device of `initial`, sharing no memory with it.

    Raises:
        OutputShapeError: the objective is not scalar.
        NotConvergedError: ‖F‖ exceeds the tolerance, or a Newton step would still move y.
        SingularError: y is no strict minimum. K is also refused above a condition of eps^-¾.
        ConstraintRankError: the constraints are redundant or contradict each other.
        ValueError: the linear solver is unknown or does not fit, or the initial guess is empty.
        TypeError: the initial guess is not of floating-point tensors and numbers.
    """
    engine = _Torch.beside(initial)
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
    engine = _Autograd()
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

    The search is by damped Newton steps, from what the solver returned if one is given.

    Args:
        condition: from y and the parameters to as many numbers as y has, in a tensor or a nested
            structure; differentiable. K need not be symmetric.
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
        ValueError: the linear solver is unknown, or the initial guess is empty.
        TypeError: as for `torch_argmin`.
    """
    engine = _Torch.beside(initial)
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
    engine = _Autograd()
    return _root(engine, condition, initial, parameters, solver, linear_solver, tolerance)


def _argmin(
    engine: "_Engine",
    objective: Callable[..., Native],
    initial: Tree,
    parameters: tuple[Tree, ...],
    constraint: Callable[..., Tree] | None,
    solver: Callable[..., Tree] | None,
    linear_solver: str | None,
    tolerance: float | None,
) -> Tree:
    method = _argmin_method(linear_solver, constrained=constraint is not None)
    problem = _Problem.of(engine, initial, parameters)
    cost = problem.of_vectors(objective)
    _check_shape("objective", problem.at_start(cost), ())
    y = problem.run(solver, objective) if solver else None
    if constraint is None:
        function = cost
        x = _lbfgs(problem, cost) if y is None else y
    else:
        equality = problem.raveled(constraint)
        function = _lagrangian(cost, equality, problem.size)
        y = _slsqp(problem, cost, equality) if y is None else y
        x = np.append(y, _multipliers(problem, cost, equality, y, method))
    stationarity = _gradient_of(engine, function)
    x, inverse = _solve(problem, stationarity, x, method, tolerance)
    if method in {"lu", "pinv"}:
        _check_minimum(problem.numeric(stationarity).jacobian(x), problem.size)
    solution = engine.attach(_Root(engine, stationarity, inverse), x, problem.leaves)
    return problem.unflatten(solution[: problem.size])


def _root(
    engine: "_Engine",
    condition: Callable[..., Tree],
    initial: Tree,
    parameters: tuple[Tree, ...],
    solver: Callable[..., Tree] | None,
    linear_solver: str,
    tolerance: float | None,
) -> Tree:
    check_choice("linear solver", linear_solver, LINEAR_SOLVERS)
    problem = _Problem.of(engine, initial, parameters)
    residual = problem.raveled(condition)
    _check_shape("condition", problem.at_start(residual), (problem.size,))
    y = problem.run(solver, condition) if solver else problem.start
    y, inverse = _solve(problem, residual, y, linear_solver, tolerance)
    return problem.unflatten(engine.attach(_Root(engine, residual, inverse), y, problem.leaves))


def _argmin_method(linear_solver: str | None, *, constrained: bool) -> str:
    if not constrained:
        method = linear_solver or "cholesky"
        check_choice("linear solver", method, LINEAR_SOLVERS)
        return method
    # The rows and columns of the multipliers make K indefinite.
    method = linear_solver or "lu"
    check_choice("linear solver for a constraint", method, ("lu", "pinv"))
    return method


def _check_shape(kind: str, value: Native, wanted: tuple[int, ...]) -> None:
    shape = tuple(np.shape(value))
    if shape != wanted:
        remedy = "one entry for each of y's" if wanted else "its sum or mean"
        raise OutputShapeError(f"{kind}: got shape {shape}, wanted {wanted}: {remedy}")


def _gradient_of(engine: "_Engine", function: Callable[..., Native]) -> Callable[..., Native]:
    return lambda x, *leaves: engine.gradient(lambda x: function(x, *leaves), x)[0]


def _lagrangian(
    cost: Callable[..., Native], equality: Callable[..., Native], size: int
) -> Callable[..., Native]:
    """Returns f + νᵀc of the vector (y, ν); its gradient is (∇f + (∂c/∂y)ᵀν, c)."""

    def lagrangian(x: Native, *leaves: Native) -> Native:
        y, multipliers = x[:size], x[size:]
        return cost(y, *leaves) + (multipliers * equality(y, *leaves)).sum()

    return lagrangian


@dataclass(frozen=True)
class _Problem:
    """What the user gave, with the unknowns as one vector and the parameters as a list.

    Attributes:
        engine: the library that differentiates.
        start: a copy of the entries of the initial guess, of shape (n,).
        unflatten: from a vector to the structure of the initial guess.
        parameters: as given.
        leaves: the parameters' leaves.
        constants: the same, cut off from the surrounding graph.
    """

    engine: "_Engine"
    start: Array
    unflatten: Unflatten
    parameters: tuple[Tree, ...]
    leaves: list[Native]
    constants: list[Native]

    @classmethod
    def of(cls, engine: "_Engine", initial: Tree, parameters: tuple[Tree, ...]) -> "_Problem":
        start, unflatten = flatten(_map(engine.to_numpy, initial))
        if not start.size:
            raise ValueError("initial: got no entries, wanted at least one")
        leaves = _leaves(parameters)
        constants = [engine.constant(leaf) for leaf in leaves]
        return cls(engine, start, unflatten, parameters, leaves, constants)

    @property
    def size(self) -> int:
        return self.start.size

    def of_vectors(self, function: Callable[..., Tree]) -> Callable[..., Tree]:
        """Returns a function of (y, *parameters) as one of y's vector and the leaves."""
        return lambda y, *leaves: function(self.unflatten(y), *_refill(self.parameters, leaves))

    def raveled(self, function: Callable[..., Tree]) -> Callable[..., Native]:
        """Returns the same, with the entries of its value as one vector."""
        of_vectors = self.of_vectors(function)
        return lambda y, *leaves: self.engine.ravel(_leaves(of_vectors(y, *leaves)))

    def numeric(self, function: Callable[..., Native]) -> "_Numeric":
        """Returns a function of a vector and the leaves as one of the vector alone."""
        return _Numeric(self.engine, lambda x: function(x, *self.constants), self.start.dtype)

    def at_start(self, function: Callable[..., Native]) -> Native:
        return function(self.engine.from_numpy(self.start), *self.constants)

    def run(self, solver: Callable[..., Tree], function: Callable[..., Tree]) -> Array:
        """Returns the vector of what the user's solver makes of a copy of the initial guess."""
        initial = self.unflatten(self.engine.from_numpy(self.start.copy()))
        y = solver(function, initial, *_refill(self.parameters, self.constants))
        vector, unflatten = flatten(_map(self.engine.to_numpy, y))
        if unflatten != self.unflatten:
            raise ValueError("solver: its result must have the structure and shapes of initial")
        return vector.astype(self.start.dtype)


@dataclass(frozen=True)
class _Numeric:
    """A function of one vector, and its derivatives, with NumPy at the boundary.

    Attributes:
        engine: the library that differentiates.
        function: from a native vector to a native vector or scalar.
        dtype: of all arrays, in and out; what is given is converted.
    """

    engine: "_Engine"
    function: Callable[[Native], Native]
    dtype: np.dtype[Any]

    def __call__(self, x: Array) -> Array:
        return self.engine.to_numpy(self.function(self._native(x)))

    def value_and_gradient(self, x: Array) -> tuple[float, Array]:
        gradient, value = self.engine.gradient(self.function, self._native(x))
        return float(value), self.engine.to_numpy(gradient)

    def jacobian(self, x: Array) -> Array:
        return self.engine.to_numpy(self.engine.jacobian(self.function, self._native(x)))

    def vjp(self, x: Array, u: Array) -> Array:
        """Returns Jᵀu."""
        (product,) = self.engine.vjp(self.function, [self._native(x)], self._native(u))
        return self.engine.to_numpy(product)

    def _native(self, x: Array) -> Native:
        return self.engine.from_numpy(np.asarray(x, self.dtype))


def _searching() -> np.errstate:
    """Returns a context without warnings of overflow: no search stays where F is not finite."""
    return np.errstate(over="ignore", divide="ignore", invalid="ignore")


def _lbfgs(problem: _Problem, cost: Callable[..., Native]) -> Array:
    """Returns a point so close to the minimum that Newton steps can finish."""
    function = problem.numeric(cost)
    _, gradient = function.value_and_gradient(problem.start)
    with _searching():
        found = optimize.minimize(
            function.value_and_gradient,
            problem.start,
            jac=True,
            method="L-BFGS-B",
            # The value hardly changes near the minimum: only the gradient tells how near it is.
            options={
                "ftol": 0.0,
                "maxiter": SEARCH_STEPS,
                "gtol": _eps(problem.start.dtype) ** 0.5 * np.abs(gradient).max(),
            },
        )
    return np.asarray(found.x, problem.start.dtype)


def _slsqp(
    problem: _Problem, cost: Callable[..., Native], equality: Callable[..., Native]
) -> Array:
    """Returns a point so close to the constrained minimum that Newton steps can finish."""
    objective, constraint = problem.numeric(cost), problem.numeric(equality)

    def value_and_gradient(y: Array) -> tuple[float, Array]:
        value, gradient = objective.value_and_gradient(y)
        return value, gradient.astype(np.float64)

    # SciPy's routine takes no other dtype than float64.
    with _searching():
        found = optimize.minimize(
            value_and_gradient,
            problem.start.astype(np.float64),
            jac=True,
            method="SLSQP",
            constraints=optimize.NonlinearConstraint(
                lambda y: constraint(y).astype(np.float64),
                0,
                0,
                jac=lambda y: constraint.jacobian(y).astype(np.float64),
            ),
            options={"ftol": float(np.finfo(problem.start.dtype).eps), "maxiter": 1000},
        )
    return np.asarray(found.x, problem.start.dtype)


def _multipliers(
    problem: _Problem,
    cost: Callable[..., Native],
    equality: Callable[..., Native],
    y: Array,
    method: str,
) -> Array:
    """Returns the ν that bring ∇f + (∂c/∂y)ᵀν closest to zero."""
    _, gradient = problem.numeric(cost).value_and_gradient(y)
    rows = problem.numeric(equality).jacobian(y)
    multipliers, _, rank, _ = np.linalg.lstsq(rows.T, -gradient, _resolution(y.dtype))
    if rank < len(rows) and method != "pinv":
        raise ConstraintRankError(
            f"constraint: its Jacobian has rank {rank} for {len(rows)} constraints; drop those "
            "that repeat or contradict others"
        )
    return np.asarray(multipliers, y.dtype)


def _check_minimum(K: Array, size: int) -> None:
    """Raises SingularError if y could move to where the objective is smaller."""
    free = linalg.null_space(K[size:, :size]) if len(K) > size else np.eye(size, dtype=K.dtype)
    curvatures = np.linalg.eigvalsh(free.T @ K[:size, :size] @ free)
    if (curvatures < -_resolution(K.dtype) * _largest(K)).any():
        raise SingularError(
            f"K = ∂F/∂y is not positive definite where y is free to move, curvature "
            f"{curvatures[0]:.1e}: y is a saddle or a maximum; start nearer a minimum"
        )


def _solve(
    problem: _Problem,
    residual: Callable[..., Native],
    guess: Array,
    method: str,
    tolerance: float | None,
) -> tuple[Array, "_Inverse"]:
    """Returns the root of F that Newton steps lead to, and K⁻¹ there."""
    function = problem.numeric(residual)
    if tolerance is None:
        start = np.append(problem.start, np.zeros(guess.size - problem.size))
        tolerance = _resolution(guess.dtype) * max(1.0, _norm(function(start)))
    with _searching():
        x, inverse = _newton(function, guess, LINEAR_SOLVERS[method], tolerance)
        _check_converged(function, x, inverse, tolerance)
        if not inverse.defect:
            _check_isolated(function, x, inverse)
    if inverse.defect:
        warnings.warn(inverse.defect, RankDeficientWarning, stacklevel=4)
    return x, inverse


def _newton(
    function: _Numeric, x: Array, invert: "_Invert", tolerance: float
) -> tuple[Array, "_Inverse"]:
    """Returns where Newton steps no longer decrease ‖F‖, and K⁻¹ there."""
    if not np.isfinite(_norm(function(x))):
        raise NotConvergedError(
            "not converged: F is not finite at the guess or where the search went from it; start "
            "elsewhere, or check that there is a solution"
        )
    inverse = invert(function, x)
    for _ in range(NEWTON_STEPS):
        closer = _step(function, x, inverse, tolerance)
        if closer is None:
            break
        x, inverse = closer, invert(function, closer)
    return x, inverse


def _step(function: _Numeric, x: Array, inverse: "_Inverse", tolerance: float) -> Array | None:
    """Returns x after the longest part of a Newton step that decreases ‖F‖, or None."""
    residual = function(x)
    norm = _norm(residual)
    whole = inverse(residual)
    # Once F is small, a shorter step can only win against rounding.
    for halvings in range(HALVINGS if norm > tolerance else 1):
        part = 0.5**halvings
        closer = x - part * whole
        # A linear F decreases by the whole part; half of it tells progress from rounding.
        if _norm(function(closer)) < (1 - part / 2) * norm:
            return closer
    return None


def _check_converged(function: _Numeric, x: Array, inverse: "_Inverse", tolerance: float) -> None:
    residual = function(x)
    if not _norm(residual) <= tolerance:
        raise NotConvergedError(
            f"not converged: ‖F‖ is {_norm(residual):.1e}, the tolerance {tolerance:.1e}; start "
            "nearer, rescale the problem, or give a solver or another tolerance"
        )
    # F also becomes small on the way to infinity, as that of exp(-y) does.
    move = _norm(inverse(residual))
    if not move <= _eps(x.dtype) ** 0.25 * max(1.0, _norm(x)):
        raise NotConvergedError(
            f"not converged: ‖F‖ is {_norm(residual):.1e}, but the next Newton step would move y "
            f"by {move:.1e}; check that there is a solution, or start nearer"
        )


def _check_isolated(function: _Numeric, x: Array, inverse: "_Inverse") -> None:
    """Raises SingularError if K is quite another √eps away, which is about as near as x is known.

    So it is for (a - x)⁴, where the search may end with any small K.
    """
    image = np.random.default_rng(0).standard_normal(x.size).astype(x.dtype)
    beside = x + _eps(x.dtype) ** 0.5 * (1 + np.abs(x))
    change = function.vjp(beside, inverse.T(image)) - image
    if not _norm(change) <= _norm(image) / 2:
        raise SingularError(
            "K = ∂F/∂y is singular: it vanishes, or is not continuous, where F is zero; add a "
            "regularizer to the objective"
        )


def _resolution(dtype: np.dtype[Any]) -> float:
    """Returns eps^¾: what is smaller, relative to the whole, counts as zero."""
    return float(_eps(dtype) ** 0.75)


def _eps(dtype: np.dtype[Any]) -> float:
    return float(np.finfo(dtype).eps)


def _norm(vector: Array) -> float:
    return float(np.linalg.norm(vector))


def _largest(matrix: Array) -> float:
    # Not a norm: waking threads for its sum of squares can take longer than to factorize.
    return float(np.abs(matrix).max())


@dataclass(frozen=True)
class _Inverse:
    """K⁻¹ as a map of vectors.

    Attributes:
        times: from b to K⁻¹ b.
        transposed_times: from b to K⁻ᵀ b.
        defect: what there is to warn of, if anything.
    """

    times: Callable[[Array], Array]
    transposed_times: Callable[[Array], Array]
    defect: str = ""

    def __call__(self, b: Array) -> Array:
        return self.times(b)

    @property
    def T(self) -> "_Inverse":  # noqa: N802 -- NumPy's name
        return _Inverse(self.transposed_times, self.times, self.defect)


_Invert = Callable[[_Numeric, Array], _Inverse]
"""From F and a point to the inverse of F's Jacobian K there."""


def _cholesky(function: _Numeric, x: Array) -> _Inverse:
    K = function.jacobian(x)
    _check_symmetric(_largest(K - K.T), _largest(K), K.dtype)
    try:
        factor = linalg.cho_factor(K, check_finite=False)
    except linalg.LinAlgError:
        raise SingularError(NOT_DEFINITE) from None
    reciprocal, _ = _lapack("pocon", K)(factor[0], np.linalg.norm(K, 1))
    _check_condition(reciprocal, K.dtype)

    def times(b: Array) -> Array:
        return linalg.cho_solve(factor, b, check_finite=False)

    return _Inverse(times, times)


def _lu(function: _Numeric, x: Array) -> _Inverse:
    K = function.jacobian(x)
    # Not lu_factor, which warns of what is refused here.
    lu, pivots, _ = _lapack("getrf", K)(K)
    reciprocal, _ = _lapack("gecon", K)(lu, np.linalg.norm(K, 1))
    _check_condition(reciprocal, K.dtype)
    return _Inverse(
        lambda b: linalg.lu_solve((lu, pivots), b, check_finite=False),
        lambda b: linalg.lu_solve((lu, pivots), b, trans=1, check_finite=False),
    )


def _pinv(function: _Numeric, x: Array) -> _Inverse:
    K = function.jacobian(x)
    U, values, Vt = linalg.svd(K)
    # Relative to the largest, as an absolute cut would drop all of a small K.
    rank = int((values > len(K) * _eps(K.dtype) * values[0]).sum())
    dropped = ", ".join(f"{value:.1e}" for value in values[rank:])
    left, kept, right = U[:, :rank], values[:rank], Vt[:rank].T
    return _Inverse(
        lambda b: right @ (left.T @ b / kept),
        lambda b: left @ (right.T @ b / kept),
        defect=f"K has rank {rank} of {len(K)}, dropped singular values {dropped}: derivatives "
        "along their directions are taken for zero"
        if dropped
        else "",
    )


def _cg(function: _Numeric, x: Array) -> _Inverse:
    def product(v: Array) -> Array:
        return function.vjp(x, v)  # Kᵀ v, but K is symmetric

    u, v = np.random.default_rng(0).standard_normal((2, x.size)).astype(x.dtype)
    Ku, Kv = product(u), product(v)
    scale = _norm(u) * _norm(Kv) + _norm(v) * _norm(Ku)
    _check_symmetric(abs(u @ Kv - v @ Ku), scale, x.dtype)

    def times(b: Array) -> Array:
        return _conjugate_gradients(product, b)

    return _Inverse(times, times)


LINEAR_SOLVERS: dict[str, _Invert] = {"cholesky": _cholesky, "lu": _lu, "cg": _cg, "pinv": _pinv}


def _conjugate_gradients(product: Callable[[Array], Array], b: Array) -> Array:
    """Returns the solution of K x = b from products with a positive definite K."""
    x, residual, direction = np.zeros_like(b), b, b
    target = CG_RESIDUAL * _eps(b.dtype) * _norm(b)
    largest = 0.0
    for _ in range(CG_STEPS * b.size):
        if _norm(residual) <= target:
            return x
        image = product(direction)
        curvature = direction @ image / (direction @ direction)
        largest = max(largest, curvature)
        if not curvature > _resolution(b.dtype) * largest:
            raise SingularError(NOT_DEFINITE)
        step = residual @ residual / (direction @ image)
        x = x + step * direction
        shorter = residual - step * image
        direction = shorter + (shorter @ shorter) / (residual @ residual) * direction
        residual = shorter
    raise NotConvergedError(
        f"conjugate gradients: not converged, residual {_norm(residual):.1e}, tolerance "
        f"{target:.1e}; K is ill-conditioned: rescale y, or ask for linear_solver='cholesky'"
    )


def _lapack(name: str, K: Array) -> Native:
    """Returns a routine of LAPACK for the dtype of K."""
    return linalg.get_lapack_funcs(name, (K,))


def _check_symmetric(difference: float, scale: float, dtype: np.dtype[Any]) -> None:
    if difference > _eps(dtype) ** 0.5 * scale:
        raise NotSymmetricError(
            "K = ∂F/∂y is not symmetric, as linear_solver='cholesky' and 'cg' want it; ask for 'lu'"
        )


def _check_condition(reciprocal: float, dtype: np.dtype[Any]) -> None:
    if not reciprocal > _resolution(dtype):
        raise SingularError(
            f"K = ∂F/∂y is singular to working precision, its reciprocal condition {reciprocal:.0e}"
            ": y is not the only solution near; add a regularizer to the objective, or ask for "
            "linear_solver='pinv'"
        )


@dataclass(frozen=True)
class _Root:
    """A solution of F(x, *leaves) = 0 as a function of the leaves: what its derivative needs.

    Attributes:
        engine: the library that differentiates.
        residual: F.
        inverse: of K = ∂F/∂x at the solution.
    """

    engine: "_Engine"
    residual: Callable[..., Native]
    inverse: _Inverse

    def vjp(
        self, x: Native, leaves: Sequence[Native], cotangent: Native, wanted: Sequence[int]
    ) -> Native:
        """Returns z̄ = -(∂F/∂z)ᵀ u, with Kᵀ u = x̄, for the leaves of the wanted numbers.

        x, leaves and cotangent may be traced: the result is differentiable in each of them.
        """

        def of_wanted(*varied: Native) -> Native:
            given = list(leaves)
            for number, leaf in zip(wanted, varied, strict=True):
                given[number] = leaf
            return self.residual(x, *given)

        adjoint = self._adjoint(x, leaves, cotangent)
        return self.engine.vjp(of_wanted, [leaves[number] for number in wanted], -adjoint)

    def _adjoint(self, x: Native, leaves: Sequence[Native], cotangent: Native) -> Native:
        """Returns u, the root of Kᵀ u - x̄: a function of x, x̄ and the leaves."""

        def residual(u: Native, x: Native, cotangent: Native, *leaves: Native) -> Native:
            (product,) = self.engine.vjp(lambda x: self.residual(x, *leaves), [x], u)
            return product - cotangent

        u = self.inverse.T(self.engine.to_numpy(cotangent))
        root = _Root(self.engine, residual, self.inverse.T)
        return self.engine.attach(root, u, [x, cotangent, *leaves])


class _Engine(Protocol):
    """What differentiates native arrays. Only `constant` and `to_numpy` cut derivatives off."""

    def constant(self, leaf: Tree) -> Tree:
        """Returns a leaf without its graph."""
        ...

    def to_numpy(self, leaf: Native) -> Array:
        """Returns an array's values; whatever is not the library's own as it is."""
        ...

    def from_numpy(self, array: Array) -> Native:
        """Returns an array where the initial guess is."""
        ...

    def ravel(self, leaves: Sequence[Native]) -> Native:
        """Returns all entries as one vector."""
        ...

    def gradient(self, function: Callable[[Native], Native], x: Native) -> Native:
        """Returns the gradient of a scalar function, and its value."""
        ...

    def vjp(
        self, function: Callable[..., Native], primals: Sequence[Native], cotangent: Native
    ) -> Native:
        """Returns Jᵀ u, one array for each primal."""
        ...

    def jacobian(self, function: Callable[[Native], Native], x: Native) -> Native:
        """Returns the matrix J of a function from vectors to vectors."""
        ...

    def attach(self, root: _Root, x: Array, leaves: Sequence[Tree]) -> Native:
        """Returns x with `root.vjp` as its derivative in the leaves."""
        ...


@dataclass(frozen=True)
class _Torch:
    device: torch.device

    @classmethod
    def beside(cls, initial: Tree) -> "_Torch":
        devices = [leaf.device for leaf in _leaves(initial) if isinstance(leaf, torch.Tensor)]
        return cls(devices[0] if devices else torch.device("cpu"))

    def constant(self, leaf: Tree) -> Tree:
        return leaf.detach() if isinstance(leaf, torch.Tensor) else leaf

    def to_numpy(self, leaf: Native) -> Native:
        return leaf.detach().cpu().numpy() if isinstance(leaf, torch.Tensor) else leaf

    def from_numpy(self, array: Array) -> Native:
        return torch.from_numpy(array).to(self.device)

    def ravel(self, leaves: Sequence[Native]) -> Native:
        return torch.cat([leaf.reshape(-1) for leaf in leaves])

    def gradient(self, function: Callable[[Native], Native], x: Native) -> Native:
        return torch.func.grad_and_value(function)(x)

    def vjp(
        self, function: Callable[..., Native], primals: Sequence[Native], cotangent: Native
    ) -> Native:
        return torch.func.vjp(function, *primals)[1](cotangent)

    def jacobian(self, function: Callable[[Native], Native], x: Native) -> Native:
        return torch.func.jacrev(function, chunk_size=ROWS_AT_ONCE)(x)

    def attach(self, root: _Root, x: Array, leaves: Sequence[Tree]) -> Native:
        return _TorchRoot.apply(root, self.from_numpy(x), *leaves)  # type: ignore[no-untyped-call]


class _TorchRoot(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Native, root: _Root, x: torch.Tensor, *leaves: Tree) -> torch.Tensor:
        # The output, unlike x, carries its own dependence on the leaves into second derivatives.
        output = x.clone()
        ctx.root = root
        ctx.others = [None if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]
        tensors = [leaf if isinstance(leaf, torch.Tensor) else None for leaf in leaves]
        ctx.save_for_backward(output, *tensors)
        return output

    @staticmethod
    def backward(ctx: Native, *cotangents: torch.Tensor) -> Native:
        output, *tensors = ctx.saved_tensors
        leaves = [
            other if tensor is None else tensor
            for tensor, other in zip(tensors, ctx.others, strict=True)
        ]
        wanted = [number for number, needs in enumerate(ctx.needs_input_grad[2:]) if needs]
        gradients = dict(
            zip(wanted, ctx.root.vjp(output, leaves, *cotangents, wanted), strict=True)
        )
        return None, None, *map(gradients.get, range(len(leaves)))


class _Autograd:
    def constant(self, leaf: Tree) -> Tree:
        return getval(leaf)

    def to_numpy(self, leaf: Native) -> Native:
        return getval(leaf)

    def from_numpy(self, array: Array) -> Native:
        return array

    def ravel(self, leaves: Sequence[Native]) -> Native:
        return anp.concatenate([anp.reshape(leaf, -1) for leaf in leaves])

    def gradient(self, function: Callable[[Native], Native], x: Native) -> Native:
        pull, value = self._trace(function, x)
        return pull(vspace(value).ones()), value

    def vjp(
        self, function: Callable[..., Native], primals: Sequence[Native], cotangent: Native
    ) -> Native:
        pull, _ = self._trace(lambda primals: function(*primals), tuple(primals))
        return pull(cotangent)

    def jacobian(self, function: Callable[[Native], Native], x: Native) -> Native:
        pull, value = self._trace(function, x)
        return np.stack([pull(row) for row in np.eye(value.size, dtype=value.dtype)])

    def attach(self, root: _Root, x: Array, leaves: Sequence[Tree]) -> Native:
        return _autograd_root(root, x, *leaves)

    def _trace(self, function: Callable[[Native], Native], x: Native) -> Native:
        # A derivative of zero is nothing to warn of: F may well be linear in y or in a parameter.
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Output seems independent of input")
            return make_vjp(function, x)


@primitive  # type: ignore[untyped-decorator]
def _autograd_root(root: _Root, x: Array, *leaves: Tree) -> Array:  # noqa: ARG001 -- for the VJP
    return x


def _autograd_root_vjp(
    argnums: Sequence[int], x: Native, arguments: Sequence[Native], _: dict[str, Native]
) -> Callable[[Native], Sequence[Native]]:
    root, _, *leaves = arguments
    return lambda cotangent: root.vjp(x, leaves, cotangent, [number - 2 for number in argnums])


defvjp_argnums(_autograd_root, _autograd_root_vjp)


def _map(function: Callable[[Tree], Tree], tree: Tree) -> Tree:
    """Returns the tree with the function's values as leaves, taken in the order of `flatten`."""
    if type(tree) is dict:
        mapped = {key: _map(function, tree[key]) for key in sorted(tree)}
        return {key: mapped[key] for key in tree}
    if type(tree) in {list, tuple}:
        return type(tree)(_map(function, child) for child in tree)
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(_map(function, child) for child in tree))
    return function(tree)


def _leaves(tree: Tree) -> list[Tree]:
    leaves: list[Tree] = []
    _map(leaves.append, tree)
    return leaves


def _refill(tree: Tree, leaves: Iterable[Tree]) -> Tree:
    """Returns the tree with other leaves."""
    given = iter(leaves)
    return _map(lambda _: next(given), tree)
