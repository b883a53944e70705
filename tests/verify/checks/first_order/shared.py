"""One function alone, as `check` takes it: its case, its noise, its first call."""

from collections.abc import Callable
from typing import Any

import numpy as np

from reference_impls import Array
from reference_impls.computation import Vjp
from verify.checks.case import Case, case_at, shape_of_value
from verify.checks.first_order.appeal import Appeal
from verify.checks.first_order.observation import Call
from verify.checks.noises import Noises
from verify.user.arguments import Arguments
from verify.user.function import UserFunction

MakeVjp = Callable[..., tuple[Array, Vjp]]


def alone(
    make_vjp: MakeVjp, x: Array, dtype: str = "float64", seed: int = 0
) -> tuple[Case, UserFunction, Noises]:
    """The case at x, the function, and its noise at as few points as `check` takes."""
    arguments = Arguments.of(make_vjp, np.asarray(x, dtype), None)
    function = UserFunction(make_vjp, None, arguments)
    shape = shape_of_value([function], arguments.arrays)
    key = (arguments.entries, seed)
    case = case_at(function.name, function.wrt, key, arguments.arrays, shape)
    return case, function, Noises.of(case, [function], 2)


def appeal_of(make_vjp: MakeVjp, x: Array, dtype: str = "float64", seed: int = 0) -> Appeal:
    case, function, noises = alone(make_vjp, x, dtype, seed)
    return Appeal(case, function, noises.of_each(function.name))


def call_of(make_vjp: MakeVjp, x: Array, dtype: str = "float64", seed: int = 0) -> Call:
    case, function, noises = alone(make_vjp, x, dtype, seed)
    call = Call.of(case, noises.allowed, function)
    assert isinstance(call, Call)
    return call


def by_slope(f: Callable[[Any], Any], slope: Callable[[Any], Any]) -> MakeVjp:
    """Of an f that works entry by entry, with its derivative as a formula."""

    def make_vjp(x: Array) -> tuple[Array, Vjp]:
        return f(x), lambda u: np.asarray(u * slope(x), dtype=x.dtype)  # type: ignore[return-value]

    return make_vjp


def difference_quotient(f: Callable[[Any], Any], step: float) -> MakeVjp:
    """A central one in place of the derivative."""
    return by_slope(f, lambda x: (f(x + step) - f(x - step)) / (2 * step))
