"""The updates of rules that search and that no library has: Newton's, and steepest descent.

All of such a step follows from the loss, its gradient and its Hessian. So an implementation is
told those that the run by hand would be told, wherever it asks, and its steps are held against
steps by hand from where it stood itself. It goes the whole way at once: who keeps a Hessian from
one step to the next would look right in a single one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

import numpy as np

from reference_impls.computation import Array, Arrays, Native, cast, copies
from reference_impls.descent import (
    Armijo,
    Natives,
    Newton,
    Objective,
    SteepestDescent,
    Trainer,
)
from reference_impls.engines.manual.training import ManualTrainer
from reference_impls.searching import HALVED, as_vector, largest_entry, unflattening
from reference_impls.training import Losses, in_numpy
from verify.checks.check import Worst
from verify.checks.trainings.by_hand import stretches
from verify.checks.trainings.check import TrainingCheck, of_worst
from verify.checks.trainings.forcing import Forced, worst_update
from verify.checks.trainings.hessian import asks_for_hessians
from verify.error_model.arrays import largest, unit_roundoff
from verify.error_model.noise import SAFETY


def walk_check(forced: Forced, trainer: Trainer) -> TrainingCheck | None:
    """The update that is furthest off, of the first steps and stretches of later ones.

    Args:
        forced: the training, and the run by hand.
        trainer: whose steps.

    Returns:
        None for a rule that has a rate, or that a library goes its own way with.
    """
    rule = forced.training.rule
    if not isinstance(rule, Newton | SteepestDescent):
        return None
    walks = _Walks(forced, rule)
    found: list[tuple[int, Worst]] = []
    for step, worst in walks.of(trainer):
        found.append((step, worst))
        if not worst.accepted:
            return of_worst(trainer.name, "update", worst, step, "the first step that is wrong")
    step, worst = max(found, key=lambda each: each[1].in_tolerances)
    return of_worst(trainer.name, "update", worst, step, f"the worst of {len(found)} steps")


@dataclass
class _Walks:
    """What is asked is answered by hand; arguments as for `walk_check`."""

    forced: Forced
    rule: Newton | SteepestDescent

    def __post_init__(self) -> None:
        forced = self.forced
        self._losses = Losses(forced.training, forced.record, ManualTrainer(), forced.dtype)
        self._by_hand = self._answered_to(ManualTrainer(), [])

    def of(self, trainer: Trainer) -> Iterator[tuple[int, Worst]]:
        """The worst entry of every update that is looked at, with its step."""
        path, most = self._path(trainer), self.forced.training.steps
        last = len(path) - 1
        for step in chain.from_iterable(stretches(last)):
            # It may not go further than it is told to.
            wanted = self._stepped(path[step]) if step < most else path[step]
            yield step, self._worst(path[step], path[step + 1], wanted, step)
        # Whoever stops before that must have had a reason to.
        if last < most:
            yield last, self._worst(path[last], path[last], self._stepped(path[last]), last)

    def _path(self, trainer: Trainer) -> list[Arrays]:
        """The parameters before each step, and where they led."""
        forced, seen = self.forced, list[Arrays]()
        start = copies(cast(forced.record.parameters, forced.dtype))
        natives = {name: trainer.native(start[name]) for name in forced.training.loss.wrt}
        objective = self._answered_to(trainer, seen)
        end = trainer.descend(self.rule, natives, objective, forced.training.steps)
        return [*seen, in_numpy(end, trainer)]

    def _answered_to(self, trainer: Trainer, seen: list[Arrays]) -> Objective:
        """What the run by hand would be told, in an engine's arrays."""
        losses = self._losses

        def native(array: Array) -> Native:
            return trainer.native(np.array(array, self.forced.dtype))

        def both(theta: Mapping[str, Native]) -> tuple[float, Natives]:
            loss, gradient = losses.loss_and_gradient(in_numpy(theta, trainer))
            return loss, {name: native(array) for name, array in gradient.items()}

        def gradient(theta: Mapping[str, Native], _: int) -> Natives:
            seen.append(in_numpy(theta, trainer))
            return both(theta)[1]

        return Objective(
            gradient,
            lambda theta: losses.loss(in_numpy(theta, trainer)),
            both,
            lambda theta: native(losses.hessian(in_numpy(theta, trainer))),
        )

    def _stepped(self, theta: Arrays) -> Arrays:
        return in_numpy(
            ManualTrainer().descend(self.rule, theta, self._by_hand, 1), ManualTrainer()
        )

    def _worst(self, theta: Arrays, after: Arrays, wanted: Arrays, step: int) -> Worst:
        """Of an update, beside the one by hand, or beside another that rounding may lead to."""
        worst = _compared(theta, after, wanted)
        if worst.accepted:
            return worst
        if asks_for_hessians(self.rule):
            # A solution of equations may be off by so many roundings of itself.
            return _compared(theta, after, wanted, lost=self._condition(theta))
        others = (_compared(theta, after, other) for other in self._others(theta, step))
        return min((worst, *others), key=lambda each: each.in_tolerances)

    def _condition(self, theta: Arrays) -> float:
        return float(np.linalg.cond(np.asarray(self._losses.hessian(theta), np.float64)))

    def _others(self, theta: Arrays, step: int) -> Iterator[Arrays]:
        """Where Armijo's search may end, if what it compares is equal but for rounding."""
        if not isinstance(self.rule, SteepestDescent) or not isinstance(self.rule.search, Armijo):
            return
        here, found = self._losses.loss_and_gradient(theta)
        vector, gradient = (as_vector(each, theta, np) for each in (theta, found))
        direction = -gradient if self.rule.norm == 2 else largest_entry(-gradient)
        slope = self.rule.search.slope * float(gradient @ direction)
        noise = abs(here) + self.forced.noise(min(step, self.forced.by_hand.steps - 1)).functional
        allowed = SAFETY * unit_roundoff(np.dtype(self.forced.dtype)) * noise
        unflatten = unflattening(theta)
        for far in HALVED:
            there = unflatten(vector + far * direction)
            excess = self._losses.loss(there) - (here + far * slope)
            if excess <= allowed:
                yield there
            if excess < -allowed:
                return
        yield theta


def _compared(theta: Arrays, after: Arrays, wanted: Arrays, lost: float = 1.0) -> Worst:
    """The worst entry of an update, of which so many roundings may be lost."""
    ours, theirs = (
        {name: array - theta[name] for name, array in end.items()} for end in (wanted, after)
    )
    size = max(map(largest, ours.values()))
    return max(
        (
            worst_update(name, theirs[name], array, largest(theta[name]) + size, lost * size)
            for name, array in ours.items()
        ),
        key=lambda each: each.in_tolerances,
    )
