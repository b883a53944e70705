"""Differences over quartered steps, extrapolated to step zero, with error bars."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from verify.oracles.estimate import NOISE_FACTOR, Estimate


def extrapolated(slopes: Mapping[float, float], order: int) -> dict[float, float]:
    """By step: the slope without its error of this order in h, which the quarter step tells."""
    ratio = 4**order
    return {
        step: (ratio * slopes[step / 4] - slopes[step]) / (ratio - 1)
        for step in slopes
        if step / 4 in slopes
    }


def estimates_of(values: Mapping[float, float], noise: float, oracle: str) -> dict[float, Estimate]:
    """By step, for each that has a neighbour on either side: an estimate with its error bar.

    The bar is `NOISE_FACTOR` times the largest of the changes to either neighbour and of what the
    noise amounts to at the quarter step, as a change alone may be small by chance.

    Args:
        values: extrapolated slopes by step, the longest step first.
        noise: of the function whose differences these are.
        oracle: the estimates' name.
    """
    changes = [
        (step, abs(value - values[above]))
        for above, (step, value) in zip(values, list(values.items())[1:], strict=False)
    ]
    return {
        step: Estimate(values[step], NOISE_FACTOR * max(before, after, noise / (step / 4)), oracle)
        for (step, before), (_, after) in pairwise(changes)
    }


def sharpest(estimates: Sequence[Estimate], oracle: str) -> Estimate:
    """The one with the smallest bar; if there is none, one whose bar is infinite."""
    nothing = Estimate(np.nan, np.inf, oracle)
    return min([nothing, *estimates], key=lambda estimate: estimate.error_bar)


def widened(estimate: Estimate, error_bar: float) -> Estimate:
    """The estimate with a bar at least so wide."""
    return replace(estimate, error_bar=max(estimate.error_bar, error_bar))
