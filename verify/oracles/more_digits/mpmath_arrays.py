"""Arrays of 50 digits: NumPy's functions on the numbers of mpmath.

NumPy computes on arrays of Python objects by calling their operators, and methods with the names of
its own functions, so that plain array code runs unchanged. `WideArray` adds what such arrays lack:
functions that NumPy lacks for object arrays, the solution of linear equations by elimination, and a
count of operations, each of which takes about a microsecond.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from reference_impls.computation import Array

DIGITS = 50
"""Decimal digits of the mpmath carrier: float64's sixteen, and twice as many to lose."""


WORK = 400_000
"""The most operations that a function is given, which take a second or so."""


COSTLY = 10
"""Operations that a transcendental function counts for, per entry."""


PREDICATES = ("isfinite", "isinf", "isnan", "signbit")
"""NumPy's functions from numbers to truth values."""


CHEAP = (
    *("add", "subtract", "multiply", "divide", "square", "reciprocal", "negative", "positive"),
    *("absolute", "fabs", "sign", "copysign", "conjugate", "maximum", "minimum", "fmax", "fmin"),
    *("greater", "greater_equal", "less", "less_equal", "equal", "not_equal", *PREDICATES),
)
"""NumPy's functions that count for one operation per entry."""


Native = Any
"""A carrier's array or number, or whatever NumPy passes on: these share no base class."""


class Workshop:
    """Makes numbers of `DIGITS` digits, and counts what is done with them.

    The numbers belong to an mpmath context of the workshop's own. They are given methods with the
    names of NumPy's functions, since those are what NumPy calls.
    """

    def __init__(self) -> None:
        import mpmath  # noqa: PLC0415 -- few functions are carried in so many digits

        self.context = mpmath.MPContext()
        self.context.dps = DIGITS
        self.left = WORK
        self.convert = np.frompyfunc(self._convert, 1, 1)
        for name, function in self._methods().items():
            setattr(self.context.mpf, name, self._method(function))

    def digits(self, array: Native) -> "WideArray":
        """An array of this workshop's numbers; one of shape () for a single number."""
        made = np.asarray(self.numbers(array)).view(WideArray)
        made.workshop = self
        return made

    def numbers(self, array: Native) -> Array:
        """The same as a plain array of dtype object."""
        with np.errstate(invalid="ignore"):  # NaN is as good an entry as any
            return np.asarray(self.convert(np.asarray(array).astype(np.object_)), dtype=np.object_)

    def spend(self, operations: int) -> None:
        """Counts operations that are about to be done.

        Raises:
            RuntimeError: with these, there are more than `WORK`.
        """
        self.left -= operations
        if self.left < 0:
            raise RuntimeError(f"more than {WORK:,} operations")

    @cached_property
    def functions(self) -> dict[str, np.ufunc]:
        """Functions that NumPy lacks for object arrays, by name."""
        context = self.context
        ones = {
            "isfinite": context.isfinite,
            "isinf": context.isinf,
            "isnan": context.isnan,
            "signbit": lambda x: x < 0,
            "trunc": lambda x: context.sign(x) * context.floor(abs(x)),
        }
        twos = {
            "logaddexp": lambda x, y: context.log(context.exp(x) + context.exp(y)),
            "copysign": lambda x, y: -abs(x) if y < 0 else abs(x),
            "heaviside": lambda x, y: y if x == 0 else context.mpf(x > 0),
            "float_power": lambda x, y: x**y,
        }
        return {name: np.frompyfunc(f, 1, 1) for name, f in ones.items()} | {
            name: np.frompyfunc(f, 2, 1) for name, f in twos.items()
        }

    def _convert(self, number: Native) -> Native:
        if isinstance(number, np.longdouble):  # it is exactly a float64 and another for the rest
            high = float(number)
            return self.context.mpf(high) + float(number - high) if np.isfinite(high) else high
        return self.context.convert(number)

    def _methods(self) -> dict[str, Callable[..., Native]]:
        context = self.context
        same = (
            *("exp", "expm1", "log", "log1p", "log10", "sqrt", "sin", "cos", "tan"),
            *("sinh", "cosh", "tanh", "floor", "ceil", "hypot", "degrees", "radians"),
        )
        inverse = ("sin", "cos", "tan", "sinh", "cosh", "tanh", "tan2")
        return {
            **{name: getattr(context, name) for name in same},
            **{f"arc{name}": getattr(context, f"a{name}") for name in inverse},
            "exp2": lambda x: context.mpf(2) ** x,
            "log2": lambda x: context.log(x, 2),
            "fabs": abs,
            "rint": context.nint,
            "fmod": lambda x, y: context.sign(x) * (abs(x) % abs(y)),
            "cbrt": lambda x: context.sign(x) * context.cbrt(abs(x)),
        }

    def _method(self, function: Callable[..., Native]) -> Callable[..., Native]:
        context = self.context

        def method(*numbers: Native) -> Native:
            result = function(*numbers)
            # To mpmath the logarithm of a negative number is complex, to NumPy it is NaN.
            return result if isinstance(result, context.mpf) else context.nan

        return method


class WideArray(np.ndarray[Any, np.dtype[Any]]):
    """An array of a workshop's numbers.

    An array of dtype object can do nearly all that is needed. This adds the rest: functions that
    NumPy lacks for object arrays, the solution of linear equations, scalars that are still arrays,
    and the count of operations.
    """

    workshop: Workshop

    def __array_finalize__(self, made_from: Native) -> None:
        if made_from is not None and hasattr(made_from, "workshop"):
            self.workshop = made_from.workshop

    def __getitem__(self, key: Native) -> Native:
        return self._wrapped(super().__getitem__(key))

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: Native, *inputs: Native, **options: Native
    ) -> Native:
        self.workshop.spend(_work(ufunc, inputs))
        function: Native = self.workshop.functions.get(ufunc.__name__, ufunc)
        if method == "at":  # which works in place
            return function.at(*map(_plain, inputs))
        if "out" in options:
            options["out"] = tuple(_plain(array) for array in options["out"])
        result = getattr(function, method)(*map(self.workshop.numbers, inputs), **options)
        if ufunc.__name__ in PREDICATES:
            return np.asarray(result).astype(np.bool_)[()]
        return self._wrapped(result)

    def __array_function__(
        self, function: Native, types: Native, arguments: Native, options: Native
    ) -> Native:
        if function is np.linalg.solve:
            return solve(*arguments, **options)
        if function is np.linalg.inv:
            (matrix,) = arguments
            return solve(matrix, np.eye(len(matrix)))
        return self._wrapped(super().__array_function__(function, types, arguments, options))

    def _wrapped(self, result: Native) -> Native:
        if isinstance(result, tuple | list):
            return type(result)(map(self._wrapped, result))
        if isinstance(result, self.workshop.context.mpf):
            result = np.array(result, dtype=np.object_)
        if not isinstance(result, np.ndarray) or result.dtype != np.object_:
            return result
        wrapped = result.view(WideArray)
        wrapped.workshop = self.workshop
        return wrapped


def solve(matrix: Native, right: Native) -> Native:
    """The X of A X = B by Gaussian elimination, the largest entry of each column as its pivot.

    Args:
        matrix: A, (n, n).
        right: B, (n,) or (n, k).

    Raises:
        LinAlgError: A is singular.
        TypeError: other shapes.
    """
    n = matrix.shape[0]
    if matrix.shape != (n, n) or right.ndim > 2:
        raise TypeError(f"no solution by mpmath for shapes {matrix.shape} and {right.shape}")
    rows = np.concatenate([matrix, right.reshape(n, -1)], axis=1)
    for k in range(n):
        pivot = k + int(np.argmax(np.abs(rows[k:, k])))
        if rows[pivot, k] == 0:
            raise np.linalg.LinAlgError("Singular matrix")
        rows[[k, pivot]] = rows[[pivot, k]]
        rows[k + 1 :] = rows[k + 1 :] - np.outer(rows[k + 1 :, k] / rows[k, k], rows[k])
    solution = rows[:, n:]
    for k in reversed(range(n)):
        solution[k] = (solution[k] - rows[k, k + 1 : n] @ solution[k + 1 :]) / rows[k, k]
    return solution.reshape(right.shape)


def _work(ufunc: np.ufunc, inputs: Sequence[Native]) -> int:
    """About how many operations on single numbers a call takes."""
    shapes = [np.shape(each) for each in inputs]
    if ufunc.signature:  # products: every entry of the first with every column of the last
        return int(prod(shapes[0]) * prod(shapes[-1][-1:]))
    entries = max(int(prod(shape)) for shape in shapes)
    if len(shapes) > 1:
        with suppress(ValueError):  # `at`, or shapes that do not fit, as NumPy will say
            entries = int(prod(np.broadcast_shapes(*shapes)))
    return entries * (1 if ufunc.__name__ in CHEAP else COSTLY)


def _plain(array: Native) -> Native:
    return array.view(np.ndarray) if isinstance(array, WideArray) else array
