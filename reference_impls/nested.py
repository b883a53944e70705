"""Nested parameters as one vector, and back.

HIPS autograd tutorial, "Gradients of Data Structures". Any engine differentiates a function of
one vector. With `vector, unflatten = flatten(params)`, a loss of nested parameters becomes the
function `v -> loss(unflatten(v))` of one vector, in every implementation alike.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.floating[Any]]
Tree = Any  # a dict, list, tuple or named tuple of trees, or a leaf: a number or an array
ArrayLike = Any  # of NumPy, CuPy or torch, or autograd's box: they share no base class


@dataclass(frozen=True)
class Unflatten:
    """Cuts a vector into the tree that `flatten` made it from.

    Attributes:
        template: that tree, with the number of each leaf in the place of the leaf.
        shapes: the shape of each leaf.
    """

    template: Tree
    shapes: tuple[tuple[int, ...], ...]

    def __call__(self, vector: ArrayLike) -> Tree:
        """Returns the tree whose leaves are slices of the vector.

        Only slicing and `reshape` are used, so derivatives pass through, and the leaves are of
        the library, dtype and device of the vector. Numbers come back with shape (). Where the
        library's slices are views, as in NumPy and torch, the leaves share the vector's memory.

        Args:
            vector: an array of shape (n,), with n the entries in all leaves.

        Raises:
            TypeError: it is not an array.
            ValueError: its shape is not (n,).
        """
        bounds = [0, *accumulate(map(math.prod, self.shapes))]
        _check_vector(vector, bounds[-1])
        leaves = [
            vector[start:stop].reshape(shape)
            for (start, stop), shape in zip(pairwise(bounds), self.shapes, strict=True)
        ]
        return _fill(self.template, leaves)


def flatten(params: Tree) -> tuple[Vector, Unflatten]:
    """Lays out all entries of nested parameters in one vector.

    The order is that of `autograd.misc.flatten`: depth first, the keys of a dict sorted, the
    entries of an array in row-major order. The dtype is the one that all arrays share; Python
    numbers take it, or float64 if there are no arrays.

    Args:
        params: nested dicts, lists, tuples and named tuples of floating-point NumPy arrays and
            scalars and of Python ints and floats. Containers may be empty, and so may arrays.

    Returns:
        A vector of shape (n,) that shares no memory with the leaves, and the way back, which
        restores the containers, with their types and the order of their keys.

    Raises:
        TypeError: a leaf is of another kind, two arrays differ in dtype, or the keys of a dict
            cannot be sorted. The message has the path to it.
    """
    leaves: list[_Leaf] = []
    template = _number(params, "params", leaves)
    dtype = _common_dtype(leaves)
    arrays = [np.asarray(leaf.value, dtype) for leaf in leaves]
    vector = np.concatenate([np.empty(0, dtype), *(array.ravel() for array in arrays)])
    return vector, Unflatten(template, tuple(array.shape for array in arrays))


@dataclass(frozen=True)
class _Leaf:
    path: str
    value: Tree


def _number(node: Tree, path: str, leaves: list[_Leaf]) -> Tree:
    """Appends the leaves of a tree to the list; returns the tree with their numbers as leaves."""
    if type(node) is dict:
        numbered = {
            key: _number(node[key], f"{path}[{key!r}]", leaves) for key in _sorted_keys(node, path)
        }
        return {key: numbered[key] for key in node}
    if _is_sequence(node):
        return _like(node, [_number(child, f"{path}[{i}]", leaves) for i, child in enumerate(node)])
    leaves.append(_Leaf(path, node))
    return len(leaves) - 1


def _fill(template: Tree, leaves: Sequence[ArrayLike]) -> Tree:
    """Returns the template with every number replaced by the leaf of that number."""
    if type(template) is dict:
        return {key: _fill(child, leaves) for key, child in template.items()}
    if _is_sequence(template):
        return _like(template, [_fill(child, leaves) for child in template])
    return leaves[template]


def _is_sequence(node: Tree) -> bool:
    return type(node) in {list, tuple} or (isinstance(node, tuple) and hasattr(node, "_fields"))


def _like(sequence: Tree, children: Iterable[Tree]) -> Tree:
    """Returns the children in a container of the type of the sequence."""
    kind = type(sequence)
    return kind(*children) if hasattr(kind, "_fields") else kind(children)


def _sorted_keys(node: dict[Any, Tree], path: str) -> list[Any]:
    try:
        return sorted(node)
    except TypeError:
        raise TypeError(f"{path}: got the keys {list(node)}, wanted keys that sort") from None


def _common_dtype(leaves: Sequence[_Leaf]) -> np.dtype[Any]:
    """Returns the one dtype of the arrays among the leaves, or float64 if there are none."""
    for leaf in leaves:
        _check_leaf(leaf)
    arrays = [leaf for leaf in leaves if hasattr(leaf.value, "dtype")]
    for leaf in arrays:
        if leaf.value.dtype != arrays[0].value.dtype:
            raise TypeError(
                f"{leaf.path}: got {leaf.value.dtype}, "
                f"wanted {arrays[0].value.dtype} as in {arrays[0].path}"
            )
    return arrays[0].value.dtype if arrays else np.dtype(np.float64)


def _check_leaf(leaf: _Leaf) -> None:
    value = leaf.value
    is_array = isinstance(value, np.ndarray | np.generic)
    if type(value) in {int, float} or (is_array and np.issubdtype(value.dtype, np.floating)):
        return
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    raise TypeError(
        f"{leaf.path}: got {kind}{f' of {value.dtype}' if is_array else ''}, wanted an int, "
        "a float, a floating-point NumPy array, or a dict, list or tuple of these"
    )


def _check_vector(vector: ArrayLike, size: int) -> None:
    shape = getattr(vector, "shape", None)
    if shape is None:
        raise TypeError(f"vector: got {type(vector).__name__}, wanted an array of shape {(size,)}")
    if tuple(shape) != (size,):
        raise ValueError(f"vector: got shape {tuple(shape)}, wanted {(size,)}")
