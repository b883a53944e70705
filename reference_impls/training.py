"""A training: a loss that goes down a rule of descent, the same whoever differentiates.

What is random is drawn beforehand, into a `Record` that all implementations share: data, initial
parameters, and which rows each step looks at.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from reference_impls.computation import DTYPES, Array, Arrays, Computation, Native
from reference_impls.descent import Natives, Objective, Rated, Rule, Trainer

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

    def batch(self, step: int) -> Arrays:
        """The data that a step looks at."""
        rows = self.batches[step] if self.batches else {}
        return {name: a[rows[name]] if name in rows else a for name, a in self.data.items()}


@dataclass(frozen=True, kw_only=True)
class Expected:
    """A number that a tutorial's recipe gives.

    Attributes:
        quantity: its name in `Training.measures`.
        value: what it is, computed once, in float64.
        tolerance: the largest difference allowed; None where the value is the least allowed.
        printed: what the tutorial itself prints; None where it prints nothing of it.
        seed: of the record.
    """

    quantity: str
    value: float
    tolerance: float | None
    printed: float | None = None
    seed: int = 0

    def is_met(self, got: float) -> bool:
        """Is a number what it should be?"""
        if self.tolerance is None:
            return got >= self.value
        return abs(got - self.value) <= self.tolerance


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
        name: of its module, or its own where a module has several.
        origin: the tutorial and section it is taken from.
        loss: a computation whose value is a scalar; its ``wrt`` are the parameters.
        rule: of descent.
        steps: how many, at least one; of a rule that stops by itself, at most.
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
        dtypes: of those runs, likewise; float32 is left out where it shows nothing.
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
    dtypes: tuple[str, ...] = DTYPES

    def __post_init__(self) -> None:
        """There must be something to look at.

        Raises:
            ValueError: no step is asked for.
        """
        if self.steps < 1:
            raise ValueError(f"{self.name}: got {self.steps} steps, wanted at least 1")


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


@dataclass(frozen=True)
class Step:
    """What a step starts from, in the engine's own arrays, which it may overwrite afterwards.

    Attributes:
        number: counted from 0.
        loss: of its batch.
        parameters: before it.
        gradient: there.
    """

    number: int
    loss: float
    parameters: Mapping[str, Native]
    gradient: Mapping[str, Native]


Watch = Callable[[Step], None]


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
        ValueError: the loss changes from batch to batch, and the rule searches along it; or the
            trainer wrote into the parameters that it was given, or returned others.
    """
    if record.batches and not isinstance(training.rule, Rated):
        raise ValueError(f"{training.name}: a rule that searches has no use for batches")
    course = Course()
    losses = Losses(training, record, trainer, dtype)

    def gradient(parameters: Mapping[str, Native], step: int) -> Natives:
        native, found = losses.at(parameters, step)
        loss = float(trainer.to_numpy(native).item())
        course.losses.append(loss)
        watch(Step(step, loss, parameters, found))
        if step in training.kept:
            course.iterates[step] = in_numpy(parameters, trainer)
        if not np.isfinite(loss):
            raise DivergedError(
                f"{training.name} with {trainer.name}: the loss is {loss} at step {step}; "
                f"{_cause(training.rule)}"
            )
        return found

    objective = Objective(gradient, losses.loss, losses.loss_and_gradient, losses.hessian)
    start = in_numpy(losses.start, trainer)
    found = trainer.descend(training.rule, losses.start, objective, training.steps)
    course.parameters = in_numpy(found, trainer)
    _refuse_others(start, in_numpy(losses.start, trainer), course.parameters, trainer.name)
    if not all(np.isfinite(array).all() for array in course.parameters.values()):
        raise DivergedError(
            f"{training.name} with {trainer.name}: after the last step, parameters are not finite"
        )
    return course


def _refuse_others(start: Arrays, start_afterwards: Arrays, end: Arrays, name: str) -> None:
    """Arrays of another shape would be compared all the same, row by row."""
    shapes, wanted = (
        {key: array.shape for key, array in arrays.items()} for arrays in (end, start)
    )
    if shapes != wanted:
        raise ValueError(f"{name} returned parameters of shapes {shapes}, wanted {wanted}")
    changed = [key for key, array in start.items() if (array != start_afterwards[key]).any()]
    if changed:
        raise ValueError(f"{name} wrote into the parameters that it began with: {changed[0]}")


def _cause(rule: Rule) -> str:
    if isinstance(rule, Rated):
        return f"the rate {rule.rate:g} is too large"
    return f"{type(rule).__name__} leads there from this start"


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
            return trainer.native(np.array(array, dtype))  # a copy: the record is everybody's

        self._training, self._trainer = training, trainer
        self._sign = -1 if training.maximizes else 1
        # In the order of the Hessian's rows.
        self.start: Natives = {name: native(record.parameters[name]) for name in training.loss.wrt}
        self._data = {name: native(array) for name, array in record.data.items()}
        self._batches = [
            {name: trainer.native(rows) for name, rows in batch.items()} for batch in record.batches
        ]

    def at(self, parameters: Mapping[str, Native], step: int) -> tuple[Native, Natives]:
        """The loss and its gradient at these parameters, of the batch of a step."""
        loss, gradient = self._trainer.loss_and_gradient(
            self._training.loss, {**self._batch(step), **parameters}
        )
        if self._training.maximizes:
            gradient = {name: -array for name, array in gradient.items()}
        return loss, gradient

    def loss(self, parameters: Mapping[str, Native], step: int = 0) -> float:
        """What is to go down, of the batch of a step."""
        loss = self._trainer.loss(self._training.loss, {**self._batch(step), **parameters})
        return self._sign * self._number(loss)

    def loss_and_gradient(self, parameters: Mapping[str, Native]) -> tuple[float, Natives]:
        """The same with its gradient."""
        loss, gradient = self.at(parameters, 0)
        return self._sign * self._number(loss), gradient

    def hessian(self, parameters: Mapping[str, Native]) -> Native:
        """The second derivatives of `loss`, (n, n)."""
        primals = {**self._data, **parameters}
        return self._sign * self._trainer.hessian(self._training.loss, primals)

    def _batch(self, step: int) -> Natives:
        if not self._batches:
            return self._data
        rows = self._batches[step]
        return {name: a[rows[name]] if name in rows else a for name, a in self._data.items()}

    def _number(self, loss: Native) -> float:
        return float(self._trainer.to_numpy(loss).item())
