r"""(a) Teacher forcing: every step of an implementation, from the state of the run by hand.

Trainings are chaotic where they are interesting: two right runs part, and what a wrong one does is
lost in that. One step is not. So each is taken apart into what an implementation computes, its
gradient gₖ, and what its optimizer makes of gradients, its update θₖ₊₁ - θₖ:

- *gradient*: at the parameters of the run by hand, with the batch of that step. It may differ by
  the rounding noise that is measured there (`verify.error_model`).
- *update*: the optimizer is given the gradients of the run by hand, all of them in their order, and
  so must go the same way. Each of its updates may differ by a rounding of the parameters and of the
  largest update until then, of whose size everything is that it remembers.

Of a rule that looks ahead, or stops by itself, it is gradients and losses alone that are compared
here; `walks`, `hessian` and `end` have the rest.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from reference_impls.computation import Arrays, Native, cast
from reference_impls.descent import Natives, Objective, Rated, Trainer
from reference_impls.function import Function
from reference_impls.training import Losses, Record, Training, in_numpy
from verify.checks.case import case_at
from verify.checks.check import Violation, Worst
from verify.checks.compare import contract_violation, make_worst, worst_entry
from verify.checks.noises import Noises
from verify.checks.trainings.by_hand import MOST_STEPS, RunByHand, spread, stretches, updates
from verify.checks.trainings.check import TrainingCheck, of_worst
from verify.checks.trainings.recognition import recognised_gradient, recognised_rule
from verify.error_model.arrays import index_of, largest, unit_roundoff
from verify.error_model.noise import SAFETY, Noise

FRESH = 25
"""The noise of so many steps before, of those that are looked at, is believed to be that of now."""


LOSSES = 100
"""At so many steps, the loss is also asked for without its gradient, as a search asks."""


@dataclass(frozen=True)
class _Seen:
    """A step, and the worst of its gradient and its losses.

    Attributes:
        step: its number.
        gradient: empty where it is accepted: thousands would fill the memory.
        worst: what is furthest off.
        broken: what it has done that no gradient does.
    """

    step: int
    gradient: Arrays
    worst: Worst
    broken: Violation | None

    @property
    def accepted(self) -> bool:
        return not self.broken and self.worst.accepted


@dataclass
class Forced:
    """A training, and the run by hand whose states everybody is put into.

    Attributes:
        training: which.
        record: of the run by hand.
        dtype: of all arrays.
        by_hand: the run by hand.
        functions: implementations of the loss, whose noise is measured.
    """

    training: Training
    record: Record
    dtype: str
    by_hand: RunByHand
    functions: Sequence[Function]

    def __post_init__(self) -> None:
        """No noise has been measured yet."""
        self._noises: dict[int, Noise] = {}
        self._sign = -1 if self.training.maximizes else 1
        self._known: Arrays = {
            name: np.zeros(a.shape) for name, a in self.by_hand.thetas[0].items()
        }

    def gradient_check(self, trainer: Trainer, record: Record | None = None) -> TrainingCheck:
        """The loss, or the entry of a gradient, that is furthest off, of all steps.

        Args:
            trainer: whose gradients.
            record: what it is given, where that is not what the run by hand was given.
        """
        losses = Losses(self.training, record or self.record, trainer, self.dtype)
        # What is measured for one trainer must not excuse the next.
        self._known = {name: 0.0 * array for name, array in self._known.items()}
        seen: list[_Seen] = []
        for each in chain(self._anew(trainer, losses), self._in_own_arrays(trainer, losses)):
            seen.append(each)
            if not each.accepted:
                break  # the first that is wrong says most
        return self._gradient_verdict(trainer, seen)

    def _gradient_verdict(self, trainer: Trainer, seen: Sequence[_Seen]) -> TrainingCheck:
        last = seen[-1]
        if last.broken:
            return TrainingCheck(
                implementation=trainer.name,
                kind="gradient",
                verdict="disagree",
                step=last.step,
                detail=last.broken.sentence,
                fault=last.broken.fault,
            )
        if last.accepted:
            most = max(seen, key=lambda each: each.worst.in_tolerances)
            detail = f"the worst of {len(seen)} gradients and losses"
            return of_worst(trainer.name, "gradient", most.worst, most.step, detail)
        fault = ""
        if last.worst.argument in last.gradient:
            fault = recognised_gradient(
                self.training, self.record, self.by_hand, last.gradient, last.step
            )
        detail = "the first step that is wrong"
        return of_worst(trainer.name, "gradient", last.worst, last.step, detail, fault)

    def _in_own_arrays(self, trainer: Trainer, losses: Losses) -> Iterator[_Seen]:
        """Stretches of steps, in the optimizer's own arrays, with the numbers of the run by hand.

        What is kept from one step to the next, as a gradient that is not set to zero, shows here.
        Between the stretches, the optimizer is led on by the gradients of the run by hand.
        """
        if not isinstance(self.training.rule, Rated):
            return
        looked_at = {step for stretch in stretches(self.by_hand.steps) for step in stretch}
        seen: list[_Seen] = []

        def gradient(theta: Mapping[str, Native], step: int) -> Natives:
            if step not in looked_at:
                return self._given(trainer, step)
            forced = {
                name: trainer.overwrite(theta[name], np.asarray(array, self.dtype))
                for name, array in self.by_hand.thetas[step].items()
            }
            loss, found = losses.at(forced, step)
            seen.append(self._seen(trainer, loss, found, step))
            return found

        trainer.descend(self.training.rule, losses.start, Objective(gradient), self.by_hand.steps)
        yield from seen

    def _anew(self, trainer: Trainer, losses: Losses) -> Iterator[_Seen]:
        """The steps that are looked at, each in arrays of its own; of some, the loss alone."""
        looked_at = self.by_hand.looked_at()
        alone = {looked_at[k] for k in spread(len(looked_at), LOSSES)}
        for step in looked_at:
            loss, gradient = losses.at(self._native(trainer, self.by_hand.thetas[step]), step)
            yield self._seen(trainer, loss, gradient, step)
            if step in alone:
                found = losses.loss(self._native(trainer, self.by_hand.thetas[step]), step)
                yield _Seen(step, {}, self._compared_loss(found, step, "loss alone"), None)

    def _native(self, trainer: Trainer, arrays: Arrays) -> Natives:
        """In an engine's own arrays, which it may write to."""
        return {name: trainer.native(np.array(a, self.dtype)) for name, a in arrays.items()}

    def _given(self, trainer: Trainer, step: int) -> Natives:
        """The gradient of the run by hand."""
        return self._native(trainer, self.by_hand.gradients[step])

    def _seen(self, trainer: Trainer, loss: Native, gradient: Natives, step: int) -> _Seen:
        value, got = trainer.to_numpy(loss), in_numpy(gradient, trainer)
        like = cast(self.by_hand.thetas[step], self.dtype)
        broken = contract_violation(value, got, like, tuple(self.by_hand.gradients[step]))
        of_loss = self._compared_loss(self._sign * float(value.item()), step, "loss")
        compared = [of_loss] if broken else [self._compared(got, step), of_loss]
        worst = max(compared, key=lambda each: each.in_tolerances)
        return _Seen(step, {} if worst.accepted else got, worst, broken)

    def update_check(self, trainer: Trainer) -> TrainingCheck | None:
        """The update that is furthest off, of all steps; None for a rule that searches."""
        rule = self.training.rule
        if not isinstance(rule, Rated):
            return None
        wanted = list(updates(self.by_hand.thetas))
        thetas = self._led(trainer)
        got = list(updates(thetas))
        sizes = dict.fromkeys(wanted[0], 0.0)
        worsts = []
        for step, (mine, theirs) in enumerate(zip(got, wanted, strict=True)):
            sizes = {name: max(sizes[name], largest(array)) for name, array in theirs.items()}
            scales = {
                name: size + largest(self.by_hand.thetas[step][name])
                for name, size in sizes.items()
            }
            worst = max(
                (
                    worst_update(name, mine[name], array, scales[name])
                    for name, array in theirs.items()
                ),
                key=lambda each: each.in_tolerances,
            )
            worsts.append(worst)
            if not worst.accepted:
                break
        step = max(range(len(worsts)), key=lambda each: worsts[each].in_tolerances)
        detail = f"the worst of {len(worsts)} steps"
        if worsts[step].accepted:
            return of_worst(trainer.name, "update", worsts[step], step, detail)
        fault = recognised_rule(rule, self.by_hand, got, step)
        return of_worst(
            trainer.name, "update", worsts[step], step, "the first step that is wrong", fault
        )

    def _led(self, trainer: Trainer) -> list[Arrays]:
        """Where an optimizer goes with the gradients of the run by hand."""
        thetas: list[Arrays] = []

        def gradient(theta: Mapping[str, Native], step: int) -> Natives:
            thetas.append(in_numpy(theta, trainer))
            return self._given(trainer, step)

        start = self._native(trainer, self.record.parameters)
        end = trainer.descend(self.training.rule, start, Objective(gradient), self.by_hand.steps)
        return [*thetas, in_numpy(end, trainer)]

    def _compared(self, got: Arrays, step: int) -> Worst:
        """The worst entry of a gradient.

        The noise of a step costs as much as dozens of steps. It is measured where neither the
        largest that was seen at other steps, in parts of the gradient's size, nor that of a step
        shortly before explains a difference.
        """
        expected = self.by_hand.gradients[step]
        size = max(map(largest, expected.values()))
        known = {name: size * part for name, part in self._known.items()}
        worst = worst_entry(got, expected, known)
        near = (each for each in self._noises if 0 < step - each <= self._shortly)
        for measured_at in dict.fromkeys((max(near, default=step), step)):
            if worst.accepted:
                break
            noise = self.noise(measured_at)
            worst = worst_entry(got, expected, noise.cotangents, noise.quantiles)
        return worst

    def _compared_loss(self, got: float, step: int, name: str) -> Worst:
        """Half of its digits must agree: it may be a small difference of terms nobody knows.

        What is compared is to go down, and so has the other sign where a loss is to grow.
        """
        expected = self._sign * self.by_hand.course.losses[step]
        unit = unit_roundoff(np.dtype(self.dtype))
        scale = max(
            largest(np.asarray(self.by_hand.course.losses)), float(np.finfo(self.dtype).tiny)
        )
        return make_worst(name, "", got, expected, (unit, scale, scale / np.sqrt(unit)))

    @property
    def _shortly(self) -> int:
        """In steps. Near a minimum gradients shrink, and noise changes as slowly as parameters."""
        return FRESH * -(-self.by_hand.steps // MOST_STEPS)

    def noise(self, step: int) -> Noise:
        """What rounding does to the loss and its gradient at a step; it is measured once."""
        if step not in self._noises:
            self._noises[step] = self._measured(step)
        self._remember(self._noises[step], step)
        return self._noises[step]

    def _remember(self, noise: Noise, step: int) -> None:
        """Half of a number's digits is the most that noise elsewhere may excuse."""
        unit = unit_roundoff(np.dtype(self.dtype))
        most = 1 / (SAFETY * np.sqrt(unit))
        # Of the whole gradient's size: an array may be zero but for rounding.
        size = max(map(largest, self.by_hand.gradients[step].values()))
        for name, errors in noise.cotangents.items():
            part = np.minimum(errors / size, most) if size else 0.0
            self._known[name] = np.maximum(self._known[name], part)

    def _measured(self, step: int) -> Noise:
        loss = self.training.loss
        primals = cast({**self.record.batch(step), **self.by_hand.thetas[step]}, np.float64)
        case = case_at(self.training.name, loss.wrt, (step, 0), primals, ())
        case = replace(case, cotangent=np.ones(()), directions=())
        return Noises.of(case, self.functions).allowed


def worst_update(
    name: str, got: np.ndarray, expected: np.ndarray, scale: float, noise: float = 0.0
) -> Worst:
    """The entry of an update that is furthest off.

    Args:
        name: of the parameter.
        got: the update that was seen.
        expected: what it should be.
        scale: of what it is a difference.
        noise: in roundings of 1, beside a rounding of the scale.
    """
    errors = np.abs(got - expected)
    flat = int(np.argmax(errors))
    unit = unit_roundoff(expected.dtype)
    size = max(scale, float(np.finfo(expected.dtype).tiny))
    return make_worst(
        name,
        index_of(flat, got.shape),
        float(got.flat[flat]),
        float(expected.flat[flat]),
        (unit, size, noise),
    )
