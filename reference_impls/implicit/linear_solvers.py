"""K⁻¹, in four ways."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg

from reference_impls.computation import Array, Native
from reference_impls.implicit.errors import NotConvergedError, NotSymmetricError, SingularError
from reference_impls.implicit.precision import eps, largest, norm, resolution

CG_STEPS = 10
"""Per unknown: rounding delays conjugate gradients beyond the one that theory promises."""

NO_DIGIT = 16
"""In units of eps: with a smaller reciprocal condition, no digit of a solution is certain."""

SCALINGS = 6
"""Of K: each halves the digits by which the sizes of its rows differ."""

CG_RESIDUAL = 100
"""Relative to the right-hand side, in units of eps: 2e-14 in float64."""

NOT_DEFINITE = (
    "K = ∂F/∂y is not positive definite: y is a saddle, a maximum or one of many solutions, or "
    "rounding hides that it is none; start nearer a minimum, add a regularizer to the objective, "
    "or ask for linear_solver='pinv'"
)


@dataclass(frozen=True)
class Inverse:
    """K⁻¹ as a map of vectors.

    Attributes:
        times: from b to K⁻¹ b.
        transposed_times: from b to K⁻ᵀ b.
        defect: what there is to warn of, if anything.
        iterates: does it take products with K until they are right?
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


def _cholesky(K: Array) -> Inverse:
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


def _lu(K: Array) -> Inverse:
    rows, columns = _scales(K)
    K = K * columns * rows[:, None]
    # Not lu_factor, which warns of what is refused here.
    lu, pivots, _ = _lapack("getrf", K)(K)
    reciprocal, _ = _lapack("gecon", K)(lu, np.linalg.norm(K, 1))
    _check_condition(reciprocal, K.dtype)
    return Inverse(
        lambda b: columns * linalg.lu_solve((lu, pivots), rows * b, check_finite=False),
        lambda b: rows * linalg.lu_solve((lu, pivots), columns * b, trans=1, check_finite=False),
    )


def _scales(K: Array) -> tuple[Array, Array]:
    """Returns factors of rows and of columns with which the largest entry of each is about 1.

    Units that differ are no ill condition: those of a Lagrangian's y and multipliers, say. Powers
    of two round nothing; for a symmetric K the two are the same. (Ruiz, *A scaling algorithm to
    equilibrate both rows and columns norms in matrices*, 2001.)
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


def _pinv(K: Array) -> Inverse:
    U, values, Vt = linalg.svd(K)
    # Relative to the largest, as an absolute cut would drop all of a small K.
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


def conjugate_gradients(product: Callable[[Array], Array], x: Array) -> Inverse:
    """Returns K⁻¹ from products with a symmetric K, for vectors like x."""
    u, v = np.random.default_rng(0).standard_normal((2, x.size)).astype(x.dtype)
    Ku, Kv = product(u), product(v)
    scale = norm(u) * norm(Kv) + norm(v) * norm(Ku)
    _check_symmetric(abs(u @ Kv - v @ Ku), scale, x.dtype)

    def times(b: Array) -> Array:
        # The squares of large and of small entries leave the range of their dtype.
        scale = largest(b)
        if not scale or not np.isfinite(scale):
            return b * np.nan if scale else b
        return scale * _solution(product, b / scale)

    return Inverse(times, times, iterates=True)


FACTORIZATIONS = {"cholesky": _cholesky, "lu": _lu, "pinv": _pinv}
"""From K to its inverse."""

LINEAR_SOLVERS = ("cholesky", "lu", "cg", "pinv")


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
        f"{target:.1e}; K is ill-conditioned: rescale y, or ask for linear_solver='cholesky'"
    )


def _lapack(name: str, K: Array) -> Native:
    """Returns a routine of LAPACK for the dtype of K."""
    return linalg.get_lapack_funcs(name, (K,))


def _check_symmetric(difference: float, scale: float, dtype: np.dtype[Any]) -> None:
    if difference > eps(dtype) ** 0.5 * scale:
        raise NotSymmetricError(
            "K = ∂F/∂y is not symmetric, as linear_solver='cholesky' and 'cg' want it; ask for 'lu'"
        )


def _check_condition(reciprocal: float, dtype: np.dtype[Any]) -> None:
    if not reciprocal > NO_DIGIT * eps(dtype):
        raise SingularError(
            f"K = ∂F/∂y is singular to working precision, its reciprocal condition {reciprocal:.0e}"
            ": y is not the only solution near; add a regularizer to the objective, or ask for "
            "linear_solver='pinv'"
        )
