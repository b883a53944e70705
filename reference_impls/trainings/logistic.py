"""Logistic regression with L2 by all methods, and what its features' scales do to descent.

The loss is convex: whoever descends it ends at the one minimum, which `logistic_argmin` computes
as a layer. They differ in how many steps it takes them.

The pair beside them has features whose scales go from 10 to 0.1, shifted by 3. At the start, the
Hessian's condition is 6,419. Gradient descent at the rate 1/L, with L its largest eigenvalue, is
still far from the minimum after 500 steps. Batch normalisation of the features brings the condition
down to 2.4, and the same descent to the minimum.
"""

from functools import partial

import numpy as np

from reference_impls.computation import Array
from reference_impls.computations import batch_norm, logistic_argmin, sigmoid
from reference_impls.computations.logistic_regression import COMPUTATION
from reference_impls.descent import (
    BFGS,
    LBFGS,
    Adam,
    Armijo,
    Momentum,
    Newton,
    Rule,
    SteepestDescent,
)
from reference_impls.training import Course, Curve, Expected, Record, Training

ROWS, TOLERANCE = 1_000, 5e-10
SCALED_ROWS, SCALED_COLUMNS, SHIFT = 200, 10, 3.0
SCALED_STEPS = 500
LARGEST_SCALED, LARGEST_NORMALISED = 30.392851642723677, 0.36099109881441016
"""Eigenvalues of the Hessians at the start, of seed 0; other seeds have others, not much larger."""


def record(seed: int) -> Record:
    """The data of `logistic_argmin`; weights start at zero."""
    data = logistic_argmin.sample(np.random.default_rng(seed), ROWS)
    return Record({"w": np.zeros(logistic_argmin.FEATURES)}, data)


def scaled_record(seed: int) -> Record:
    """Features of many scales, with labels that depend on all of them alike."""
    features, labels = _drawn(seed)
    return _record(features, labels)


def normalised_record(seed: int) -> Record:
    """The same after batch normalisation, by column, to mean 0 and variance 1."""
    features, labels = _drawn(seed)
    normalised, _ = batch_norm.by_hand(features, np.ones(SCALED_COLUMNS), np.zeros(SCALED_COLUMNS))
    return _record(normalised, labels)


def _record(features: Array, labels: Array) -> Record:
    data = {"X": features, "y": labels, "lam": np.asarray(0.0)}
    return Record({"w": np.zeros(SCALED_COLUMNS)}, data)


def _drawn(seed: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    normal = rng.standard_normal((SCALED_ROWS, SCALED_COLUMNS))
    probability = 1 / (1 + np.exp(-normal.sum(axis=1)))
    labels = (rng.random(SCALED_ROWS) < probability).astype(np.float64)
    return normal * np.logspace(1, -1, SCALED_COLUMNS) + SHIFT, labels


def measures(given: Record, course: Course) -> dict[str, float]:
    """How many steps, and how far from the minimum."""
    best = minimum(given)
    return {
        "steps": len(course.losses) - 1.0,
        "last loss": course.losses[-1],
        "distance": float(np.abs(course.parameters["w"] - best).max()),
    }


def measures_of_the_condition(given: Record, course: Course) -> dict[str, float]:
    """The Hessian's condition at the start and at the minimum, too."""
    best = minimum(given)
    lowest, _ = COMPUTATION.by_hand(best, **given.data)
    return {
        **measures(given, course),
        "condition": condition(given, given.parameters["w"]),
        "condition at the minimum": condition(given, best),
        "loss above the minimum": course.losses[-1] - float(lowest),
    }


def minimum(given: Record) -> Array:
    """The weights that `logistic_argmin` finds."""
    best, _ = logistic_argmin.by_hand(**given.data)
    return best


def condition(given: Record, w: Array) -> float:
    """Of Xᵀ D X/N + λ I."""
    X = given.data["X"]
    probability, _ = sigmoid.by_hand(X @ w)
    weighted = X.T * (probability * (1 - probability))
    hessian = weighted @ X / len(X) + given.data["lam"] * np.eye(w.size)
    return float(np.linalg.cond(hessian))


def curves(given: Record, course: Course) -> list[Curve]:
    """How far above the minimum the loss was, where that is more than rounding."""
    lowest, _ = COMPUTATION.by_hand(minimum(given), **given.data)
    above = np.asarray(course.losses) - float(lowest)
    (steps,) = np.nonzero(above > np.finfo(np.float64).eps)
    return [Curve("loss above the minimum", np.asarray(steps, np.float64), above[steps])]


METHODS: dict[str, tuple[Rule, int]] = {
    "gradient": (Momentum(rate=2.0), 200),
    "momentum": (Momentum(rate=2.0, mass=0.3), 200),
    "adam": (Adam(rate=0.05), 1_000),
    "armijo": (SteepestDescent(search=Armijo(), tolerance=TOLERANCE), 500),
    "newton": (Newton(tolerance=TOLERANCE), 50),
    "bfgs": (BFGS(tolerance=TOLERANCE), 200),
    "lbfgs": (LBFGS(tolerance=TOLERANCE), 200),
}

_training = partial(
    Training,
    origin="multilayer_perceptron, Reminder: perceptrons and linear models",
    loss=COMPUTATION,
    curves=curves,
)
_scaled = partial(
    _training,
    origin="optimization, Drawbacks and mitigations: batch normalisation",
    steps=SCALED_STEPS,
    measures=measures_of_the_condition,
)

TRAININGS = (
    *(
        _training(
            name=f"logistic_{name}",
            rule=rule,
            steps=steps,
            record=record,
            measures=measures,
            expected=(Expected(quantity="distance", value=0.0, tolerance=1e-8),),
        )
        for name, (rule, steps) in METHODS.items()
    ),
    _scaled(
        name="logistic_scaled",
        rule=Momentum(rate=1 / LARGEST_SCALED),
        record=scaled_record,
        expected=(Expected(quantity="condition", value=6_420.0, tolerance=1.0),),
    ),
    _scaled(
        name="logistic_normalised",
        rule=Momentum(rate=1 / LARGEST_NORMALISED),
        record=normalised_record,
        expected=(
            Expected(quantity="condition", value=2.4053, tolerance=1e-4),
            Expected(quantity="loss above the minimum", value=0.0, tolerance=1e-10),
        ),
    ),
)
