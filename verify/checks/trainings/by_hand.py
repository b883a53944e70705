"""The way down of the run by hand, step by step: all others are held against it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from reference_impls.computation import Array, Arrays
from reference_impls.engines.manual.training import ManualTrainer
from reference_impls.training import Course, Record, Step, Training, train

MOST_STEPS = 1_000
"""So many steps are looked at: of a longer run, as many that are evenly spread."""

FIRST, STRETCHES, STRETCH = 100, 12, 15
"""Steps that are taken one after the other: so many first, then so many times so many.

What is kept from step to step shows in the second; where one step in seven is wrong, two in every
stretch are.
"""


@dataclass
class RunByHand:
    """A run by hand.

    Attributes:
        thetas: the parameters before each step, and at the end.
        gradients: at each step.
        course: its losses, and what else there is to say.
    """

    thetas: list[Arrays] = field(default_factory=list)
    gradients: list[Arrays] = field(default_factory=list)
    course: Course = field(default_factory=Course)

    @classmethod
    def of(cls, training: Training, record: Record, dtype: str) -> "RunByHand":
        """Go it.

        Raises:
            DivergedError: the loss became infinite or NaN.
        """
        by_hand = cls()

        def keep(step: Step) -> None:
            by_hand.thetas.append(dict(step.parameters))
            by_hand.gradients.append(dict(step.gradient))

        by_hand.course = train(training, record, ManualTrainer(), dtype, keep)
        by_hand.thetas.append(by_hand.course.parameters)
        return by_hand

    @property
    def steps(self) -> int:
        """How many there were."""
        return len(self.gradients)

    def looked_at(self) -> list[int]:
        """The steps that are looked at, evenly spread, the first and the last among them."""
        return spread(self.steps, MOST_STEPS)


def spread(count: int, most: int) -> list[int]:
    """Of the numbers below a count, at most so many, evenly spread with both ends."""
    return sorted(set(np.linspace(0, count - 1, min(count, most)).astype(int).tolist()))


def stretches(count: int) -> list[range]:
    """Of so many steps, some that follow one another: the first, and others evenly spread."""
    if count <= FIRST + STRETCHES * STRETCH:
        return [range(count)]
    starts = np.linspace(FIRST, count - STRETCH, STRETCHES).astype(int).tolist()
    return [range(FIRST), *(range(start, start + STRETCH) for start in starts)]


def updates(thetas: Sequence[Arrays]) -> Iterator[Arrays]:
    """What is added at every step."""
    for before, after in pairwise(thetas):
        yield {name: np.asarray(array - before[name]) for name, array in after.items()}


def distances(losses: Sequence[float], others: Sequence[float]) -> Array:
    """How far losses are apart, as a part of the larger one; of as many steps as both have."""
    count = min(len(losses), len(others))
    one, other = np.asarray(losses[:count]), np.asarray(others[:count])
    size = np.maximum(np.abs(one), np.abs(other))
    apart: Array = np.abs(one - other) / np.where(size == 0, 1.0, size)
    return apart
