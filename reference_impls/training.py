"""A training: a loss that goes down a rule of descent, the same whoever differentiates.

What is random is drawn beforehand, into a `Record` that all implementations share: data, initial
parameters, and which rows each step looks at.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from reference_impls.computation import Array, Arrays, Computation, Native
from reference_impls.descent import Natives, Rule, Trainer

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Record:
    """All that a run is given.

    Attributes:
        parameters: at the start, float64.
        data: the loss's other primals, float64.
        batches: by step, the rows of each array of the data that the step looks at; an array that
            is not named is taken whole. If this is empty, all steps look at everything.
    """

    parameters: Arrays
    data: Arrays
    batches: Sequence[Mapping[str, Indices]] = ()


@dataclass(frozen=True)
class Training:
    """A run of a tutorial.

    Attributes:
        name: of its module.
        origin: the tutorial and section it is taken from.
        loss: a computation whose value is a scalar, differentiable in the parameters.
        rule: of descent.
        steps: how many.
        record: ``record(seed)`` draws what the run is given.
        minimum: ``minimum(record)`` returns the parameters at which the loss is least, where they
            are known in closed form.
        maximizes: the computation is to grow: its gradient is taken with the other sign.
    """

    name: str
    origin: str
    loss: Computation
    rule: Rule
    steps: int
    record: Callable[[int], Record]
    minimum: Callable[[Record], Arrays] | None = None
    maximizes: bool = False


@dataclass
class Course:
    """What was seen on the way down.

    Attributes:
        losses: before each step.
        parameters: at the end, by name.
    """

    losses: list[float] = field(default_factory=list)
    parameters: Arrays = field(default_factory=dict)


class DivergedError(ArithmeticError):
    """The loss is no finite number any more; the message says at which step."""


def train(
    training: Training, record: Record, trainer: Trainer, dtype: npt.DTypeLike = np.float64
) -> Course:
    """Run a training to its end.

    Args:
        training: what to run.
        record: what it is given.
        trainer: whose gradients and optimizer to run it with.
        dtype: of all arrays, float64 or float32.

    Raises:
        DivergedError: the loss became infinite or NaN.
    """
    course = Course()
    losses = Losses(training, record, trainer, dtype)

    def gradient(parameters: Mapping[str, Native], step: int) -> Natives:
        loss, found = losses.at(parameters, step)
        course.losses.append(float(trainer.to_numpy(loss).item()))
        if not np.isfinite(course.losses[-1]):
            raise DivergedError(
                f"{training.name} with {trainer.name}: the loss is {course.losses[-1]} at step "
                f"{step}; the rate {training.rule.rate:g} is too large"
            )
        return found

    found = trainer.descend(training.rule, losses.start, gradient, training.steps)
    course.parameters = {name: trainer.to_numpy(array) for name, array in found.items()}
    return course


class Losses:
    """The losses of the steps of a run, and their gradients, on arrays already in place.

    Args:
        training: whose loss.
        record: the data and the batches.
        trainer: the engine.
        dtype: of all arrays.

    Attributes:
        start: the initial parameters.
    """

    def __init__(
        self, training: Training, record: Record, trainer: Trainer, dtype: npt.DTypeLike
    ) -> None:
        def native(array: Array) -> Native:
            return trainer.native(np.asarray(array, dtype))

        self._training, self._trainer = training, trainer
        self.start: Natives = {name: native(array) for name, array in record.parameters.items()}
        self._data = {name: native(array) for name, array in record.data.items()}
        self._batches = [
            {name: trainer.native(rows) for name, rows in batch.items()} for batch in record.batches
        ]

    def at(self, parameters: Mapping[str, Native], step: int) -> tuple[Native, Natives]:
        """The loss and its gradient at these parameters, of the batch of a step."""
        data = self._data
        if self._batches:
            rows = self._batches[step]
            data = {name: a[rows[name]] if name in rows else a for name, a in data.items()}
        loss, gradient = self._trainer.loss_and_gradient(
            self._training.loss, {**data, **parameters}
        )
        if self._training.maximizes:
            gradient = {name: -array for name, array in gradient.items()}
        return loss, gradient
