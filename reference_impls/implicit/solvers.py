"""How an argmin or a root is solved for: four ways to take K⁻¹, each with what it refuses."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from scipy import linalg

from reference_impls.computation import Array, Native
from reference_impls.implicit.errors import NotConvergedError, NotSymmetricError, SingularError
from reference_impls.implicit.precision import eps, largest, norm, resolution
from reference_impls.implicit.vectors import Numeric
from reference_impls.nested import Tree
from reference_impls.words import described

CG_STEPS = 10
"""Per unknown; in theory one is enough, but rounding delays conjugate gradients."""

NO_DIGIT = 16
"""In units of eps: below this reciprocal condition, no digit of a solution is certain."""

SCALINGS = 6
"""Rounds of scaling: each halves the digits by which the sizes of K's rows differ."""

CG_RESIDUAL = 100
"""Relative to the right-hand side, in units of eps: 2e-14 in float64."""

NOT_DEFINITE = (
    "K = ∂F/∂y is not positive definite: y is a saddle, a maximum or one of many solutions, or "
    "rounding hides that it is none; start nearer a minimum, add a regularizer to the objective, "
    "or solve with PseudoInverse()"
)


@dataclass(frozen=True)
class Inverse:
    """K⁻¹ as a map of vectors.

    Attributes:
        times: from b to K⁻¹ b.
        transposed_times: from b to K⁻ᵀ b.
        defect: what the user is to be warned of; may be empty.
        iterates: is each product found by iterating with products with K, not with a factor of it?
    """

    times: Callable[[Array], Array]
    transposed_times: Callable[[Array], Array]
    defect: str = ""
    iterates: bool = False

    def __call__(self, b: Array) -> Array:
        """Returns K⁻¹ b."""
        return self.times(b)

    @property
    def T(self) -> "Inverse":  # noqa: N802 -- NumPy's name
        """K⁻ᵀ."""
        return Inverse(self.transposed_times, self.times, self.defect, self.iterates)


@dataclass(frozen=True, kw_only=True)
class Solver(ABC):
    """How to find a solution of F = 0, and how to take K⁻¹ there and on the way.

    Attributes:
        search: ``search(function, initial, *parameters)`` returns a point close to the solution;
            the function is the objective, or the condition of an equation. Newton steps take over
            from there. By default, L-BFGS searches for a minimum, SLSQP under a constraint, and
            Newton steps alone for a root.
        tolerance: for ‖F‖ at the solution. If given, the search stops as soon as it is met: a
            looser one costs less, and y is less accurate. K is taken at the y that is returned.
            By default y is as accurate as its dtype allows.

    Raises:
        TypeError: the search is no function.
        ValueError: the tolerance is not a positive number.
    """

    search: Callable[..., Tree] | None = None
    tolerance: float | None = None

    takes_constraints: ClassVar[bool] = False
    """The multipliers' rows and columns make K indefinite: is that no hindrance?"""

    takes_dependent_constraints: ClassVar[bool] = False
    """They make K singular: is that no hindrance either?"""

    refuses_saddles: ClassVar[bool] = False
    """Is a K that is not positive definite refused?"""

    def __post_init__(self) -> None:
        search: object = self.search
        if not (search is None or callable(search)):
            raise TypeError(f"search: got {described(search)}, wanted a function")
        tolerance: object = self.tolerance
        if tolerance is not None and not (isinstance(tolerance, Real) and float(tolerance) > 0):
            raise ValueError(f"tolerance: got {tolerance!r}, wanted a positive number")

    @abstractmethod
    def linearized(self, function: Numeric, x: Array) -> tuple[Array | None, Inverse]:
        """Returns K at x, or None if it is not formed, and K⁻¹."""


class Factorization(Solver):
    """A solver that forms K, and factorizes it once."""

    def linearized(self, function: Numeric, x: Array) -> tuple[Array, Inverse]:
        """See `Solver.linearized`."""
        K = function.jacobian(x)
        return K, self.inverse(K)

    @abstractmethod
    def inverse(self, K: Array) -> Inverse:
        """Returns K⁻¹, for K of shape (n, n)."""


class Cholesky(Factorization):
    """K = L Lᵀ, for a minimum without constraints, where K is positive definite."""

    refuses_saddles = True

    def inverse(self, K: Array) -> Inverse:
        """See `Factorization.inverse`.

        Raises:
            NotSymmetricError: K is not symmetric.
            SingularError: K is not positive definite, or its condition is above 1/(16 eps).
        """
        _check_symmetric(largest(K - K.T), largest(K), K.dtype)
        scale, _ = _scales(K)
        K = K * scale * scale[:, None]
        try:
            factor = linalg.cho_factor(K, check_finite=False)
        except linalg.LinAlgError:
            raise SingularError(NOT_DEFINITE) from None
        reciprocal, _ = _lapack("pocon", K)(factor[0], np.linalg.norm(K, 1))
        _check_condition(reciprocal, K.dtype)

        def times(b: Array) -> Array:
            return scale * linalg.cho_solve(factor, scale * b, check_finite=False)

        return Inverse(times, times)


class LU(Factorization):
    """K = P L U, for any regular K: that of a root, or of a minimum under constraints."""

    takes_constraints = True

    def inverse(self, K: Array) -> Inverse:
        """See `Factorization.inverse`.

        Raises:
            SingularError: K is singular, or its condition is above 1/(16 eps).
        """
        rows, columns = _scales(K)
        K = K * columns * rows[:, None]
        # lu_factor would warn of a singular K, which is refused below.
        lu, pivots, _ = _lapack("getrf", K)(K)
        reciprocal, _ = _lapack("gecon", K)(lu, np.linalg.norm(K, 1))
        _check_condition(reciprocal, K.dtype)
        return Inverse(
            lambda b: columns * linalg.lu_solve((lu, pivots), rows * b, check_finite=False),
            lambda b: (
                rows * linalg.lu_solve((lu, pivots), columns * b, trans=1, check_finite=False)
            ),
        )


class PseudoInverse(Factorization):
    """K⁺, without the singular values below n·eps of the largest one; it warns of these.

    With singular values dropped, only first derivatives mean anything.
    """

    takes_constraints = True
    takes_dependent_constraints = True

    def inverse(self, K: Array) -> Inverse:
        """See `Factorization.inverse`."""
        U, values, Vt = linalg.svd(K)
        # Relative to the largest: an absolute cut would drop all of a small K.
        rank = int((values > len(K) * eps(K.dtype) * values[0]).sum())
        dropped = ", ".join(f"{value:.1e}" for value in values[rank:])
        left, kept, right = U[:, :rank], values[:rank], Vt[:rank].T
        return Inverse(
            lambda b: right @ (left.T @ b / kept),
            lambda b: left @ (right.T @ b / kept),
            defect=f"K has rank {rank} of {len(K)}, dropped singular values {dropped}: derivatives "
            "along their directions are taken for zero"
            if dropped
            else "",
        )


class ConjugateGradients(Solver):
    """Products with K alone, for a K that is positive definite and too large to form."""

    refuses_saddles = True

    def linearized(self, function: Numeric, x: Array) -> tuple[None, Inverse]:
        """See `Solver.linearized`.

        Raises:
            NotSymmetricError: K is not symmetric.
        """
        # A VJP is a product with Kᵀ, but K is symmetric.
        return None, conjugate_gradients(lambda v: function.vjp(x, v), x)


SOLVERS = (Cholesky, LU, ConjugateGradients, PseudoInverse)


def check_solver(solver: object, *, constrained: bool = False) -> None:
    """Raises ValueError, with what is accepted, for what is no solver or takes no constraint."""
    if isinstance(solver, Solver) and (solver.takes_constraints or not constrained):
        return
    accepted = [
        f"{each.__name__}()" for each in SOLVERS if each.takes_constraints or not constrained
    ]
    what = "solver for a constraint" if constrained else "solver"
    wanted = " or ".join(filter(None, (", ".join(accepted[:-1]), accepted[-1])))
    raise ValueError(f"{what}: got {solver!r}, wanted {wanted}")


def conjugate_gradients(product: Callable[[Array], Array], x: Array) -> Inverse:
    """Returns K⁻¹ from products with a symmetric K, for vectors like x.

    Raises:
        NotSymmetricError: K is not symmetric.

    The inverse raises SingularError where K proves not to be positive definite, and
    NotConvergedError where rounding keeps the residual from becoming small.
    """
    u, v = np.random.default_rng(0).standard_normal((2, x.size)).astype(x.dtype)
    Ku, Kv = product(u), product(v)
    scale = norm(u) * norm(Kv) + norm(v) * norm(Ku)
    _check_symmetric(abs(u @ Kv - v @ Ku), scale, x.dtype)

    def times(b: Array) -> Array:
        # Scaled, as squares of very large or small entries leave the range of the dtype.
        scale = largest(b)
        if not scale or not np.isfinite(scale):
            return b * np.nan if scale else b
        return scale * _solution(product, b / scale)

    return Inverse(times, times, iterates=True)


def _solution(product: Callable[[Array], Array], b: Array) -> Array:
    """Returns the solution of K x = b from products with a positive definite K."""
    x, residual, direction = np.zeros_like(b), b, b
    target = CG_RESIDUAL * eps(b.dtype) * norm(b)
    stiffest = 0.0
    for _ in range(CG_STEPS * b.size):
        if norm(residual) <= target:
            return x
        image = product(direction)
        curvature = direction @ image / (direction @ direction)
        stiffest = max(stiffest, curvature)
        if not curvature > resolution(b.dtype) * stiffest:
            raise SingularError(NOT_DEFINITE)
        step = residual @ residual / (direction @ image)
        x = x + step * direction
        shorter = residual - step * image
        direction = shorter + (shorter @ shorter) / (residual @ residual) * direction
        residual = shorter
    raise NotConvergedError(
        f"conjugate gradients: not converged, residual {norm(residual):.1e}, tolerance "
        f"{target:.1e}; K is ill-conditioned: rescale y, or solve with Cholesky()"
    )


def _scales(K: Array) -> tuple[Array, Array]:
    """Returns factors for the rows and the columns that bring the largest entry of each near 1.

    Different units, as those of y and of multipliers, then do not count as an ill condition. The
    factors are powers of two, which round nothing; for a symmetric K the two are the same.

    Source: Ruiz, *A scaling algorithm to equilibrate both rows and columns norms in matrices*,
    2001.
    """
    sizes = np.abs(K)
    rows, columns = np.ones(len(K), K.dtype), np.ones(len(K), K.dtype)
    for _ in range(SCALINGS):
        scaled = sizes * columns * rows[:, None]
        rows *= _reciprocal_root(scaled.max(axis=1))
        columns *= _reciprocal_root(scaled.max(axis=0))
    return rows, columns


def _reciprocal_root(sizes: Array) -> Array:
    positive = np.where(sizes > 0, sizes, 1)
    return np.exp2(np.round(-np.log2(positive) / 2)).astype(sizes.dtype)


def _lapack(name: str, K: Array) -> Native:
    """Returns a routine of LAPACK for the dtype of K."""
    return linalg.get_lapack_funcs(name, (K,))


def _check_symmetric(difference: float, scale: float, dtype: np.dtype[Any]) -> None:
    if difference > eps(dtype) ** 0.5 * scale:
        raise NotSymmetricError(
            "K = ∂F/∂y is not symmetric, as Cholesky() and ConjugateGradients() want it to be; "
            "solve with LU()"
        )


def _check_condition(reciprocal: float, dtype: np.dtype[Any]) -> None:
    if not reciprocal > NO_DIGIT * eps(dtype):
        raise SingularError(
            f"K = ∂F/∂y is singular to working precision, its reciprocal condition {reciprocal:.0e}"
            ": y is not the only solution near; add a regularizer to the objective, or solve with "
            "PseudoInverse()"
        )
