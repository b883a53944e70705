"""What a CSV keeps of pytest-benchmark's statistics."""

from dataclasses import dataclass

from pytest_benchmark.stats import Metadata


@dataclass(frozen=True)
class Times:
    """The columns that every table of times has; all empty for a case that was not timed.

    Attributes:
        median_s: median time of one call over the rounds, in seconds.
        min_s: the shortest.
        iqr_s: interquartile range.
        rounds: how many were timed.
        iterations: calls in each round.
    """

    median_s: float | None = None
    min_s: float | None = None
    iqr_s: float | None = None
    rounds: int | None = None
    iterations: int | None = None


UNTIMED = Times()


def times_of(metadata: Metadata) -> Times:
    """What pytest-benchmark measured of one case."""
    stats = metadata.stats
    return Times(stats.median, stats.min, stats.iqr, stats.rounds, metadata.iterations)
