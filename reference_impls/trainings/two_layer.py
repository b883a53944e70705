"""The two-layer perceptron from scratch: 250 steps of gradient descent on noise.

The tutorial prints the mean squared error, which is another function than the one whose gradient it
descends. Targets have nothing to do with inputs: all that is learnt is their mean.
"""

import numpy as np

from reference_impls.computation import Arrays
from reference_impls.computations.two_layer_mlp import COMPUTATION
from reference_impls.descent import Momentum
from reference_impls.training import Course, Expected, Record, Training

ROWS, INPUTS, HIDDEN, OUTPUTS = 64, 10, 100, 1
DEVIATION, OFFSET = 0.01, 0.1
STEPS = 250

LAST_RECORDED = STEPS - 1
"""The tutorial records its error before the update of each step, and so not after the last."""


def record(seed: int) -> Record:
    """Drawn in the tutorial's order, by the generator of its time."""
    rng = np.random.RandomState(seed)
    x, y = rng.randn(ROWS, INPUTS), rng.randn(ROWS, OUTPUTS)
    parameters = {
        "W1": rng.randn(HIDDEN, INPUTS) * DEVIATION,
        "b1": rng.randn(HIDDEN) * DEVIATION + OFFSET,
        "W2": rng.randn(OUTPUTS, HIDDEN) * DEVIATION,
        "b2": rng.randn(OUTPUTS) * DEVIATION + OFFSET,
    }
    return Record(parameters, {"x": x, "y": y})


def measures(given: Record, course: Course) -> dict[str, float]:
    """What is descended, what is printed in its place, and the best that could be hoped for."""
    before, end = course.iterates[LAST_RECORDED], course.parameters
    return {
        "first loss": course.losses[0],
        "last loss": course.losses[-1],
        "first printed": _mean_square(given.data, given.parameters),
        "last printed": _mean_square(given.data, before),
        "mean square at the end": _mean_square(given.data, end),
        "variance of the targets": float(np.var(given.data["y"])),
    }


def _mean_square(data: Arrays, parameters: Arrays) -> float:
    hidden = np.maximum(data["x"] @ parameters["W1"].T + parameters["b1"], 0.0)
    outputs = hidden @ parameters["W2"].T + parameters["b2"]
    return float(np.mean((outputs - data["y"]) ** 2))


TRAINING = Training(
    name="two_layer",
    origin="multilayer_perceptron, Two-layer perceptron from scratch",
    loss=COMPUTATION,
    rule=Momentum(rate=1e-3),
    steps=STEPS,
    record=record,
    kept=(LAST_RECORDED,),
    measures=measures,
    expected=(
        Expected(quantity="first loss", value=0.6589348185, tolerance=1e-9),
        Expected(quantity="last loss", value=0.6366448374, tolerance=1e-9),
        Expected(quantity="first printed", value=1.2677298967, tolerance=1e-9),
        Expected(quantity="last printed", value=1.2326153828, tolerance=1e-9),
        Expected(quantity="variance of the targets", value=1.2110905875, tolerance=1e-9),
    ),
)
