"""How far a run parts from itself by roundings alone.

A twin is the run by hand whose parameters are moved by one unit in the last place at every step, up
or down by chance. A twin moved once may heal, and other implementations, whose sums are rounded
otherwise at every step, would then look wrong beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from reference_impls.computation import Array, Native, generator
from reference_impls.descent import Natives, Objective, Rated, Rule
from reference_impls.engines.manual.training import ManualTrainer, advance, begin
from reference_impls.training import DivergedError, Record, Step, Training, train
from verify.checks.trainings.by_hand import RunByHand, distances

TWINS = 5

SIDES = np.array([-np.inf, np.inf])
"""Where a number may be moved to."""


@dataclass(frozen=True)
class Twin(ManualTrainer):
    """By hand, from parameters that are moved by a unit in the last place at every step.

    A rule that looks ahead, or stops by itself, is left to its library: there it is not the
    parameters that are moved, but the place where the gradient is taken.

    Attributes:
        rng: says which way.
    """

    rng: np.random.Generator

    def descend(
        self, rule: Rule, parameters: Mapping[str, Native], objective: Objective, steps: int
    ) -> Natives:
        """See `Trainer.descend`."""
        if not isinstance(rule, Rated):
            gradient, both = objective.gradient, objective.loss_and_gradient
            beside = replace(
                objective,
                gradient=lambda theta, step: gradient(self._moved(theta), step),
                loss_and_gradient=lambda theta: both(self._moved(theta)),
            )
            return super().descend(rule, parameters, beside, steps)
        state = begin(rule, parameters)
        for step in range(steps):
            state = replace(state, theta=self._moved(state.theta))
            state = advance(rule, state, objective.gradient(state.theta, step))
        return state.theta

    def _moved(self, theta: Mapping[str, Native]) -> Natives:
        return {name: self._beside(np.asarray(array)) for name, array in theta.items()}

    def _beside(self, array: Array) -> Array:
        # `Generator.choice` draws the same, in several times as long.
        sides = SIDES.astype(array.dtype)[self.rng.integers(2, size=array.shape)]
        return np.asarray(np.nextafter(array, sides))


def envelope(
    training: Training, record: Record, dtype: str, seed: int, by_hand: RunByHand
) -> Array:
    """By step, how far the twins' losses have been from the run by hand, at most, until then.

    Returns:
        (steps,), relative; infinite from where a twin diverges.
    """
    most = np.zeros(by_hand.steps)
    for number in range(TWINS):
        losses: list[float] = []

        def keep(step: Step, losses: list[float] = losses) -> None:
            losses.append(step.loss)

        twin = Twin(generator(training.name, seed, number))
        try:
            train(training, record, twin, dtype, keep)
        except DivergedError:
            most[len(losses) - 1 :] = np.inf
            losses.pop()
        apart = distances(by_hand.course.losses, losses)
        most[: len(apart)] = np.maximum(most[: len(apart)], apart)
    reached: Array = np.maximum.accumulate(most)
    return reached
