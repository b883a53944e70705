"""What a CSV keeps of pytest-benchmark's statistics."""

from pytest_benchmark.stats import Metadata


def measured(metadata: Metadata) -> dict[str, float | int]:
    """The columns of a timed case, in seconds per call."""
    stats = metadata.stats
    return {
        "median_s": stats.median,
        "min_s": stats.min,
        "iqr_s": stats.iqr,
        "rounds": stats.rounds,
        "iterations": metadata.iterations,
    }
