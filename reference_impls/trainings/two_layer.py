"""The two-layer perceptron from scratch: 250 steps of gradient descent on noise.

The tutorial prints the mean squared error, which is another function than the one whose gradient it
descends. Targets have nothing to do with inputs: all that is learnt is their mean.
"""

import numpy as np

from reference_impls.computations.two_layer_mlp import COMPUTATION
from reference_impls.descent import Momentum
from reference_impls.training import Record, Training

ROWS, INPUTS, HIDDEN, OUTPUTS = 64, 10, 100, 1
DEVIATION, OFFSET = 0.01, 0.1


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


TRAINING = Training(
    name="two_layer",
    origin="multilayer_perceptron, Two-layer perceptron from scratch",
    loss=COMPUTATION,
    rule=Momentum(rate=1e-3),
    steps=250,
    record=record,
)
