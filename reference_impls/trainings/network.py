"""A 1-4-4-1 tanh network through a noisy cubic, by 5,000 steps with momentum.

The noise has a mean half square of 8, below which no network comes. Some seeds end in a local
minimum at 55. The run is chaotic: parameters that differ in the last digit part after some 500
steps, so that the last losses of two implementations agree to a few per cent only.
"""

import numpy as np

from reference_impls.computations.mlp_regression import COMPUTATION, TEMPLATE
from reference_impls.descent import Momentum
from reference_impls.nested import flatten
from reference_impls.training import Record, Training

POINTS, MASS, STEP_SIZE = 1_000, 0.9, 0.01


def record(seed: int) -> Record:
    """The tutorial's cubic and network, in its order of drawing: noise, then layer by layer."""
    rng = np.random.RandomState(seed)
    x = np.linspace(-5.0, 5.0, POINTS)
    t = x**3 - 20 * x + 10 + rng.normal(0, 4, POINTS)
    theta, _ = flatten({name: rng.randn(*zeros.shape) for name, zeros in TEMPLATE.items()})
    return Record({"theta": theta}, {"x": x[:, None], "t": t})


TRAINING = Training(
    name="network",
    origin="hips_autograd, Neural network regression",
    loss=COMPUTATION,
    rule=Momentum(rate=(1 - MASS) * STEP_SIZE, mass=MASS),
    steps=5_000,
    record=record,
)
