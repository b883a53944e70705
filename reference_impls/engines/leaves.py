"""The leaves of nested primals: which are differentiated, their tangents, and trees of results.

An array of floating dtype is differentiated. The order of these is that in which they are located
in the tree; lists of leaves, tangents and gradients follow it.
"""

from collections.abc import Callable, Sequence

import numpy as np

from reference_impls.computation import Array
from reference_impls.engines.adapter import Primals, described
from reference_impls.nested import Path, Tree, located, map_located


def is_floating(leaf: Tree) -> bool:
    """Is it an array of floating dtype?"""
    return isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f"


def floating(primals: Primals) -> list[Array]:
    """The arrays that are differentiated, in order."""
    return [leaf.value for leaf in located(primals, "primals") if is_floating(leaf.value)]


def paths_of_floating(primals: Primals) -> list[Path]:
    """Where they are, in the same order."""
    return [leaf.path for leaf in located(primals, "primals") if is_floating(leaf.value)]


def planted(primals: Primals, values: Sequence[Tree], other: Callable[[Tree], Tree]) -> Tree:
    """The primals' tree with these values for its floating arrays, in the order of `floating`.

    Without values, the floating arrays are treated as the other leaves are.
    """
    remaining = iter(values)

    def plant(_: Path, leaf: Tree) -> Tree:
        return next(remaining) if values and is_floating(leaf) else other(leaf)

    return map_located(plant, primals, ("primals",))


def nothing(_: Tree) -> None:
    """For leaves that have no gradient."""


def itself(leaf: Tree) -> Tree:
    """For leaves that are handed on."""
    return leaf


def directions_of(name: str, primals: Primals, tangents: Primals) -> list[Array | None]:
    """The tangent of every floating primal, in order; None for zero."""
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
