"""A straight line through noisy points, by 1,000 steps of gradient descent.

The loss is quadratic, with Hessian H = (1/N) XᵀX for X = (x, 1). So the run has a closed form:

    θₖ = θ* + (I - αH)ᵏ (θ₀ - θ*)

It is not converged: α = 0.01 leaves 8 % of the initial error along the slowest direction, and the
tutorial's printed intercept is 9.3 where least squares has 10.0. Above α = 0.0584 it diverges.
"""

import numpy as np

from reference_impls.computation import Arrays
from reference_impls.computations.linear_regression import COMPUTATION
from reference_impls.descent import Momentum
from reference_impls.training import Record, Training

POINTS = 100


def record(seed: int) -> Record:
    """The tutorial's points, in its order of drawing: first the noise, then w and b."""
    rng = np.random.default_rng(seed)
    x = np.linspace(0.0, 10.0, POINTS)
    t = 4 * x + 10 + rng.normal(0, 2, POINTS)
    w, b = rng.normal(), rng.normal()
    return Record({"w": np.asarray(w), "b": np.asarray(b)}, {"x": x, "t": t})


def minimum(given: Record) -> Arrays:
    """Least squares."""
    x, t = given.data["x"], given.data["t"]
    (w, b), *_ = np.linalg.lstsq(np.stack([x, np.ones_like(x)], axis=1), t)
    return {"w": np.asarray(w), "b": np.asarray(b)}


TRAINING = Training(
    name="line",
    origin="hips_autograd, Linear regression",
    loss=COMPUTATION,
    rule=Momentum(rate=0.01),
    steps=1_000,
    record=record,
    minimum=minimum,
)
