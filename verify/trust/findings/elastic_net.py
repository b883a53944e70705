"""The regression that the tutorial *optimization* tests its layer on, with two penalties.

    f(w) = 1/N ‖X w - y‖² + l₁ mean|w| + l₂ mean w²        (n weights)

At the penalties of the tutorial's printed run, which follow from the twenty numbers that it prints,
l₁ is negative: no weight is zero, and the gradient vanishes at several points.
"""

from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
import torch

from reference_impls.computation import Array
from verify.trust.findings.finding import SkippedError

L1, L2 = -0.90902919, 1.08705153
"""The penalties of the tutorial's printed run."""

FEATURES = 20


@dataclass(frozen=True)
class Regression:
    """The tutorial's.

    Attributes:
        X: standardised features, (1000, 20).
        y: targets.
        coefficients: that the targets were made with, of the features as they were.
        scales: standard deviations of those.
    """

    X: Array
    y: Array
    coefficients: Array
    scales: Array


@cache
def regression() -> Regression:
    """As `make_regression` draws it, with features standardised afterwards.

    Raises:
        SkippedError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import make_regression  # noqa: PLC0415 -- it may be missing
    except ImportError:
        raise SkippedError("scikit-learn, which draws the regression, is not installed") from None
    X, y, coefficients = make_regression(
        n_samples=1_000, n_features=FEATURES, coef=True, random_state=42, bias=10, noise=1
    )
    scales = X.std(axis=0)
    return Regression((X - X.mean(axis=0)) / scales, y, coefficients, scales)


def objective(w: torch.Tensor, l1: torch.Tensor, l2: torch.Tensor) -> torch.Tensor:
    """f, a scalar, at weights (20,) and both penalties."""
    given = regression()
    residual = torch.as_tensor(given.X) @ w - torch.as_tensor(given.y)
    return (residual**2).mean() + l1 * w.abs().mean() + l2 * (w**2).mean()


def minimum(l1: Array | float, l2: Array | float, signs: Array) -> Array:
    """Where the gradient vanishes, if the weights have these signs; (20,)."""
    given = regression()
    moments = 2 / given.y.size * given.X.T @ given.y
    return np.linalg.solve(_curvature(l2), moments - l1 / FEATURES * signs)


def stationary(l1: float) -> Array:
    """The patterns of signs (k, 20) that belong to points where the gradient vanishes.

    A weight whose sign no signs of the others can change need not be tried with both.
    """
    unpenalised, inverse = minimum(0.0, L2, np.zeros(FEATURES)), np.linalg.inv(_curvature(L2))
    reach = abs(l1) / FEATURES * np.abs(inverse).sum(axis=1)
    free = np.flatnonzero(np.abs(unpenalised) <= reach)
    signs = np.tile(np.sign(unpenalised), (2**free.size, 1))
    signs[:, free] = list(product((-1.0, 1.0), repeat=free.size))
    weights = unpenalised - l1 / FEATURES * signs @ inverse
    consistent: Array = signs[(np.sign(weights) == signs).all(axis=1)]
    return consistent


@cache
def printed_signs() -> Array:
    """Of the weights at the printed minimum, the lowest of all stationary points; (20,)."""
    found: Array = min(stationary(L1), key=lambda signs: _loss(minimum(L1, L2, signs)))
    return found


def _curvature(l2: Array | float) -> Array:
    given = regression()
    curvature: Array = 2 / given.y.size * given.X.T @ given.X + 2 * l2 / FEATURES * np.eye(FEATURES)
    return curvature


def _loss(w: Array) -> float:
    return float(objective(torch.tensor(w), *torch.tensor([L1, L2], dtype=torch.float64)))
