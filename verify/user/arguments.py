"""The arguments of one call of a user's function, as named arrays.

The checks know one kind of function: ``make_vjp(**primals)`` of flat arrays. A user's function
takes its arguments by position or by name, nested in dicts, lists and tuples, and some of them are
no arrays at all. `Arguments` goes from one to the other and back.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Integral, Number
from typing import Any

import numpy as np
import numpy.typing as npt

from reference_impls.computation import Array, Arrays
from reference_impls.nested import Leaf, Path, Tree, located, map_located
from reference_impls.words import kind_of, name_of
from verify.error_model.arrays import first_index
from verify.user.primals import (
    check_differentiable,
    chosen,
    floating,
    leaves_of,
    with_numpy_arrays,
)

Mask = npt.NDArray[np.bool_]

MakeVjp = Callable[..., Any]
"""``make_vjp(*primals)`` or ``make_vjp(**primals)``, which returns ``(value, vjp)``."""


@dataclass(frozen=True)
class Arguments:
    """The arguments of one call.

    Attributes:
        function: what messages call it.
        by_name: the arguments, in the order of the call.
        positional: they are given by position.
        alone: there is one, and it is given without a tuple around it.
        arrays: the floating-point arrays among the leaves, by path: ``x``, ``layer['W']``. They are
            cast where gradients are computed in another dtype. All arrays of `wrt` are here, and
            others of the same dtype; one of another dtype, or with NaN in it, is a constant.
        wrt: the paths that gradients are wanted for.
        holes: where an array of `wrt` is NaN, by path. No derivative can be asked for there: the
            entry is NaN in every call, stands as zero in `arrays`, and so has the gradient zero.
    """

    function: str
    by_name: dict[str, Tree]
    positional: bool
    alone: bool
    arrays: Arrays
    wrt: tuple[str, ...]
    holes: Mapping[str, Mask] = field(default_factory=dict)

    @classmethod
    def of(
        cls, make_vjp: MakeVjp, primals: Tree, wrt: str | Iterable[str] | None = None
    ) -> "Arguments":
        """The arguments of a call of `make_vjp`.

        Args:
            make_vjp: its parameters name the arguments that are given by position.
            primals: a dict of arguments by name, a tuple of them by position, or a single array.
                Tensors of torch become arrays.
            wrt: what to differentiate with respect to: names of arguments, or paths of leaves;
                all floating-point arrays if None.

        Raises:
            TypeError: `make_vjp` cannot be called, there is nothing to differentiate, the arrays
                of `wrt` differ in dtype, or something other than a dict, list or tuple may hold
                arrays.
            ValueError: `wrt` names no array, or one that holds NaN alone, or two leaves have the
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
        by_name = {name: with_numpy_arrays(function, name, by_name[name]) for name in by_name}
        found = floating(function, leaves_of(by_name))
        paths = chosen(function, found, wrt)
        check_differentiable(function, {path: found[path] for path in paths})
        dtype = found[paths[0]].dtype
        arrays = {
            path: array
            for path, array in found.items()
            if path in paths or (array.dtype == dtype and not np.isnan(array).any())
        }
        holes = {path: np.isnan(arrays[path]) for path in paths if np.isnan(arrays[path]).any()}
        for path, hole in holes.items():
            arrays[path][hole] = 0.0
        return cls(function, by_name, positional, alone, arrays, paths, holes)

    @cached_property
    def dtype(self) -> str:
        """The dtype that all the arrays have."""
        return str(self.arrays[self.wrt[0]].dtype)

    @property
    def entries(self) -> int:
        """How many numbers gradients are wanted for."""
        return sum(self.arrays[name].size for name in self.wrt)

    @property
    def dotted(self) -> set[str]:
        """The paths of `wrt` as a module names its parameters: ``0.weight``."""
        leaves = leaves_of(self.by_name)
        return {".".join(map(str, leaf.path)) for leaf in leaves if str(leaf) in self.wrt}

    @cached_property
    def call(self) -> str:
        """The call, with shapes and dtypes for values."""
        given = ", ".join(f"{name}: {_summarised(tree)}" for name, tree in self.by_name.items())
        return f"{self.function}({given})"

    @property
    def undifferentiated(self) -> tuple[str, ...]:
        """Python numbers that are no integers, and NaN: no gradient is asked for."""
        numbers = (str(leaf) for leaf in leaves_of(self.by_name) if _is_python_float(leaf.value))
        return (*numbers, *(_hole_in_words(path, hole) for path, hole in self.holes.items()))

    def with_arrays(self, arrays: Arrays) -> tuple[tuple[Tree, ...], dict[str, Tree]]:
        """Positional and keyword arguments of a call with these arrays in place of its own."""

        def leaf(path: Path, value: Tree) -> Tree:
            name = str(Leaf(path, value))
            found = arrays.get(name)
            if found is not None:
                # NumPy makes a number of a sum of arrays of shape ().
                return self._filled(name, np.asarray(found), np.nan)
            # A copy: the function may write to the user's own array of integers.
            return value.copy() if isinstance(value, np.ndarray) else value

        trees = {name: map_located(leaf, tree, (name,)) for name, tree in self.by_name.items()}
        return (tuple(trees.values()), {}) if self.positional else ((), trees)

    def tree(self, arrays: Arrays) -> Tree:
        """The same arguments as the tuple or the dict that adapters take."""
        positional, named = self.with_arrays(arrays)
        return positional if self.positional else named

    def tangents(self, arrays: Arrays) -> Tree:
        """The same for tangents: None for every leaf that has none."""

        def leaf(path: Path, value: Tree) -> Tree:
            name = str(Leaf(path, value))
            found = arrays.get(name)
            return None if found is None else self._filled(name, np.asarray(found), 0.0)

        trees = {name: map_located(leaf, tree, (name,)) for name, tree in self.by_name.items()}
        return tuple(trees.values()) if self.positional else trees

    def without_holes(self, name: str, gradient: Array) -> Array:
        """A gradient with zeros where its primal is NaN: whatever stands there is not judged."""
        fits = name not in self.holes or gradient.shape == self.holes[name].shape
        return self._filled(name, gradient, 0.0) if fits else gradient

    def _filled(self, name: str, array: Array, number: float) -> Array:
        """An array with a number in its holes: a copy if it has any, itself if not."""
        if name not in self.holes:
            return array
        copied = array.copy()
        copied[self.holes[name]] = number
        return copied


def positional_parameters(function: MakeVjp) -> list[inspect.Parameter]:
    """The parameters that take an argument by position."""
    with suppress(TypeError, ValueError):  # some built-in functions have no signature
        return [
            parameter
            for parameter in inspect.signature(function).parameters.values()
            if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        ]
    return []


def _named(function: MakeVjp, primals: Sequence[Tree]) -> dict[str, Tree]:
    names = [parameter.name for parameter in positional_parameters(function)]
    if len(names) < len(primals):
        names = [f"argument {position}" for position in range(len(primals))]
    return dict(zip(names, primals, strict=False))


def _hole_in_words(path: str, hole: Mask) -> str:
    count = int(hole.sum())
    return f"{path}{first_index(hole)} (NaN)" if count == 1 else f"{count} entries of {path} (NaN)"


def _is_python_float(leaf: Tree) -> bool:
    return isinstance(leaf, Number) and not isinstance(leaf, Integral | np.generic)


def _summarised(tree: Tree) -> str:
    """An argument as the call shows it: its shape and dtype, or how many leaves it has."""
    leaves = located(tree, "")
    if len(leaves) != 1 or isinstance(tree, Mapping | list | tuple):
        return f"{type(tree).__name__} of {len(leaves)}"
    if isinstance(tree, np.ndarray | np.generic):
        return f"{tree.shape} {tree.dtype}"
    return repr(tree) if isinstance(tree, int | float | str | None) else type(tree).__name__
