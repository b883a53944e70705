"""Timing by turns: the speed of a machine changes while it is measured, ratios of neighbours less.

Whatever is to be compared is timed once in every round, and is divided by what was timed beside it
in the same round; of these ratios the median is kept.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median
from timeit import Timer
from typing import TypeVar

import numpy as np

T = TypeVar("T")

TURN_SECONDS = 0.1
"""A turn of a short call lasts about as long: the call is then repeated."""


def to_and_fro(each: Sequence[T], rounds: int) -> Iterator[Sequence[T]]:
    """The order of every round: every other one is reversed, so that nobody always comes first."""
    for number in range(rounds):
        yield each[::-1] if number % 2 else each


def by_turns(turns: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Time several things against one another.

    Args:
        turns: by name; each does what is timed, and returns how long it took, in seconds.
        rounds: in each of which everything has its turn.

    Returns:
        By name, the seconds of every round.
    """
    times: dict[str, list[float]] = {name: [] for name in turns}
    for order in to_and_fro([*turns], rounds):
        for name in order:
            times[name].append(turns[name]())
    return times


def median_ratio(times: Sequence[float], beside: Sequence[float]) -> float | None:
    """The median of the ratios, round by round; None where either was not timed.

    It is not the ratio of the medians, which changes when the machine does.
    """
    ratios = [mine / other for mine, other in zip(times, beside, strict=False)]
    return median(ratios) if ratios else None


def spread(numbers: Sequence[float]) -> float | None:
    """Their interquartile range; None if there are none."""
    return float(np.subtract(*np.quantile(numbers, (0.75, 0.25)))) if numbers else None


def calls_per_turn(call: Callable[[], object], seconds: float = TURN_SECONDS) -> int:
    """How often a call has to be made to last so long; this warms it up, too."""
    timer, number = Timer(call), 1
    while (took := timer.timeit(number)) < seconds / 4:
        number *= 4
    return max(1, round(number * seconds / took))
