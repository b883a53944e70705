"""Nested parameters as one vector, and back.

From the HIPS autograd tutorial, "Gradients of Data Structures". Every engine can differentiate a
function of one vector. After `vector, unflatten = flatten(params)`, a loss of nested parameters is
the function `v -> loss(unflatten(v))` of one vector, written the same way for every engine.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from reference_impls.words import kind_of

Vector = npt.NDArray[np.floating[Any]]
Path = tuple[Any, ...]  # the name of a tree, then keys and indices
Tree = Any  # a dict, list, tuple or named tuple of trees, or a leaf: a number or an array
ArrayLike = Any  # of NumPy, CuPy or torch, or autograd's box: they share no base class


@dataclass(frozen=True)
class Unflatten:
    """Cuts a vector into the tree that `flatten` made it from.

    Attributes:
        template: that tree, with each leaf replaced by its number.
        shapes: the shape of each leaf.
    """

    template: Tree
    shapes: tuple[tuple[int, ...], ...]

    def __call__(self, vector: ArrayLike) -> Tree:
        """Returns the tree whose leaves are slices of the vector.

        Only slicing and `reshape` are used, so derivatives pass through, and the leaves have the
        vector's library, dtype and device. A Python number comes back as an array of shape ().
        Where the library's slices are views, as in NumPy and torch, the leaves share the vector's
        memory.

        Args:
            vector: an array of shape (n,), with n the entries in all leaves.

        Raises:
            TypeError: it is not an array.
            ValueError: its shape is not (n,).
        """
        _check_vector(vector, self._size)
        leaves = [vector[cut].reshape(shape) for cut, shape in self._cuts]
        return map_located(lambda _, number: leaves[number], self.template)

    @cached_property
    def _cuts(self) -> list[tuple[slice, tuple[int, ...]]]:
        bounds = [0, *accumulate(map(math.prod, self.shapes))]
        cuts = (slice(start, stop) for start, stop in pairwise(bounds))
        return list(zip(cuts, self.shapes, strict=True))

    @cached_property
    def _size(self) -> int:
        return sum(map(math.prod, self.shapes))


def flatten(params: Tree, name: str = "params") -> tuple[Vector, Unflatten]:
    """Lays out all entries of nested parameters in one vector.

    The order is that of `autograd.misc.flatten`: depth first, the keys of a dict sorted, the
    entries of an array in row-major order. All arrays must have one dtype, which the vector then
    has, too; without arrays it is float64. Python numbers are converted to it.

    Args:
        params: nested dicts, lists, tuples and named tuples of floating-point NumPy arrays and
            scalars and of Python ints and floats. Containers may be empty, and so may arrays.
            Mappings other than dicts are treated as in `map_located`.
        name: what messages call the params.

    Returns:
        A vector of shape (n,) that shares no memory with the leaves; and the way back, which
        restores the containers with their types and the order of their keys.

    Raises:
        TypeError: a leaf is of another kind, two arrays differ in dtype, or the keys of a dict
            cannot be sorted. The message says where.
    """
    leaves: list[Leaf] = []

    def number(path: Path, value: Tree) -> int:
        leaves.append(Leaf(path, value))
        return len(leaves) - 1

    template = map_located(number, params, (name,))
    dtype = _common_dtype(leaves)
    arrays = [np.asarray(leaf.value, dtype) for leaf in leaves]
    vector = np.concatenate([np.empty(0, dtype), *(array.ravel() for array in arrays)])
    return vector, Unflatten(template, tuple(array.shape for array in arrays))


@dataclass(frozen=True)
class Leaf:
    """What is in a tree, and where.

    Attributes:
        path: the name of the tree, and the keys and indices that lead to the leaf.
        value: the leaf.
    """

    path: Path
    value: Tree

    def __str__(self) -> str:
        """Returns the path as Python would have it."""
        return _written(self.path)


def map_located(
    function: Callable[[Path, Tree], Tree], tree: Tree, path: Path = ("params",)
) -> Tree:
    """Returns the tree with every leaf replaced by the function's value, in `flatten`'s order.

    A subclass of dict keeps its type if a copy of it can be filled. If not, it becomes a dict, and
    so does any other mapping.

    Args:
        function: takes the path to a leaf, and the leaf.
        tree: its leaves may be anything.
        path: what messages call the tree.

    Raises:
        TypeError: the keys of a dict cannot be sorted.
    """
    if isinstance(tree, Mapping):
        keys = _sorted_keys(tree, path)
        mapped = {key: map_located(function, tree[key], (*path, key)) for key in keys}
        return _mapping_like(tree, {key: mapped[key] for key in tree})
    if is_sequence(tree):
        children = [map_located(function, child, (*path, i)) for i, child in enumerate(tree)]
        return type(tree)(*children) if hasattr(tree, "_fields") else type(tree)(children)
    return function(path, tree)


def located(tree: Tree, name: str) -> list[Leaf]:
    """Returns the leaves and where they are, in the order of `flatten`."""
    leaves: list[Leaf] = []
    map_located(lambda *leaf: leaves.append(Leaf(*leaf)), tree, (name,))
    return leaves


def _written(path: Path) -> str:
    name, *keys = path
    return f"{name}{''.join(f'[{key!r}]' for key in keys)}"


def is_container(node: Tree) -> bool:
    """Is it looked into, rather than a leaf?"""
    return isinstance(node, Mapping) or is_sequence(node)


def is_sequence(node: Tree) -> bool:
    """Is it a list, a tuple or a named tuple, those of C (``torch.return_types``) among them?"""
    is_named = hasattr(node, "_fields") or hasattr(node, "n_fields")
    return type(node) in {list, tuple} or (isinstance(node, tuple) and is_named)


def _mapping_like(mapping: Mapping[Any, Tree], children: dict[Any, Tree]) -> Tree:
    if type(mapping) is dict or not isinstance(mapping, dict):
        return children
    try:
        # A subclass's constructor may want any arguments: we copy and fill, and never call it.
        rebuilt = copy(mapping)
        for key, child in children.items():
            rebuilt[key] = child
    except TypeError:
        return children
    return rebuilt


def _sorted_keys(node: Mapping[Any, Tree], path: Path) -> list[Any]:
    try:
        return sorted(node)
    except TypeError:
        raise TypeError(
            f"{_written(path)}: got the keys {list(node)}, wanted keys that sort"
        ) from None


def _common_dtype(leaves: Sequence[Leaf]) -> np.dtype[Any]:
    """Returns the one dtype of the arrays among the leaves, or float64 if there are none."""
    for leaf in leaves:
        _check_leaf(leaf)
    arrays = [leaf for leaf in leaves if hasattr(leaf.value, "dtype")]
    for leaf in arrays:
        if leaf.value.dtype != arrays[0].value.dtype:
            raise TypeError(
                f"{leaf}: got {leaf.value.dtype}, wanted {arrays[0].value.dtype} as in {arrays[0]}"
            )
    return arrays[0].value.dtype if arrays else np.dtype(np.float64)


def _check_leaf(leaf: Leaf) -> None:
    value = leaf.value
    is_array = isinstance(value, np.ndarray | np.generic)
    if type(value) in {int, float} or (is_array and np.issubdtype(value.dtype, np.floating)):
        return
    raise TypeError(
        f"{leaf}: got {kind_of(value)}, wanted an int, a float, a floating-point NumPy array, "
        "or a dict, list or tuple of these"
    )


def _check_vector(vector: ArrayLike, size: int) -> None:
    shape = getattr(vector, "shape", None)
    if shape is None:
        raise TypeError(f"vector: got {type(vector).__name__}, wanted an array of shape {(size,)}")
    if tuple(shape) != (size,):
        raise ValueError(f"vector: got shape {tuple(shape)}, wanted {(size,)}")
