"""The leaves of a user's primals: which are arrays, and which of these are differentiated."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import is_dataclass

import numpy as np

from reference_impls.computation import DTYPES, Array, Arrays
from reference_impls.engines.loaded import loaded_torch
from reference_impls.nested import Leaf, Path, Tree, located, map_located
from reference_impls.validation import nearest
from reference_impls.words import described, kind_of
from verify.error_model.arrays import first_index

SHOWN = 4
"""How many leaves a message shows at most."""


def with_numpy_arrays(function: str, name: str, tree: Tree) -> Tree:
    """One argument's tree with NumPy arrays in the places of tensors.

    Args:
        function: what messages call it.
        name: of the argument.
        tree: the argument.

    Raises:
        TypeError: a leaf may hold arrays that nobody would look at, or is a tensor that NumPy has
            no array for, or the tree has no end.
    """

    def leaf(path: Path, value: Tree) -> Tree:
        if _may_hide_arrays(value):
            raise TypeError(
                f"{function}: {Leaf(path, value)} is {described(value)}, which is not looked "
                "into; wanted a dict, list or tuple, or a NumPy array of numbers"
            )
        return _to_numpy(path, value)

    try:
        return map_located(leaf, tree, (name,))
    except RecursionError:
        raise TypeError(f"{function}: {name} contains itself, or is nested too deep") from None


def leaves_of(by_name: Mapping[str, Tree]) -> list[Leaf]:
    """The leaves of all arguments, in the order of the call."""
    return [leaf for name, tree in by_name.items() for leaf in located(tree, name)]


def floating(function: str, leaves: Sequence[Leaf]) -> Arrays:
    """Copies of the floating-point arrays, by path.

    Raises:
        TypeError: there are none.
        ValueError: two leaves have the same path.
    """
    path, times = Counter(map(str, leaves)).most_common(1)[0] if leaves else ("", 1)
    if times > 1:
        raise ValueError(f"{function}: {times} of the arguments' leaves are called {path}")
    arrays = {
        str(leaf): np.array(leaf.value)  # a copy: the function may write to the user's own
        for leaf in leaves
        if isinstance(leaf.value, np.ndarray | np.generic)
        and np.issubdtype(leaf.value.dtype, np.inexact)
    }
    if not arrays:
        got = ", ".join(f"{leaf}: {kind_of(leaf.value)}" for leaf in leaves[:SHOWN]) or "nothing"
        got += f" and {len(leaves) - SHOWN} more" if len(leaves) > SHOWN else ""
        raise TypeError(f"{function}: got {got}, wanted at least one floating-point NumPy array")
    return arrays


def chosen(function: str, arrays: Arrays, wrt: object) -> tuple[str, ...]:
    """The paths that `wrt` names, each once, in its own order.

    All of them if it is None, except arrays that hold NaN alone where others do not.

    Raises:
        TypeError: `wrt` is neither a name nor names.
        ValueError: `wrt` is empty, or names no floating-point array.
    """
    if wrt is None:
        numbers = tuple(path for path, array in arrays.items() if not _is_all_nan(array))
        return numbers or tuple(arrays)
    if not isinstance(wrt, Iterable) or isinstance(wrt, bytes):
        raise TypeError(f"{function}: wrt is {described(wrt)}, wanted names of arguments")
    # A set has another order in every process; the arrays have one.
    unordered = isinstance(wrt, set | frozenset)
    names = (wrt,) if isinstance(wrt, str) else wrt
    found: list[str] = []
    for name in sorted(names, key=str) if unordered else names:
        under = [path for path in arrays if path == name or path.startswith(f"{name}[")]
        if not under:
            raise ValueError(
                f"{function}: wrt names {name!r}; floating-point arrays are {', '.join(arrays)}"
                f"{nearest(str(name), arrays)}"
            )
        found += under
    if not found:
        raise ValueError(f"{function}: wrt is empty; accepted are {', '.join(arrays)}")
    if unordered:
        found.sort(key=list(arrays).index)
    return tuple(dict.fromkeys(found))


def check_differentiable(function: str, arrays: Arrays) -> None:
    """Refuses arrays that cannot be differentiated with respect to.

    Raises:
        TypeError: one is neither float64 nor float32, or they differ in dtype.
        ValueError: one holds NaN alone.
    """
    for name, array in arrays.items():
        if str(array.dtype) not in DTYPES:
            raise TypeError(
                f"{function}: {name} has dtype {array.dtype}; accepted are {', '.join(DTYPES)}"
            )
        if _is_all_nan(array):
            raise ValueError(f"{function}: {name}{first_index(np.isnan(array))} is NaN")
    if len({array.dtype for array in arrays.values()}) > 1:
        found = ", ".join(f"{name} {array.dtype}" for name, array in arrays.items())
        raise TypeError(f"{function}: all floating-point arrays must share one dtype, got {found}")


def _is_all_nan(array: Array) -> bool:
    return bool(array.size) and bool(np.isnan(array).all())


def _may_hide_arrays(leaf: Tree) -> bool:
    """Would arrays in there be handed on in silence, as if they were constants?"""
    torch = loaded_torch()
    if torch is not None and isinstance(leaf, torch.Tensor | torch.Size):
        return False
    if isinstance(leaf, type | str | bytes | bytearray | range):
        return False
    if isinstance(leaf, np.ndarray | np.generic):
        return isinstance(leaf, np.ma.MaskedArray) or leaf.dtype.kind in "OV"
    return isinstance(leaf, Sequence) or is_dataclass(leaf) or hasattr(leaf, "__array__")


def _to_numpy(path: Path, leaf: Tree) -> Tree:
    torch = loaded_torch()
    if torch is None or not isinstance(leaf, torch.Tensor):
        return leaf
    try:
        return leaf.detach().resolve_conj().resolve_neg().cpu().numpy()
    except (TypeError, RuntimeError):
        raise TypeError(
            f"check: {Leaf(path, leaf)} is {described(leaf)}, {leaf.layout}; accepted are dense "
            f"ones of {', '.join(DTYPES)}"
        ) from None
