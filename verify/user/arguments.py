"""A user's function and its arguments, as the named arrays that the checks compute with.

The checks know one kind of function, ``make_vjp(**primals)`` of flat arrays. A user's takes its
arguments by position or by name, nested in dicts, lists and tuples, some of them no arrays at all,
and returns its gradients likewise. What it returns may also be nothing that could be compared: that
is said in one line, as a `RefusalError`, and never a traceback from inside a check.
"""

import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, is_dataclass
from functools import cached_property, partial
from numbers import Integral, Number
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from reference_impls.computation import DTYPES, Array, Arrays
from reference_impls.nested import Leaf, Path, Tree, kind_of, located, map_located
from reference_impls.validation import nearest
from verify.checks.check import RefusalError
from verify.error_model.arrays import first_index

SHOWN = 4
"""Leaves in a message, at most."""


MakeVjp = Callable[..., Any]
"""``make_vjp(*primals)`` or ``make_vjp(**primals)``, which returns ``(value, vjp)``."""


@dataclass(frozen=True)
class Arguments:
    """One call's arguments.

    Attributes:
        function: its name, in messages.
        by_name: the arguments, in the order of the call.
        positional: are they given by position?
        alone: is there one, given without a tuple around it?
        arrays: the floating-point arrays among their leaves, by path: ``x``, ``layer['W']``. Those
            that are cast where gradients are computed in another dtype: all of `wrt`, and others
            of the same dtype. What holds NaN, or is of another dtype, is a constant.
        wrt: those of them that gradients are wanted for.
    """

    function: str
    by_name: dict[str, Tree]
    positional: bool
    alone: bool
    arrays: Arrays
    wrt: tuple[str, ...]

    @classmethod
    def of(
        cls, make_vjp: MakeVjp, primals: Tree, wrt: str | Iterable[str] | None = None
    ) -> "Arguments":
        """The arguments of a call of `make_vjp`.

        Args:
            make_vjp: whose parameters name arguments that are given by position.
            primals: a dict of arguments by name, a tuple of them by position, or a single array.
                torch tensors are taken as arrays.
            wrt: which to differentiate with respect to: names of arguments, or paths of leaves;
                all floating-point arrays if None.

        Raises:
            TypeError: `make_vjp` cannot be called, or there is nothing to differentiate, or the
                arrays of `wrt` differ in dtype, or what may hold arrays is no dict, list or tuple.
            ValueError: `wrt` names no array, or an array of `wrt` holds NaN, or two leaves have the
                same path.
        """
        if not callable(make_vjp):
            raise TypeError(
                f"check: got {kind_of(make_vjp)}, wanted a function that returns (value, vjp)"
            )
        function = name_of(make_vjp)
        alone = not isinstance(primals, Mapping | tuple)
        given = (primals,) if alone else primals
        positional = not isinstance(given, Mapping)
        by_name = _named(make_vjp, given) if positional else dict(given)
        for name in by_name:
            if not isinstance(name, str):
                raise TypeError(f"{function}: got {name!r} for an argument's name, wanted a string")
        by_name = {name: _with_arrays_of_numpy(function, name, by_name[name]) for name in by_name}
        found = _floating(function, _leaves(by_name))
        chosen = _wrt(function, found, wrt)
        _check_differentiable(function, {name: found[name] for name in chosen})
        dtype = found[chosen[0]].dtype
        arrays = {
            name: array
            for name, array in found.items()
            if name in chosen or (array.dtype == dtype and not np.isnan(array).any())
        }
        return cls(function, by_name, positional, alone, arrays, chosen)

    @cached_property
    def dtype(self) -> str:
        """The one dtype of the arrays."""
        return str(self.arrays[self.wrt[0]].dtype)

    @property
    def entries(self) -> int:
        """How many numbers gradients are wanted for."""
        return sum(self.arrays[name].size for name in self.wrt)

    @cached_property
    def call(self) -> str:
        """The call, with shapes and dtypes for values."""
        described = ", ".join(f"{name}: {_described(tree)}" for name, tree in self.by_name.items())
        return f"{self.function}({described})"

    @property
    def undifferentiated(self) -> tuple[str, ...]:
        """The numbers among the leaves that are no integers, and no arrays."""
        return tuple(str(leaf) for leaf in _leaves(self.by_name) if _is_python_float(leaf.value))

    def with_arrays(self, arrays: Arrays) -> tuple[tuple[Tree, ...], dict[str, Tree]]:
        """Positional and keyword arguments with other arrays in the places of these."""

        def leaf(path: Path, value: Tree) -> Tree:
            found = arrays.get(str(Leaf(path, value)))
            if found is not None:
                return np.asarray(found)  # NumPy makes a number of a sum of arrays of shape ()
            # The user's own array of integers, which a function may write to.
            return value.copy() if isinstance(value, np.ndarray) else value

        trees = {name: map_located(leaf, tree, (name,)) for name, tree in self.by_name.items()}
        return (tuple(trees.values()), {}) if self.positional else ((), trees)

    def tree(self, arrays: Arrays) -> Tree:
        """The same as the one tuple or dict that adapters take."""
        positional, named = self.with_arrays(arrays)
        return positional if self.positional else named

    def tangents(self, arrays: Arrays) -> Tree:
        """The same with None for every leaf that has no tangent."""

        def leaf(path: Path, value: Tree) -> Tree:
            found = arrays.get(str(Leaf(path, value)))
            return None if found is None else np.asarray(found)

        trees = {name: map_located(leaf, tree, (name,)) for name, tree in self.by_name.items()}
        return tuple(trees.values()) if self.positional else trees

    def gradients(
        self, returned: Tree, giver: str = "the vjp returned", dtype: npt.DTypeLike = np.float64
    ) -> Arrays:
        """The gradients in what a VJP returned, by path.

        Args:
            returned: by it.
            giver: the beginning of a message.
            dtype: of Python numbers, which have none.

        Raises:
            RefusalError: one is missing, or is no array, or there is one for nothing.
        """
        trees = self._by_argument(returned, giver)
        return {name: self._gradient(name, trees, giver, dtype) for name in self.wrt}

    def _by_argument(self, returned: Tree, giver: str) -> Mapping[str, Tree]:
        if not self.positional:
            if not isinstance(returned, Mapping):
                raise RefusalError(f"{giver} {with_article(returned)}, wanted a dict of gradients")
            return self._known(returned, giver)
        names = list(self.by_name)
        in_tuple = isinstance(returned, tuple if self.alone else tuple | list)
        if len(names) == 1 and not (in_tuple and len(returned) == 1):
            return {names[0]: returned}
        if not in_tuple or len(returned) != len(names):
            given = f"{len(returned)} gradients" if in_tuple else with_article(returned)
            wanted = f"a tuple of {len(names)}, for {', '.join(names)}"
            raise RefusalError(f"{giver} {given}, wanted {wanted}")
        return dict(zip(names, returned, strict=True))

    def _known(self, returned: Mapping[str, Tree], giver: str) -> Mapping[str, Tree]:
        for key in returned:
            if key not in self.by_name:
                raise RefusalError(
                    f"{giver} a gradient for {key!r}, which is none of {', '.join(self.by_name)}"
                    f"{nearest(str(key), self.by_name)}"
                )
        return returned

    def _gradient(
        self, name: str, trees: Mapping[str, Tree], giver: str, dtype: npt.DTypeLike
    ) -> Array:
        found: Tree = trees
        for key in self._paths[name]:
            try:
                found = found[key]
            except (KeyError, IndexError, TypeError):
                given = ", ".join(map(str, trees)) or "none"
                raise RefusalError(f"{giver} no gradient for {name} (got {given})") from None
        shape = self.arrays[name].shape
        if isinstance(found, list | tuple) or (shape and not hasattr(found, "shape")):
            hint = f", as {name} is no dict" if isinstance(found, Mapping) else ""
            wanted = f"wanted an array of shape {shape}{hint}"
            raise RefusalError(f"{giver} {with_article(found)} for {name}, {wanted}")
        return array_from(found, giver, f"for {name}", self.dtype, dtype)

    @property
    def _paths(self) -> dict[str, Path]:
        return {str(leaf): leaf.path for leaf in _leaves(self.by_name)}


def array_from(found: Tree, giver: str, what: str, wanted: str, dtype: npt.DTypeLike) -> Array:
    """What a user's function returned, as an array of real or complex numbers.

    Args:
        found: that.
        giver: the beginning of a message.
        what: it should be, for the same.
        wanted: the dtype there should be.
        dtype: of Python numbers.

    Raises:
        RefusalError: it is another thing.
    """
    if type(found) is float:
        return np.asarray(found, dtype)
    if type(found) is complex:
        return np.asarray(found)
    if isinstance(found, torch.Tensor):
        raise RefusalError(f"{giver} a tensor {what}; wrap a torch function in from_torch")
    if isinstance(found, np.ma.MaskedArray):
        raise RefusalError(f"{giver} a masked array {what}, wanted one without a mask")
    if isinstance(found, np.ndarray | np.generic) and np.issubdtype(found.dtype, np.inexact):
        return np.asarray(found)
    raise RefusalError(
        f"{giver} {with_article(found)} {what}, wanted a number or an array of {wanted}"
    )


def name_of(function: MakeVjp) -> str:
    """What a user calls it."""
    if isinstance(function, partial):
        return name_of(function.func)
    name = getattr(function, "name", None) or getattr(function, "__name__", None)
    return name if isinstance(name, str) else type(function).__name__


def _named(function: MakeVjp, primals: Sequence[Tree]) -> dict[str, Tree]:
    names = [parameter.name for parameter in positional_parameters(function)]
    if len(names) < len(primals):
        names = [f"argument {position}" for position in range(len(primals))]
    return dict(zip(names, primals, strict=False))


def positional_parameters(function: MakeVjp) -> list[inspect.Parameter]:
    """Those that take an argument by position."""
    with suppress(TypeError, ValueError):  # some built-in functions have no signature
        return [
            parameter
            for parameter in inspect.signature(function).parameters.values()
            if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        ]
    return []


def _with_arrays_of_numpy(function: str, name: str, tree: Tree) -> Tree:
    def leaf(path: Path, value: Tree) -> Tree:
        if _may_hide_arrays(value):
            raise TypeError(
                f"{function}: {Leaf(path, value)} is {with_article(value)}, which is not looked "
                "into; wanted a dict, list or tuple, or a NumPy array of numbers"
            )
        return _to_numpy(path, value)

    try:
        return map_located(leaf, tree, (name,))
    except RecursionError:
        raise TypeError(f"{function}: {name} contains itself, or is nested too deep") from None


def _may_hide_arrays(leaf: Tree) -> bool:
    """Would what is in there be handed on without a word, as if it were a constant?"""
    if isinstance(leaf, type | torch.Tensor | torch.Size | str | bytes | bytearray | range):
        return False
    if isinstance(leaf, np.ndarray | np.generic):
        return isinstance(leaf, np.ma.MaskedArray) or leaf.dtype.kind in "OV"
    return isinstance(leaf, Sequence) or is_dataclass(leaf) or hasattr(leaf, "__array__")


def _is_python_float(leaf: Tree) -> bool:
    return isinstance(leaf, Number) and not isinstance(leaf, Integral | np.generic)


def _to_numpy(path: Path, leaf: Tree) -> Tree:
    if not isinstance(leaf, torch.Tensor):
        return leaf
    try:
        return leaf.detach().resolve_conj().resolve_neg().cpu().numpy()
    except (TypeError, RuntimeError):
        raise TypeError(
            f"check: {Leaf(path, leaf)} is {with_article(leaf)}, {leaf.layout}; accepted are dense "
            f"ones of {', '.join(DTYPES)}"
        ) from None


def _leaves(by_name: Mapping[str, Tree]) -> list[Leaf]:
    return [leaf for name, tree in by_name.items() for leaf in located(tree, name)]


def _floating(function: str, leaves: Sequence[Leaf]) -> Arrays:
    """Copies of the floating-point arrays, by path."""
    path, times = Counter(map(str, leaves)).most_common(1)[0] if leaves else ("", 1)
    if times > 1:
        raise ValueError(f"{function}: {times} of the arguments' leaves are called {path}")
    arrays = {
        str(leaf): np.array(leaf.value)  # not the user's own, which a function may write to
        for leaf in leaves
        if isinstance(leaf.value, np.ndarray | np.generic)
        and np.issubdtype(leaf.value.dtype, np.inexact)
    }
    if not arrays:
        got = ", ".join(f"{leaf}: {kind_of(leaf.value)}" for leaf in leaves[:SHOWN]) or "nothing"
        got += f" and {len(leaves) - SHOWN} more" if len(leaves) > SHOWN else ""
        raise TypeError(f"{function}: got {got}, wanted at least one floating-point NumPy array")
    return arrays


def _check_differentiable(function: str, arrays: Arrays) -> None:
    for name, array in arrays.items():
        if str(array.dtype) not in DTYPES:
            raise TypeError(
                f"{function}: {name} has dtype {array.dtype}; accepted are {', '.join(DTYPES)}"
            )
        if np.isnan(array).any():
            raise ValueError(f"{function}: {name}{first_index(np.isnan(array))} is NaN")
    if len({array.dtype for array in arrays.values()}) > 1:
        found = ", ".join(f"{name} {array.dtype}" for name, array in arrays.items())
        raise TypeError(f"{function}: all floating-point arrays must share one dtype, got {found}")


def _wrt(function: str, arrays: Arrays, wanted: object) -> tuple[str, ...]:
    if wanted is None:
        return tuple(arrays)
    if not isinstance(wanted, Iterable) or isinstance(wanted, bytes):
        raise TypeError(f"{function}: wrt is {with_article(wanted)}, wanted names of arguments")
    # The order of a set is another in every process: that of the arrays is not.
    unordered = isinstance(wanted, set | frozenset)
    names = (wanted,) if isinstance(wanted, str) else wanted
    chosen: list[str] = []
    for name in sorted(names, key=str) if unordered else names:
        under = [path for path in arrays if path == name or path.startswith(f"{name}[")]
        if not under:
            raise ValueError(
                f"{function}: wrt names {name!r}; floating-point arrays are {', '.join(arrays)}"
                f"{nearest(str(name), arrays)}"
            )
        chosen += under
    if not chosen:
        raise ValueError(f"{function}: wrt is empty; accepted are {', '.join(arrays)}")
    if unordered:
        chosen.sort(key=list(arrays).index)
    return tuple(dict.fromkeys(chosen))


def _described(tree: Tree) -> str:
    leaves = located(tree, "")
    if len(leaves) != 1 or isinstance(tree, Mapping | list | tuple):
        return f"{type(tree).__name__} of {len(leaves)}"
    if isinstance(tree, np.ndarray | np.generic):
        return f"{tree.shape} {tree.dtype}"
    return repr(tree) if isinstance(tree, int | float | str | None) else type(tree).__name__


def with_article(value: object) -> str:
    """What it is, with its article."""
    if value is None:
        return "None"
    kind = kind_of(value)
    return f"{'an' if kind[0].lower() in 'aeio' else 'a'} {kind}"
