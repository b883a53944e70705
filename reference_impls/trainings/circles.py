"""Two noisy circles, one within the other, told apart by a hidden layer of three tanh neurons.

The tutorial asks for an explanation of what is seen with none, two and three. Each neuron draws a
straight line, and three lines shut the inner circle in; see `circles_two_neurons` and
`circles_linear` for fewer. The run magnifies rounding, in bursts: for seeds 0 to 3, losses of two
implementations differ by some 0.5 % on the way, and accuracies at the end by one point at most.
"""

from collections.abc import Callable

import numpy as np
from scipy.special import expit

from reference_impls.computation import Array, Arrays
from reference_impls.computations.circles_classifier import COMPUTATION
from reference_impls.computations.linear import layers_by_torch
from reference_impls.datasets import Floats, circles
from reference_impls.descent import Adam
from reference_impls.training import Course, Curve, Expected, Record, Training

POINTS, GRID, EXTENT = 500, 50, 1.5

Logits = Callable[[Arrays, Array], Array]
"""``logits(parameters, x)``, (n,) for x, (n, 2): positive where a point is said to be inside."""


def points() -> tuple[Floats, Floats]:
    """The same whatever the seed: (500, 2), and (500,), which is 1 on the inner circle."""
    return circles(np.random.RandomState(0), POINTS)


def record_with(hidden: int) -> Callable[[int], Record]:
    """Layers as torch draws them."""

    def record(seed: int) -> Record:
        x, y = points()
        return Record(layers_by_torch(seed, (2, hidden, 1)), {"x": x, "y": y})

    return record


def logits(parameters: Arrays, x: Array) -> Array:
    """Of the network; see `Logits`."""
    hidden = np.tanh(x @ parameters["W1"].T + parameters["b1"])
    found: Array = hidden @ parameters["W2"][0] + parameters["b2"]
    return found


def measures_of(logits: Logits) -> Callable[[Record, Course], dict[str, float]]:
    """The losses, and how many points are told right: half of them would be by guessing."""

    def measures(_: Record, course: Course) -> dict[str, float]:
        x, y = points()
        told = (logits(course.parameters, x) > 0) == (y == 1)
        return {
            "first loss": course.losses[0],
            "last loss": course.losses[-1],
            "accuracy": float(told.mean()),
        }

    return measures


def curves_of(logits: Logits) -> Callable[[Record, Course], list[Curve]]:
    """The points, and over the plane the probability that a point is inside."""

    def curves(_: Record, course: Course) -> list[Curve]:
        x, y = points()
        axis = np.linspace(-EXTENT, EXTENT, GRID)
        across, up = (array.ravel() for array in np.meshgrid(axis, axis, indexing="ij"))
        inside = expit(logits(course.parameters, np.stack([across, up], axis=1)))
        return [
            Curve("outer circle", *x[y == 0].T),
            Curve("inner circle", *x[y == 1].T),
            Curve("decision region", across, up, inside),
        ]

    return curves


TRAINING = Training(
    name="circles",
    origin="multilayer_perceptron, Visualization of hand-crafted features vs. MLP",
    loss=COMPUTATION,
    rule=Adam(rate=0.03),
    steps=2_000,
    record=record_with(hidden=3),
    measures=measures_of(logits),
    expected=tuple(
        Expected(quantity="accuracy", value=0.99, tolerance=None, seed=seed) for seed in range(10)
    ),
    curves=curves_of(logits),
)
