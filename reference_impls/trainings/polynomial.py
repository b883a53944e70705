"""A quartic through noisy points, by 10,000 steps of gradient descent on its five coefficients.

The loss is quadratic in them, with Hessian H = (1/N) ΦᵀΦ, so that the run is known in closed form:

    wₖ = w* + (I - αH)ᵏ (w₀ - w*)

It is not converged: 11 % of the initial error is left along the slowest direction. Above
α = 2/L = 0.0024846, with L the largest eigenvalue of H, it diverges.
"""

import numpy as np

from reference_impls.computation import Arrays
from reference_impls.computations.polynomial_regression import COMPUTATION, DEGREE
from reference_impls.descent import Momentum
from reference_impls.training import Record, Training

POINTS = 100


def record(seed: int) -> Record:
    """The tutorial's points, in its order of drawing: first the noise, then w."""
    rng = np.random.default_rng(seed)
    x = np.linspace(-3.0, 3.0, POINTS)
    t = x**4 - 10 * x**2 + 10 * x + rng.normal(0, 4, POINTS)
    features = np.vander(x, DEGREE + 1, increasing=True)
    return Record({"w": rng.standard_normal(DEGREE + 1)}, {"features": features, "t": t})


def minimum(given: Record) -> Arrays:
    """Least squares."""
    w, *_ = np.linalg.lstsq(given.data["features"], given.data["t"])
    return {"w": w}


TRAINING = Training(
    name="polynomial",
    origin="hips_autograd, Polynomial regression",
    loss=COMPUTATION,
    rule=Momentum(rate=1e-3),
    steps=10_000,
    record=record,
    minimum=minimum,
)
