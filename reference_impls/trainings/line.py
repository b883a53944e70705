"""A straight line through noisy points, by 1,000 steps of gradient descent.

The loss is quadratic, with Hessian H = (1/N) XᵀX for X = (x, 1). So the run has a closed form:

    θₖ = θ* + (I - αH)ᵏ (θ₀ - θ*)

It is not converged: α = 0.01 leaves 8 % of the initial error along the slowest direction, and the
tutorial's printed intercept is 9.3 where least squares has 10.0. Above α = 0.0584 it diverges.
"""

import numpy as np

from reference_impls.computation import Array, Arrays
from reference_impls.computations.linear_regression import COMPUTATION
from reference_impls.descent import Momentum, on_quadratic
from reference_impls.training import Course, Curve, Expected, Record, Training

POINTS, RATE = 100, 0.01


def record(seed: int) -> Record:
    """The tutorial's points, in its order of drawing: first the noise, then w and b."""
    rng = np.random.default_rng(seed)
    x = np.linspace(0.0, 10.0, POINTS)
    t = 4 * x + 10 + rng.normal(0, 2, POINTS)
    w, b = rng.normal(), rng.normal()
    return Record({"w": np.asarray(w), "b": np.asarray(b)}, {"x": x, "t": t})


def closed_form(given: Record, step: int) -> Arrays:
    """w and b before a step, from the Hessian and least squares."""
    features = _features(given)
    start = np.stack([given.parameters["w"], given.parameters["b"]])
    w, b = on_quadratic(start, _least_squares(given), features.T @ features / POINTS, RATE, step)
    return {"w": np.asarray(w), "b": np.asarray(b)}


def measures(given: Record, course: Course) -> dict[str, float]:
    """The end, beside least squares."""
    w, b = _least_squares(given)
    ends = {name: float(array) for name, array in course.parameters.items()}
    return {
        "first loss": course.losses[0],
        **ends,
        "w of least squares": float(w),
        "b of least squares": float(b),
    }


def curves(given: Record, course: Course) -> list[Curve]:
    """The points, and the line through them."""
    x, t = given.data["x"], given.data["t"]
    return [
        Curve("points", x, t),
        Curve("line", x, course.parameters["w"] * x + course.parameters["b"]),
    ]


def _features(given: Record) -> Array:
    x = given.data["x"]
    return np.stack([x, np.ones_like(x)], axis=1)


def _least_squares(given: Record) -> Array:
    found, *_ = np.linalg.lstsq(_features(given), given.data["t"])
    return np.asarray(found)


TRAINING = Training(
    name="line",
    origin="hips_autograd, Linear regression",
    loss=COMPUTATION,
    rule=Momentum(rate=RATE),
    steps=1_000,
    record=record,
    closed_form=closed_form,
    measures=measures,
    expected=(
        Expected(quantity="first loss", value=410.063048, tolerance=1e-6),
        Expected(quantity="w", value=4.13320910, tolerance=1e-8),
        Expected(quantity="b", value=9.32432370, tolerance=1e-8),
        Expected(quantity="w of least squares", value=4.02911720, tolerance=1e-8),
        Expected(quantity="b of least squares", value=10.01660738, tolerance=1e-8),
    ),
    curves=curves,
)
