"""A quartic through noisy points, by 10,000 steps of gradient descent on its five coefficients.

The loss is quadratic in them, with Hessian H = (1/N) ΦᵀΦ, so that the run is known in closed form:

    wₖ = w* + (I - αH)ᵏ (w₀ - w*)

It is not converged: 11 % of the initial error is left along the slowest direction. Above
α = 2/L = 0.0024846, with L the largest eigenvalue of H, it diverges.
"""

import numpy as np

from reference_impls.computation import Array, Arrays
from reference_impls.computations.polynomial_regression import COMPUTATION, DEGREE
from reference_impls.descent import Momentum, on_quadratic
from reference_impls.training import Course, Curve, Expected, Record, Training

POINTS, RATE = 100, 1e-3


def record(seed: int) -> Record:
    """The tutorial's points, in its order of drawing: first the noise, then w."""
    rng = np.random.default_rng(seed)
    x = np.linspace(-3.0, 3.0, POINTS)
    t = x**4 - 10 * x**2 + 10 * x + rng.normal(0, 4, POINTS)
    features = np.vander(x, DEGREE + 1, increasing=True)
    return Record({"w": rng.standard_normal(DEGREE + 1)}, {"features": features, "t": t})


def closed_form(given: Record, step: int) -> Arrays:
    """The coefficients before a step, from the Hessian and least squares."""
    features = given.data["features"]
    hessian = features.T @ features / POINTS
    start, least = given.parameters["w"], _least_squares(given)
    return {"w": on_quadratic(start, least, hessian, RATE, step)}


def measures(given: Record, course: Course) -> dict[str, float]:
    """The end, beside least squares, and how far from it in standard errors of its coefficients."""
    features, t = given.data["features"], given.data["t"]
    least, end = _least_squares(given), course.parameters["w"]
    residual = t - features @ least
    variance = residual @ residual / (POINTS - DEGREE - 1)
    errors = np.sqrt(variance * np.diagonal(np.linalg.inv(features.T @ features)))
    return {
        "first loss": course.losses[0],
        **{f"w[{power}]": float(w) for power, w in enumerate(end)},
        **{f"w[{power}] of least squares": float(w) for power, w in enumerate(least)},
        "standard errors between them": float(np.sqrt(np.mean(((end - least) / errors) ** 2))),
    }


def curves(given: Record, course: Course) -> list[Curve]:
    """The points, and the polynomial through them."""
    features, t = given.data["features"], given.data["t"]
    x = features[:, 1]
    return [Curve("points", x, t), Curve("polynomial", x, features @ course.parameters["w"])]


def _least_squares(given: Record) -> Array:
    w, *_ = np.linalg.lstsq(given.data["features"], given.data["t"])
    return np.asarray(w)


END = (0.67902076, 10.48347146, -10.15167520, -0.07233570, 0.99895042)
LEAST_SQUARES = (1.26600, 10.56051, -10.50714, -0.08414, 1.03622)


TRAINING = Training(
    name="polynomial",
    origin="hips_autograd, Polynomial regression",
    loss=COMPUTATION,
    rule=Momentum(rate=RATE),
    steps=10_000,
    record=record,
    closed_form=closed_form,
    measures=measures,
    expected=(
        Expected(quantity="first loss", value=1065.18002, tolerance=1e-5),
        *(Expected(quantity=f"w[{power}]", value=w, tolerance=1e-8) for power, w in enumerate(END)),
        *(
            Expected(quantity=f"w[{power}] of least squares", value=w, tolerance=1e-5)
            for power, w in enumerate(LEAST_SQUARES)
        ),
    ),
    curves=curves,
)
