"""Linear and nonlinear equations for the manual bodies, in any dtype and on any device."""

from collections.abc import Callable

import numpy as np

from reference_impls.computation import Array
from reference_impls.implicit import NotConvergedError

NEWTON_STEPS = 50

REFINEMENTS = 12
"""One adds sixteen digits less those that the condition number costs; three are mostly enough."""


def solve(A: Array, B: Array) -> Array:
    """Solves A X = B for X, in the dtype of A and B; they may be np.longdouble, or CuPy's.

    LAPACK has no extended precision. For np.longdouble, its solution in float64 is refined, with
    residuals in extended precision, until it no longer improves (Higham, *Accuracy and Stability of
    Numerical Algorithms*, 2002, section 12.1). As long as the condition number of A is below 1e16,
    that reaches full accuracy.

    Args:
        A: (n, n).
        B: (n,) or (n, k).
    """
    if A.dtype != np.longdouble:
        return np.linalg.solve(A, B)
    double = A.astype(np.float64)
    X = np.linalg.solve(double, B.astype(np.float64)).astype(B.dtype)
    residual = B - A @ X
    for _ in range(REFINEMENTS):
        closer = X + np.linalg.solve(double, residual.astype(np.float64))
        left = B - A @ closer
        if not (left * left).sum() < (residual * residual).sum():
            break
        X, residual = closer, left
    return X


def newton(system: Callable[..., tuple[Array, Array]], start: Array, *parameters: Array) -> Array:
    """Finds a root y of F(y, *parameters) by Newton's method.

    With complex parameters, the root at their real parts is found first. One more step then
    carries their imaginary parts over to y; they must be infinitesimal, as in a complex step.

    Args:
        system: from y and the parameters to K = ∂F/∂y, (n, n), and F, (n,).
        start: real, (n,).
        parameters: real or complex.

    Raises:
        NotConvergedError: the steps do not become small.
    """
    real = [np.real(parameter) for parameter in parameters]
    y = start
    for _ in range(NEWTON_STEPS):
        step = solve(*system(y, *real))
        y = y - step
        # Convergence is quadratic: after a step of relative length √eps, y is as good as it gets.
        if float((step * step).sum()) <= np.finfo(y.dtype).eps * float((y * y).sum()):
            return y - solve(*system(y, *parameters))
    raise NotConvergedError(f"Newton's method: not converged after {NEWTON_STEPS} steps")
