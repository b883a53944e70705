"""e^{wz} for z = -1, by 1,000 steps of gradient descent from w = 0.

It has no minimum: w grows for ever, like log(1 + αk). Below 0.001, which the tutorial's exercise
asks for, it is after 998,997 steps in float64.
"""

import numpy as np

from reference_impls.computations.exponential_loss import COMPUTATION
from reference_impls.descent import Momentum
from reference_impls.training import Record, Training


def record(_: int) -> Record:
    """Nothing here is random."""
    return Record({"w": np.zeros(1)}, {"z": np.asarray([-1.0])})


TRAINING = Training(
    name="exponential",
    origin="training_the_neural_network, A simple implementation of gradient descent",
    loss=COMPUTATION,
    rule=Momentum(rate=1e-3),
    steps=1_000,
    record=record,
)
