"""The circles of `circles` without a hidden layer: one straight line, which is no better than luck.

At the minimum all that is left of the gradient is rounding, which Adam divides by its own size: on
the way, losses of two implementations differ by up to 1e-5. They end together.
"""

from dataclasses import replace

import numpy as np

from reference_impls.computation import Array, Arrays
from reference_impls.computations import linear_bce
from reference_impls.computations.linear import layers_by_torch
from reference_impls.training import Expected, Record
from reference_impls.trainings import circles

# The layer of `linear_bce` has one row of inputs. Here those are what is learnt, two weights and a
# bias, and the points are its columns, each with a one below it.
LOSS = replace(linear_bce.COMPUTATION, wrt=("x",))


def record(seed: int) -> Record:
    """The layer as torch draws it."""
    points, y = circles.points()
    layer = layers_by_torch(seed, (2, 1))
    learnt = np.concatenate([layer["W1"][0], layer["b1"]])
    columns = np.concatenate([points.T, np.ones((1, len(y)))])
    return Record({"x": learnt}, {"W": columns, "b": np.zeros_like(y), "y": y})


def logits(parameters: Arrays, x: Array) -> Array:
    """See `circles.Logits`."""
    *weights, bias = parameters["x"]
    found: Array = x @ np.asarray(weights) + bias
    return found


TRAINING = replace(
    circles.TRAINING,
    name="circles_linear",
    loss=LOSS,
    record=record,
    measures=circles.measures_of(logits),
    expected=tuple(
        Expected(quantity="accuracy", value=0.504, tolerance=1e-6, seed=seed) for seed in range(10)
    ),
    curves=circles.curves_of(logits),
)
