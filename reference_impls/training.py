"""A training: a loss that goes down a rule of descent, the same whoever differentiates.

What is random is drawn beforehand, into a `Record` that all implementations share: data, initial
parameters, and which rows each step looks at.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from reference_impls.computation import Array, Arrays, Computation, Native
from reference_impls.descent import Natives, Objective, Rule, Trainer

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Record:
    """All that a run is given.

    Attributes:
        parameters: at the start, float64.
        data: the loss's other primals, float64.
        batches: by step, the rows of each array of the data that the step looks at; an array that
            is not named is taken whole. If this is empty, all steps look at everything.
        apart: what no step sees, for measures and curves: data held out, and what the data were
            drawn with.
    """

    parameters: Arrays
    data: Arrays
    batches: Sequence[Mapping[str, Indices]] = ()
    apart: Arrays = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Expected:
    """A number that a tutorial's recipe gives.

    Attributes:
        quantity: its name in `Training.measures`.
        value: what it is, computed once, in float64.
        tolerance: the largest difference allowed.
        printed: what the tutorial itself prints; None where it prints nothing of it.
        seed: of the record.
    """

    quantity: str
    value: float
    tolerance: float
    printed: float | None = None
    seed: int = 0


@dataclass(frozen=True)
class Curve:
    """What a figure of a run shows: points (x, y), or values at them.

    Attributes:
        series: its name.
        x: (n,), of the horizontal axis.
        y: (n,), of the vertical axis.
        value: (n,), of a heat map; None for a line.
    """

    series: str
    x: Array
    y: Array
    value: Array | None = None


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
        closed_form: ``closed_form(record, step)`` returns the parameters before a step, where they
            are known without descending.
        maximizes: the computation is to grow: its gradient is taken with the other sign.
        kept: the steps before which a course keeps the parameters.
        measures: ``measures(record, course)`` returns what there is to say of a course, in numbers
            by name: parameters, accuracies, and the baselines beside them.
        expected: what some of them should be, in float64.
        skipped: ``skipped()`` returns why those cannot be expected here: a file that is missing;
            empty where they can.
        curves: ``curves(record, course)`` returns what figures show.
        seeds: of the runs that are done unless others are asked for.
    """

    name: str
    origin: str
    loss: Computation
    rule: Rule
    steps: int
    record: Callable[[int], Record]
    closed_form: Callable[[Record, int], Arrays] | None = None
    maximizes: bool = False
    kept: tuple[int, ...] = ()
    measures: Callable[[Record, "Course"], Mapping[str, float]] | None = None
    expected: tuple[Expected, ...] = ()
    skipped: Callable[[], str] = str
    curves: Callable[[Record, "Course"], Sequence[Curve]] | None = None
    seeds: tuple[int, ...] = (0,)


@dataclass
class Course:
    """What was seen on the way down.

    Attributes:
        losses: before each step.
        parameters: at the end, by name.
        iterates: the parameters before the steps that are kept.
    """

    losses: list[float] = field(default_factory=list)
    parameters: Arrays = field(default_factory=dict)
    iterates: dict[int, Arrays] = field(default_factory=dict)


Watch = Callable[[int, float, Natives], None]
"""``watch(step, loss, parameters)``, before each step; the parameters are the engine's own."""


class DivergedError(ArithmeticError):
    """The loss is no finite number any more; the message says at which step."""


def train(
    training: Training,
    record: Record,
    trainer: Trainer,
    dtype: npt.DTypeLike = np.float64,
    watch: Watch = lambda *_: None,
) -> Course:
    """Run a training to its end.

    Args:
        training: what to run.
        record: what it is given.
        trainer: whose gradients and optimizer to run it with.
        dtype: of all arrays, float64 or float32.
        watch: is told of every step.

    Raises:
        DivergedError: the loss became infinite or NaN.
    """
    course = Course()
    losses = Losses(training, record, trainer, dtype)

    def gradient(parameters: Mapping[str, Native], step: int) -> Natives:
        native, found = losses.at(parameters, step)
        loss = float(trainer.to_numpy(native).item())
        course.losses.append(loss)
        watch(step, loss, dict(parameters))
        if step in training.kept:
            course.iterates[step] = in_numpy(parameters, trainer)
        if not np.isfinite(loss):
            raise DivergedError(
                f"{training.name} with {trainer.name}: the loss is {loss} at step {step}; "
                f"the rate {training.rule.rate:g} is too large"
            )
        return found

    found = trainer.descend(training.rule, losses.start, Objective(gradient), training.steps)
    course.parameters = in_numpy(found, trainer)
    return course


def in_numpy(natives: Mapping[str, Native], trainer: Trainer) -> Arrays:
    """Copies of an engine's arrays."""
    return {name: trainer.to_numpy(array) for name, array in natives.items()}


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
