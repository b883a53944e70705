"""`check`: a gradient of your own, held against its own values and against what every VJP does.

There is one implementation, so there is no other to compare its entries with. The function's
values are enough: an oracle with an error bar differentiates them and tells whether ⟨Jᵀu, v⟩ is
right. It costs about a dozen times a value and its gradient, however many entries there are.
"""

import inspect
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from reference_impls.computation import Array, Arrays, Computation, generator
from reference_impls.engines.adapter import Mode, TwiceDifferentiable
from reference_impls.nested import Tree
from reference_impls.words import kind_of, name_of
from verify.checks.case import DIRECTIONS, Case, cases_at
from verify.checks.check import Check, RefusalError, overall
from verify.checks.first_order.gradients import verify_case
from verify.checks.report import Report
from verify.user.arguments import Arguments, MakeVjp
from verify.user.expected import against_expected, against_forward
from verify.user.function import UserFunction
from verify.user.returned import gradients_from

PROBES = {"float64": 1, "float32": DIRECTIONS}
"""How many directions the oracle looks along.

A fault that is r times its tolerance hides from one direction with probability 0.8/r. One entry
lost among a million is 10¹¹ times its tolerance in float64, and 10³ times in float32.
"""


NOISE_PROBES = 2
"""How many points rounding noise is measured at; each costs a gradient in float32 and in float64.

Two points say little about one entry, but a dot product pools the noise of all entries.
"""


MODES: tuple[Mode, ...] = ("reverse over reverse", "forward over reverse")


NOISE_POINTS = 1
"""How many points an oracle's noise is measured at; one makes the oracle a quick one."""


def check(
    make_vjp: MakeVjp,
    primals: Tree,
    *,
    forward: Callable[..., Any] | None = None,
    expected: Any = None,  # noqa: ANN401 -- a function or a tree of arrays
    wrt: str | Iterable[str] | None = None,
    seed: int = 0,
    probes: int | None = None,
    order: int = 1,
    precision: bool = False,
) -> Report:
    """Is this gradient right, at these primals?

    Args:
        make_vjp: ``make_vjp(**primals) -> (value, vjp)``, or ``make_vjp(*primals)``; ``vjp`` maps a
            cotangent u of the value's shape and dtype to Jᵀu, in the structure of the primals.
            `from_torch`, `from_autograd` and `from_numpy` make one of other functions.
        primals: a dict of arguments by name, a tuple of them by position, or a single array; they
            may be nested. Arrays of float64 or float32 are differentiated; anything else is handed
            on as it is. Entries may be infinite, arrays empty.
        forward: the value alone, ``forward(**primals)``, from code that the gradient does not
            share; the oracle then differentiates it, and `make_vjp`'s value must equal it.
        expected: the right answer, where you have it: another such ``make_vjp``, or the gradients
            themselves of a function with a scalar value. Every entry is compared.
        wrt: the arguments to differentiate with respect to; None for all arrays.
        seed: of everything random.
        probes: how many random directions the oracle looks along; None for as many as the dtype
            needs: one in float64, where a fault is millions of times its tolerance, two in float32.
        order: 2 to check second derivatives as well, for functions of `from_torch` and
            `from_autograd`.
        precision: carry the function out with more digits too, and count ULPs. It takes NumPy
            code, and dozens of times as long.

    Returns:
        A report; ``report.raise_for_verdict()`` makes it an assertion.

    Raises:
        TypeError: the arguments of this call do not fit together.
        ValueError: the same, where only their values do not.
    """
    _check_options(seed, probes, order, forward)
    arguments = Arguments.of(make_vjp, primals, wrt)
    subject = UserFunction(make_vjp, forward, arguments)
    twice = _twice_differentiable(make_vjp, arguments) if order == 2 else None
    key = (arguments.entries, seed)
    directions = probes or PROBES[arguments.dtype]
    checks: list[Check] = []
    # The function is also evaluated in float32 and off its domain, where nobody asked for it, so
    # its warnings there are no news. What it raises at the primals themselves is reported.
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        computation, dtypes = _computation(subject), [arguments.dtype]
        (case,) = cases_at(
            computation, arguments.arrays, key, dtypes, [subject], directions, NOISE_PROBES
        )
        try:
            options = {"own_forward": forward is not None, "precision": precision}
            # One by one, so that what was found before a refusal is kept.
            checks.extend(_checks(case, subject, expected, twice, **options))
        except RefusalError as error:
            # It accepted the first call and refused a later one.
            refusal = Check(subject.name, "contract", "a later call", "unsupported", str(error))
            checks.append(refusal)
    # Random numbers are drawn in the order of `wrt`. A set has none, so the arrays' is written.
    ordered = wrt if isinstance(wrt, str | list | tuple | None) else list(arguments.wrt)
    given = {"forward": forward, "expected": expected, "wrt": ordered, "seed": seed}
    given |= {"probes": probes, "order": order, "precision": precision}
    again = _again(arguments, given)
    return Report(arguments.call, seed, tuple(checks), again, arguments.undifferentiated)


def _checks(
    case: Case,
    subject: UserFunction,
    expected: Any,  # noqa: ANN401 -- as in `check`
    twice: TwiceDifferentiable | None,
    *,
    own_forward: bool,
    precision: bool,
) -> Iterator[Check]:
    if own_forward:
        # The oracle differentiates this forward: if it were another function's, a right gradient
        # would be accused.
        values = against_forward(case, subject)
        yield from values
        if overall(values) != "agree":
            return
    first = verify_case(case, [subject], NOISE_POINTS, in_wider_dtype=precision)
    yield from first
    if first[0].verdict != "agree":
        return
    if expected is not None:
        yield from against_expected(case, subject, expected)
    if twice and overall(first) != "disagree":
        yield from _second_order(case, subject, twice)
    if precision:
        yield from _missing_precision(subject, first)


def _check_options(seed: object, probes: object, order: object, forward: object) -> None:
    for name, given, least in (("seed", seed, 0), ("probes", 1 if probes is None else probes, 1)):
        got = f"check: got {name}={_on_one_line(given)}"
        wanted = f"{got}, wanted a whole number of at least {least}"
        if not isinstance(given, int | np.integer):
            raise TypeError(wanted)
        if given < least:
            raise ValueError(wanted)
    # Its type first: whether an array is in a tuple has no single answer.
    if not isinstance(order, int | np.integer) or order not in (1, 2):
        raise ValueError(f"check: got order={_on_one_line(order)}, wanted 1 or 2")
    if not (forward is None or callable(forward)):
        raise TypeError(f"check: got {kind_of(forward)} for forward, wanted a function")


def _on_one_line(option: object) -> str:
    return " ".join(repr(option).split())


def _twice_differentiable(function: object, arguments: Arguments) -> TwiceDifferentiable:
    if isinstance(function, TwiceDifferentiable):
        return function
    raise TypeError(
        f"check: order=2 needs an engine that differentiates twice; {arguments.function} is of "
        f"type {kind_of(function)}, wanted from_torch(...) or from_autograd(...)"
    )


def _computation(subject: UserFunction) -> Computation:
    arguments = subject.arguments

    def by_hand(**primals: Array) -> tuple[Array, Callable[[Array], Arrays]]:
        return subject.make_vjp(computation, primals)

    computation = Computation(
        name=arguments.function,
        origin="the user",
        sample=lambda _rng, _size: arguments.arrays,
        wrt=arguments.wrt,
        sizes=(arguments.entries,),
        by_autograd=_absent,
        by_torch=_absent,
        by_hand=by_hand,
    )
    return computation


def _absent(**_: Any) -> Any:  # noqa: ANN401 -- never returns
    raise TypeError("the user's function has one implementation")


def _missing_precision(subject: UserFunction, checks: Sequence[Check]) -> list[Check]:
    if any(check.kind == "precision" for check in checks):
        return []
    detail = "it does not carry more digits through, or is too slow with them"
    return [Check(subject.name, "precision", "more digits", "unsupported", detail)]


def _second_order(case: Case, subject: UserFunction, function: TwiceDifferentiable) -> list[Check]:
    # These checks load torch and autograd, and a check of first order does without.
    from verify.checks.second_order.checks import second_order_checks  # noqa: PLC0415

    arguments, cotangent = subject.arguments, case.cotangent

    def hvp(mode: Mode) -> Callable[[Arrays, Arrays], Arrays]:
        def along(primals: Arrays, tangents: Arrays) -> Arrays:
            u = cotangent.astype(primals[case.computation.wrt[0]].dtype)
            directions = arguments.tangents(tangents)
            products = function.hvp(arguments.tree(primals), u, directions, mode)
            return gradients_from(products, arguments)

        return along

    def gradient(primals: Arrays) -> Arrays:
        _, vjp = subject.make_vjp(case.computation, primals)
        return vjp(cotangent.astype(primals[case.computation.wrt[0]].dtype))

    modes: dict[str, Callable[[Arrays, Arrays], Arrays]] = {mode: hvp(mode) for mode in MODES}
    rng = generator(case.computation, case.size, case.seed, 4)
    checks = second_order_checks(
        subject.name, modes, gradient, case.primals, case.computation.wrt, case.dtype, rng
    )
    missing = [each for each in checks if each.verdict == "unsupported" and each.against in modes]
    # Custom functions seldom have forward mode, so one of the two modes is enough.
    kept = checks if len(missing) == len(modes) else [c for c in checks if c not in missing]
    return [_named(each) if each.verdict == "disagree" else each for each in kept]


def _named(check: Check) -> Check:
    detail = check.detail or "it is not the derivative of the gradient"
    return replace(check, fault="second derivative", detail=detail)


def _again(arguments: Arguments, given: Mapping[str, object]) -> str:
    own = inspect.signature(check).parameters
    options = [
        f"{name}={_written(name, option)}"
        for name, option in given.items()
        if name == "seed" or not _same(option, own[name].default)
    ]
    return f"check({', '.join([arguments.function, 'primals', *options])})"


def _same(option: object, default: object) -> bool:
    # Identity first, because == compares an array entry by entry.
    return option is default or (isinstance(option, int) and option == default)


def _written(name: str, option: object) -> str:
    if callable(option):
        return name_of(option)
    return name if name == "expected" else repr(option)
