"""Several outputs of one function, laid end to end in one vector, and the way back.

A VJP of several outputs takes a cotangent for each, and returns the sum of what they contribute.
Laid end to end they are one vector, and their cotangents another: so a checker need not know that
there are several.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from reference_impls.computation import Array, Arrays
from reference_impls.nested import Leaf, Path, Tree, located, map_located
from reference_impls.words import described

ROOT = "value"
"""Where the path of every output begins."""


@dataclass(frozen=True)
class Output:
    """One array of floating-point numbers among a function's outputs.

    Attributes:
        path: to it, beginning with `ROOT`.
        shape: of it.
        dtype: of it, in the call that it was seen in; empty for a Python number.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: str = field(default="", compare=False)

    def __str__(self) -> str:
        return str(Leaf(self.path, None))


@dataclass(frozen=True)
class Outputs:
    """How a function's outputs lie in a vector.

    Attributes:
        differentiated: in the vector's order.
        others: the rest, in words: they have no derivative, or none is asked for.
    """

    differentiated: tuple[Output, ...]
    others: tuple[str, ...] = field(default=(), compare=False)

    @classmethod
    def of(cls, value: Tree, is_differentiated: Callable[[Tree], bool]) -> Self:
        """The outputs in what a function returned.

        Args:
            value: a dict, list, tuple or named tuple; it may be nested.
            is_differentiated: has this leaf a derivative?

        Raises:
            TypeError: the keys of a dict cannot be sorted.
        """
        leaves = located(value, ROOT)
        found = [leaf for leaf in leaves if is_differentiated(leaf.value)]
        rest = [leaf for leaf in leaves if not is_differentiated(leaf.value)]
        return cls(
            tuple(_output(leaf) for leaf in found),
            tuple(f"{leaf} ({_reason(leaf.value)})" for leaf in rest if leaf.value is not None),
        )

    def taken(self, value: Tree) -> list[Tree]:
        """What a function returned, output by output.

        Raises:
            TypeError: one of them is not there: the function returned other outputs before.
        """
        leaves = {leaf.path: leaf.value for leaf in located(value, ROOT)}
        for output in self.differentiated:
            if output.path not in leaves:
                raise TypeError(f"returned {described(value)}, without the {output} of before")
        return [leaves[output.path] for output in self.differentiated]

    def named(self, vector: Array) -> Arrays:
        """A vector cut into arrays by the outputs' names; views wherever that can be."""
        return {str(output): piece for output, piece in self._pieces(vector)}

    def tree(self, like: Tree, vector: Array) -> Tree:
        """A vector's numbers in the structure of what the function returned; None for the rest.

        Args:
            like: what it returned.
            vector: as long as the outputs together; each takes its part in its own dtype.
        """
        pieces = {
            output.path: piece.astype(output.dtype or piece.dtype, copy=False)
            for output, piece in self._pieces(vector)
        }
        return map_located(lambda path, _: pieces.get(path), like, (ROOT,))

    def _pieces(self, vector: Array) -> Iterator[tuple[Output, Array]]:
        start = 0
        for output in self.differentiated:
            stop = start + math.prod(output.shape)
            yield output, vector[start:stop].reshape(output.shape)
            start = stop


def _output(leaf: Leaf) -> Output:
    dtype = str(getattr(leaf.value, "dtype", "")).removeprefix("torch.")
    return Output(leaf.path, tuple(np.shape(leaf.value)), dtype)


def _reason(leaf: Tree) -> str:
    """Why it has no derivative: it is none of these numbers, or its engine was told so."""
    is_real = "float" in str(getattr(leaf, "dtype", ""))
    return "requires no gradient" if is_real else described(leaf)
