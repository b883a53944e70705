"""A VJP of autograd for many cotangents: its operations are recorded once, and done again.

autograd has no batches, and most of the time that a VJP takes is its own: the graph is sorted, and
every operation asks whether an argument is traced. What is recorded are NumPy's functions, with all
arguments that do not depend on the cotangent; so the same is computed, to the last bit.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from autograd.tracer import Node, trace
from autograd.util import toposort

from reference_impls.computation import Array

Pull = Callable[[Array], Array]
"""From a cotangent u to Jᵀu."""


def rows_of(pull: Pull, size: int, dtype: np.dtype[Any]) -> Array:
    """J, row by row.

    Args:
        pull: the VJP, of a function from vectors to vectors.
        size: of its value.
        dtype: of its value.
    """
    identity = np.eye(size, dtype=dtype)
    again = _recorded(pull, identity[0])
    rows = np.stack([again(row) for row in identity])
    # What is done again is wrong if a value that depends on the cotangent was taken for a constant,
    # as by a layer that is solved for, or if an operation writes to one.
    probe = np.random.default_rng(0).standard_normal(size).astype(dtype)
    if np.array_equal(again(probe), pull(probe)):
        return rows
    return np.stack([pull(row) for row in identity])


def _recorded(pull: Pull, example: Array) -> Pull:
    start = _Operation.new_root()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Output seems independent of input")
        value, end = trace(start, pull, example)
    if end is None:
        return lambda _: value
    first, *others = reversed(list(toposort(end)))

    def again(cotangent: Array) -> Array:
        values = {first: cotangent}
        for each in others:
            for place, parent in zip(each.places, each.parents, strict=True):
                each.arguments[place] = values[parent]
            values[each] = each.function(*each.arguments, **each.options)
        return values[end]

    return again


class _Operation(Node):  # type: ignore[misc]
    """One that depends on the cotangent."""

    __slots__ = ("arguments", "function", "options", "parents", "places")

    def __init__(
        self,
        _: Any,
        function: Any,
        args: Any,
        kwargs: dict[str, Any],
        parent_argnums: tuple[int, ...],
        parents: tuple["_Operation", ...],
    ) -> None:
        self.function = getattr(function, "fun", function)
        self.arguments, self.options = list(args), kwargs
        self.places, self.parents = parent_argnums, parents

    def initialize_root(self) -> None:
        self.parents = ()
