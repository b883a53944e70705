"""Primals, cotangents and names that do not fit are refused in one line, before any library runs.

Every message says which argument, what was given, and what is accepted.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

import numpy as np

from reference_impls.computation import DTYPES, Array, Arrays, Computation


def nearest(given: str, accepted: Iterable[str]) -> str:
    """``"; did you mean 'relu'?"`` when an accepted name is near the given one, else nothing."""
    matches = get_close_matches(given, list(accepted), n=1)
    return f"; did you mean {matches[0]!r}?" if matches else ""


def check_choice(kind: str, given: str, accepted: Iterable[str]) -> None:
    """Refuses a word that is not in a fixed list.

    Raises:
        ValueError: naming the accepted words and the nearest one.
    """
    accepted = tuple(accepted)
    if given not in accepted:
        listed = ", ".join(accepted)
        raise ValueError(
            f"unknown {kind} {given!r}: accepted are {listed}{nearest(given, accepted)}"
        )


def check_primals(computation: Computation, primals: Mapping[str, object]) -> Arrays:
    """Returns the primals as arrays if every one of them fits the computation.

    Raises:
        TypeError: an argument is missing or unknown, is no NumPy array, or has a dtype other than
            float64 or float32, or one that differs from the others'.
        ValueError: an argument is empty, holds NaN or infinity, or has a shape that does not fit.
    """
    _check_names(computation, primals)
    arrays = {name: _as_array(computation, name, primal) for name, primal in primals.items()}
    _check_one_dtype(computation, arrays)
    for name, array in arrays.items():
        _check_entries(computation, name, array)
    _check_shapes(computation, arrays)
    return arrays


def check_cotangent(computation: Computation, cotangent: object, value: Array) -> Array:
    """Returns the cotangent as an array if it has the value's shape and dtype.

    Raises:
        TypeError: it is no NumPy array or has another dtype than the value.
        ValueError: it has another shape than the value.
    """
    array = _as_array(computation, "cotangent", cotangent)
    if array.dtype != value.dtype:
        raise TypeError(
            f"{computation.name}: cotangent is {array.dtype}, but the value is {value.dtype}"
        )
    if array.shape != value.shape:
        raise ValueError(
            f"{computation.name}: cotangent has shape {array.shape}, "
            f"but the value has shape {value.shape}"
        )
    return array


def _check_names(computation: Computation, primals: object) -> None:
    if not isinstance(primals, Mapping):
        kind = type(primals).__name__
        raise TypeError(f"{computation.name}: primals are a {kind}; a dict of arrays is wanted")
    expected = tuple(computation.shapes) or computation.wrt
    listed = ", ".join(expected)
    for name in expected:
        if name not in primals:
            given = ", ".join(map(str, primals)) or "nothing"
            raise TypeError(
                f"{computation.name}: argument {name!r} is missing (takes {listed}; got {given})"
            )
    for name in primals if computation.shapes else ():
        if name not in expected:
            raise TypeError(
                f"{computation.name}: unknown argument {name!r} "
                f"(takes {listed}{nearest(name, expected)})"
            )


def _as_array(computation: Computation, name: str, given: object) -> Array:
    if not isinstance(given, np.ndarray | np.generic):
        kind = f"{type(given).__module__}.{type(given).__qualname__}".removeprefix("builtins.")
        raise TypeError(f"{computation.name}: {name} is a {kind}; a NumPy array is wanted")
    array = np.asarray(given)
    if str(array.dtype) not in DTYPES:
        raise TypeError(
            f"{computation.name}: {name} has dtype {array.dtype}; accepted are {', '.join(DTYPES)}"
        )
    return array


def _check_one_dtype(computation: Computation, arrays: Arrays) -> None:
    if len({array.dtype for array in arrays.values()}) > 1:
        found = ", ".join(f"{name} {array.dtype}" for name, array in arrays.items())
        raise TypeError(f"{computation.name}: all arguments must share one dtype, got {found}")


def _check_entries(computation: Computation, name: str, array: Array) -> None:
    if array.size == 0:
        raise ValueError(f"{computation.name}: {name} is empty (shape {array.shape})")
    finite = np.isfinite(array)
    if not finite.all():
        index = tuple(int(i) for i in np.argwhere(~finite)[0])
        where = f"[{', '.join(map(str, index))}]" if index else ""
        raise ValueError(
            f"{computation.name}: {name}{where} is {array[index]}; every entry must be finite"
        )


def _check_shapes(computation: Computation, arrays: Arrays) -> None:
    lengths: dict[str, tuple[str, int]] = {}
    for name, shape in computation.shapes.items():
        axes = shape.split()
        if axes == ["..."]:
            continue
        got = arrays[name].shape
        wanted = f"({', '.join(axes)})"
        if not _fits(got, axes):
            raise ValueError(f"{computation.name}: {name} has shape {got}, wanted {wanted}")
        for axis, length in zip(axes, got, strict=True):
            owner, agreed = lengths.setdefault(axis, (name, length))
            if length != agreed:
                raise ValueError(
                    f"{computation.name}: {name} wants shape {wanted} with {axis} = {agreed} "
                    f"as in {owner}, but has {length} there"
                )


def _fits(shape: tuple[int, ...], axes: list[str]) -> bool:
    """Whether there are as many axes as wanted, each as long as wanted if that is a number."""
    return len(shape) == len(axes) and all(
        length == int(axis) for axis, length in zip(axes, shape, strict=True) if axis.isdigit()
    )
