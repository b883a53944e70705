"""The leaves of nested primals: which are differentiated, their tangents, and trees of results.

Arrays of floating dtype are differentiated, and no other leaves. Lists of leaves, tangents and
gradients have the order in which `located` finds these arrays in the tree.
"""

from collections.abc import Callable, Sequence

import numpy as np

from reference_impls.computation import Array
from reference_impls.engines.adapter import Primals
from reference_impls.nested import Path, Tree, located, map_located
from reference_impls.words import described


def is_floating(leaf: Tree) -> bool:
    """Is it an array of floating dtype?"""
    return isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f"


def floating(primals: Primals) -> list[Array]:
    """The arrays that are differentiated, in order."""
    return [leaf.value for leaf in located(primals, "primals") if is_floating(leaf.value)]


def paths_of_floating(primals: Primals) -> list[Path]:
    """The paths of the arrays that are differentiated, in order."""
    return [leaf.path for leaf in located(primals, "primals") if is_floating(leaf.value)]


def planted(primals: Primals, values: Sequence[Tree], other: Callable[[Tree], Tree]) -> Tree:
    """The primals' tree with these values in the places of its floating arrays.

    Args:
        primals: the tree.
        values: one for each floating array, in order. If there are none, `other` replaces the
            floating arrays as well.
        other: returns what takes the place of a leaf.
    """
    remaining = iter(values)

    def plant(_: Path, leaf: Tree) -> Tree:
        return next(remaining) if values and is_floating(leaf) else other(leaf)

    return map_located(plant, primals, ("primals",))


def nothing(_: Tree) -> None:
    """Stands for the gradient of a leaf that has none."""


def itself(leaf: Tree) -> Tree:
    """Hands a leaf on as it is."""
    return leaf


def directions_of(name: str, primals: Primals, tangents: Primals) -> list[Array | None]:
    """The tangent of every floating primal, in order; None where it is zero.

    Raises:
        TypeError: a tangent is no array of its primal's dtype.
        ValueError: a tangent has another shape than its primal.
    """
    given = {leaf.path: leaf.value for leaf in located(tangents, "primals")}
    directions: list[Array | None] = []
    for leaf in located(primals, "primals"):
        if not is_floating(leaf.value):
            continue
        tangent = given.get(leaf.path)
        if tangent is not None:
            _check_tangent(f"{name}: the tangent of {leaf}", tangent, leaf.value)
        directions.append(tangent)
    return directions


def _check_tangent(what: str, tangent: Tree, primal: Array) -> None:
    if not isinstance(tangent, np.ndarray) or tangent.dtype != primal.dtype:
        raise TypeError(f"{what} is {described(tangent)}, wanted an array of {primal.dtype}")
    if tangent.shape != primal.shape:
        raise ValueError(f"{what} has shape {tangent.shape}, wanted {primal.shape}")
