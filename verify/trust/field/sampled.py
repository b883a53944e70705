"""Functions of a library, each with ways to draw the points that it is checked at."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from reference_impls import DTYPES
from reference_impls.computation import Array
from verify.trust.field.subject import TOO_MANY, LeftOut, Subject

Draw = Callable[[np.random.Generator], tuple[Array, ...]]
"""Draws the primals of one sample, in float64."""

OTHER_DTYPE = "it computes in {} whatever it is given"
"""Why a point is left out in the other dtype."""


@dataclass(frozen=True)
class Sampled:
    """A function, and its samples.

    Attributes:
        checkable: the function as `check` takes it: an adapter.
        draws: one for each sample.
        dtypes: that it computes in; in others it is left out.
    """

    checkable: Any
    draws: tuple[Draw, ...]
    dtypes: tuple[str, ...] = DTYPES


def subjects_of(
    library: str, name: str, sampled: Sampled, seed: int, dtype: str, most_entries: int
) -> Iterator[Subject | LeftOut]:
    """Every sample of a function as something to check.

    Args:
        library: whose function it is.
        name: of the function.
        sampled: the function, and its samples.
        seed: of the samples.
        dtype: ``float64`` or ``float32``.
        most_entries: samples with more numbers to differentiate with respect to are left out.
    """
    for number, draw in enumerate(sampled.draws):
        primals = draw(np.random.default_rng((seed, number)))
        entries = sum(primal.size for primal in primals)
        reason = ""
        if dtype not in sampled.dtypes:
            reason = OTHER_DTYPE.format(" and ".join(sampled.dtypes))
        elif entries > most_entries:
            reason = TOO_MANY.format(most_entries)
        if reason:
            yield LeftOut(library, name, number, seed, dtype, entries, reason)
            continue
        cast = tuple(np.asarray(primal, dtype) for primal in primals)
        yield Subject(library, name, number, seed, dtype, sampled.checkable, cast)


def between(low: float, high: float, *shapes: tuple[int, ...]) -> Draw:
    """Primals drawn uniformly from an interval, one of each shape."""
    return lambda rng: tuple(np.asarray(rng.uniform(low, high, shape)) for shape in shapes)


def normal(*shapes: tuple[int, ...]) -> Draw:
    """Primals drawn from the standard normal distribution, one of each shape."""
    return lambda rng: tuple(np.asarray(rng.standard_normal(shape)) for shape in shapes)


def at(*primals: object) -> Draw:
    """Primals that are given, the same for every seed."""
    return lambda _: tuple(np.array(primal, np.float64) for primal in primals)
