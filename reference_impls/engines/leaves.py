"""The leaves of nested primals: which are differentiated, their tangents, and trees of results.

Arrays of floating dtype are differentiated, and no other leaves: all of them, or those that were
chosen. Lists of leaves, tangents and gradients have the order in which `located` finds these arrays
in the tree.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from reference_impls.computation import Array
from reference_impls.nested import Path, Tree, located, map_located
from reference_impls.words import described

Primals = tuple[Tree, ...] | dict[str, Tree]
"""The arguments of one call: a tuple if they are given by position, a dict if by name."""


ROOT = "primals"
"""Where the path of every leaf of the primals begins."""


@dataclass(frozen=True)
class Differentiated:
    """Which leaves of the primals a function is differentiated with respect to.

    Attributes:
        paths: of those that were chosen, each beginning with `ROOT`; None for all floating arrays.
    """

    paths: frozenset[Path] | None = None

    def chosen(self, path: Path) -> bool:
        """Is what is there to be differentiated, if it can be?"""
        return self.paths is None or path in self.paths

    def has(self, path: Path, leaf: Tree) -> bool:
        """Is the leaf differentiated?"""
        is_floating = isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f"
        return is_floating and self.chosen(path)

    def leads_to(self, key: int | str) -> bool:
        """Is anything of this argument to be differentiated?"""
        return self.paths is None or any(path[1] == key for path in self.paths)

    def arrays(self, primals: Primals) -> list[Array]:
        """The arrays that are differentiated, in order."""
        return [leaf.value for leaf in located(primals, ROOT) if self.has(leaf.path, leaf.value)]

    def paths_in(self, primals: Primals) -> list[Path]:
        """Their paths, in order."""
        return [leaf.path for leaf in located(primals, ROOT) if self.has(leaf.path, leaf.value)]

    def planted(
        self, primals: Primals, values: Sequence[Tree], other: Callable[[Tree], Tree]
    ) -> Tree:
        """The primals' tree with these values in the places of the arrays that are differentiated.

        Args:
            primals: the tree.
            values: one for each of the arrays, in order.
            other: returns what takes the place of any other leaf.
        """
        remaining = iter(values)

        def plant(path: Path, leaf: Tree) -> Tree:
            return next(remaining) if self.has(path, leaf) else other(leaf)

        return map_located(plant, primals, (ROOT,))

    def directions(self, name: str, primals: Primals, tangents: Primals) -> list[Array | None]:
        """The tangent of every array that is differentiated, in order; None where it is zero.

        Raises:
            TypeError: a tangent is no array of its primal's dtype.
            ValueError: a tangent has another shape than its primal.
        """
        given = {leaf.path: leaf.value for leaf in located(tangents, ROOT)}
        directions: list[Array | None] = []
        for leaf in located(primals, ROOT):
            if not self.has(leaf.path, leaf.value):
                continue
            tangent = given.get(leaf.path)
            if tangent is not None:
                _check_tangent(f"{name}: the tangent of {leaf}", tangent, leaf.value)
            directions.append(tangent)
        return directions


def nothing(_: Tree) -> None:
    """Stands for the gradient of a leaf that has none."""


def itself(leaf: Tree) -> Tree:
    """Hands a leaf on as it is."""
    return leaf


def _check_tangent(what: str, tangent: Tree, primal: Array) -> None:
    if not isinstance(tangent, np.ndarray) or tangent.dtype != primal.dtype:
        raise TypeError(f"{what} is {described(tangent)}, wanted an array of {primal.dtype}")
    if tangent.shape != primal.shape:
        raise ValueError(f"{what} has shape {tangent.shape}, wanted {primal.shape}")
