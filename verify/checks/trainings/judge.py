"""One training at one seed and dtype: every implementation against everything.

(a) gradients and updates at the states of the run by hand (`forcing`, `walks`), and of rules that
search their Hessians and ends (`hessian`, `end`); (b) free runs beside twins of it (`free_run`,
`twins`), and (c) each done twice (`repetition`); (d) the closed form, where there is one
(`closed_form`), and (e) the numbers that the tutorial's recipe gives (`numbers`), both in float64.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from reference_impls.computation import Arrays
from reference_impls.descent import Searching, Trainer
from reference_impls.engines.manual.training import ManualTrainer
from reference_impls.function import Function
from reference_impls.implicit.errors import SingularError
from reference_impls.training import Curve, DivergedError, Record, Step, Training, in_numpy
from verify.checks.check import one_line
from verify.checks.trainings.by_hand import RunByHand, distances
from verify.checks.trainings.check import TrainingCheck, Verdict
from verify.checks.trainings.closed_form import closed_form_check, places
from verify.checks.trainings.end import end_check
from verify.checks.trainings.forcing import Forced
from verify.checks.trainings.free_run import FreeRun, parting_check, run_freely
from verify.checks.trainings.hessian import hessian_check
from verify.checks.trainings.numbers import number_checks
from verify.checks.trainings.repetition import repetition_check
from verify.checks.trainings.twins import envelope
from verify.checks.trainings.walks import walk_check

MOST_ROWS = 500
"""So many steps of a run are written down, evenly spread over the logarithm of their number."""


@dataclass(frozen=True)
class Seen:
    """A step of a free run, as it is written down.

    Attributes:
        implementation: whose run.
        step: counted from 0.
        loss: before it.
        to_manual: the distance of the loss from that of the run by hand, relative.
        to_twins: how far the twins have been from that until then, at most, relative.
        time_s: since the start, in seconds.
    """

    implementation: str
    step: int
    loss: float
    to_manual: float | None
    to_twins: float | None
    time_s: float


@dataclass(frozen=True)
class Drawn:
    """A curve of a figure, and whose run it shows."""

    implementation: str
    curve: Curve


Event = TrainingCheck | Seen | Drawn
"""What comes of a training, as it comes."""


def judge(
    training: Training,
    seed: int,
    dtype: str,
    trainers: Sequence[Trainer],
    functions: Sequence[Function],
    told: Callable[[Event], None],
) -> None:
    """Run a training with every trainer, and judge them.

    Args:
        training: which.
        seed: of its record.
        dtype: ``float64`` or ``float32``.
        trainers: the implementations.
        functions: the implementations of its loss, whose rounding noise is measured.
        told: is told of everything that comes of it.
    """
    record = training.record(seed)
    # A run that diverges overflows first; that it did is one line, and not one for each product.
    with np.errstate(all="ignore"):
        try:
            by_hand = RunByHand.of(training, record, dtype)
            informed = _Judge(training, record, seed, dtype, by_hand, functions, told)
        except Exception as error:  # noqa: BLE001 -- the run by hand is held against nobody
            told(_failed(ManualTrainer.name, error, may_refuse=False))
            return
        for trainer in trainers:
            try:
                informed.judge(trainer)
            except Exception as error:  # noqa: BLE001 -- the others are judged all the same
                solves = training.loss.optimality is not None
                told(_failed(trainer.name, error, may_refuse=solves and dtype == "float32"))


def _failed(name: str, error: Exception, *, may_refuse: bool) -> TrainingCheck:
    """The check of a run that did not come to its end.

    Args:
        name: of the implementation.
        error: what ended it.
        may_refuse: may an argmin layer find that its problem has too few digits?
    """
    verdict: Verdict
    match error:
        case DivergedError():
            verdict, detail = "diverged", str(error)
        case SingularError() if may_refuse:
            verdict, detail = "skipped", one_line(error)
        case _:
            verdict, detail = "disagree", one_line(error)
    return TrainingCheck(implementation=name, kind="free run", verdict=verdict, detail=detail)


@dataclass
class _Judge:
    """Knows the run by hand, and judges the others by it; arguments as for `judge`."""

    training: Training
    record: Record
    seed: int
    dtype: str
    by_hand: RunByHand
    functions: Sequence[Function]
    told: Callable[[Event], None]

    def __post_init__(self) -> None:
        self._envelope = envelope(self.training, self.record, self.dtype, self.seed, self.by_hand)
        self._forced = Forced(self.training, self.record, self.dtype, self.by_hand, self.functions)
        self._written = set(log_spaced(self.by_hand.steps, MOST_ROWS))

    def judge(self, trainer: Trainer) -> None:
        """Everything of one implementation."""
        if trainer.name != ManualTrainer.name:
            self.told(self._forced.gradient_check(trainer))
            update = self._forced.update_check(trainer) or walk_check(self._forced, trainer)
            if update:
                self.told(update)
            if hessian := hessian_check(
                self.training, self.record, trainer, self.dtype, self.by_hand
            ):
                self.told(hessian)
        thetas: dict[int, Arrays] = {}
        writer = self._writer(trainer, thetas)
        run = run_freely(self.training, self.record, trainer, self.dtype, writer)
        thetas[len(run.course.losses)] = run.course.parameters
        for check in self._of_run(trainer, run, thetas):
            self.told(check)
        if self.training.curves and self.dtype == "float64":
            for curve in self.training.curves(self.record, run.course):
                self.told(Drawn(trainer.name, curve))

    def _of_run(
        self, trainer: Trainer, run: FreeRun, thetas: dict[int, Arrays]
    ) -> Iterator[TrainingCheck]:
        noise = self._forced.noise(0)
        yield parting_check(
            trainer.name, self.training.rule, run, self.by_hand, self._envelope, noise, self.dtype
        )
        if isinstance(self.training.rule, Searching):
            end = run.course.parameters
            yield end_check(self.training, self.record, trainer.name, self.dtype, self.by_hand, end)
        yield repetition_check(self.training, self.record, trainer, self.dtype, run)
        if self.dtype != "float64":
            return
        closed = closed_form_check(self.training, self.record, trainer.name, thetas)
        if closed:
            yield closed
        yield from number_checks(self.training, self.record, trainer.name, run.course, self.seed)

    def _writer(self, trainer: Trainer, thetas: dict[int, Arrays]) -> Callable[[Step, float], None]:
        kept = set(places(self.by_hand.steps)) if self.training.closed_form else set()

        def write(step: Step, seconds: float) -> None:
            if step.number in kept:
                thetas[step.number] = in_numpy(step.parameters, trainer)
            if step.number in self._written:
                self.told(self._seen(trainer.name, step, seconds))

        return write

    def _seen(self, name: str, step: Step, seconds: float) -> Seen:
        losses = self.by_hand.course.losses[step.number : step.number + 1]
        apart = distances(losses, [step.loss])
        return Seen(
            implementation=name,
            step=step.number,
            loss=step.loss,
            to_manual=float(apart[0]) if apart.size else None,
            to_twins=float(self._envelope[step.number]) if apart.size else None,
            time_s=seconds,
        )


def log_spaced(count: int, most: int) -> list[int]:
    """Of the numbers below a count, at most so many: all at first, then fewer and fewer."""
    if count <= most:
        return list(range(count))
    return sorted(set(np.geomspace(1, count, most).astype(int) - 1))
