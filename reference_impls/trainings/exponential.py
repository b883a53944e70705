"""e^{wz} for z = -1, by 1,000 steps of gradient descent from w = 0.

It has no minimum: w grows for ever, like log(1 + αk). Below 0.001, which the tutorial's exercise
asks for, it is after 998,997 steps in float64.
"""

import numpy as np

from reference_impls.computations.exponential_loss import COMPUTATION
from reference_impls.descent import Momentum
from reference_impls.training import Course, Curve, Expected, Record, Training


def record(_: int) -> Record:
    """Nothing here is random."""
    return Record({"w": np.zeros(1)}, {"z": np.asarray([-1.0])})


def measures(_: Record, course: Course) -> dict[str, float]:
    """w at the end, and the loss there."""
    (w,) = course.parameters["w"]
    return {"w": float(w), "last loss": float(np.exp(-w))}


def curves(_: Record, course: Course) -> list[Curve]:
    """The loss over [0, 10], and the descent along it."""
    w = np.linspace(0.0, 10.0, 100)
    losses = np.asarray(course.losses)
    return [Curve("loss", w, np.exp(-w)), Curve("descent", -np.log(losses), losses)]


TRAINING = Training(
    name="exponential",
    origin="training_the_neural_network, A simple implementation of gradient descent",
    loss=COMPUTATION,
    rule=Momentum(rate=1e-3),
    steps=1_000,
    record=record,
    measures=measures,
    expected=(
        Expected(quantity="w", value=0.6933205373644706, tolerance=1e-14),
        Expected(quantity="last loss", value=0.4999133291104486, tolerance=1e-14),
    ),
    curves=curves,
)
