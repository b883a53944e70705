"""`check`: a gradient of your own, held against its own values and against what every VJP does.

There is one implementation, so there is no other to compare its entries with. The function's
values are enough: an oracle with an error bar differentiates them and tells whether ⟨Jᵀu, v⟩ is
right. It costs about a dozen times a value and its gradient, however many entries there are.
"""

import inspect
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reference_impls.computation import Array, Vjp
from reference_impls.engines.adapter import Adapter, TwiceDifferentiable
from reference_impls.engines.recognised import recognised
from reference_impls.nested import Tree
from reference_impls.words import kind_of, name_of
from verify.checks.case import DIRECTIONS, Case, case_at, shape_of_value
from verify.checks.check import BudgetSpentError, Check, RefusalError, overall
from verify.checks.first_order.gradients import verify_case
from verify.checks.first_order.left_out import left_out
from verify.checks.first_order.precision import ByHand
from verify.checks.noises import Noises
from verify.checks.report import Report
from verify.user.arguments import Arguments, MakeVjp
from verify.user.budget import Budget, Meter
from verify.user.by_output import with_outputs_named
from verify.user.expected import Comparison
from verify.user.function import UserFunction
from verify.user.left_as_found import left_as_found
from verify.user.second_order import second_order_of

PROBES = {"float64": 1, "float32": DIRECTIONS}
"""How many directions the oracle looks along.

A fault that is r times its tolerance hides from one direction with probability 0.8/r. One entry
lost among a million is 10¹¹ times its tolerance in float64, and 10³ times in float32.
"""


NOISE_PROBES = 2
"""How many points rounding noise is measured at; each costs a gradient in float32 and in float64.

Two points say little about one entry, but a dot product pools the noise of all entries.
"""


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
    budget: int | Budget | None = None,
) -> Report:
    """Is this gradient right, at these primals?

    Args:
        make_vjp: ``make_vjp(**primals) -> (value, vjp)``, or ``make_vjp(*primals)``; ``vjp`` maps a
            cotangent u of the value's shape and dtype to Jᵀu, in the structure of the primals. The
            value may be a dict, list or tuple, and u then has its structure.
            `from_torch`, `from_autograd` and `from_numpy` make one of other functions. A module,
            the ``apply`` of a `torch.autograd.Function`, and a function that is given tensors need
            no `from_torch`; of a module, the parameters are checked beside the inputs.
        primals: a dict of arguments by name, a tuple of them by position, or a single array; they
            may be nested. Arrays of float64 or float32 are differentiated; anything else is handed
            on as it is. Entries may be infinite, or NaN if the function ignores them; arrays may
            be empty.
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
        budget: how many evaluations the check may take, which are calls of the function; or a
            `Budget`, of evaluations, of seconds, or of both. What they do not suffice for is left
            out, and the report says so: without an oracle it is never *agree*. A disagreement that
            was found before stands, perhaps without a diagnosis. The default is no limit; a check
            of few entries takes some forty evaluations.

    Returns:
        A report; ``report.raise_for_verdict()`` makes it an assertion.

    Raises:
        TypeError: the arguments of this call do not fit together.
        ValueError: the same, where only their values do not.
    """
    _check_options(seed, probes, order, forward)
    meter = Meter(Budget.of(budget))
    make_vjp = recognised(make_vjp, primals)
    subject = _subject_of(make_vjp, primals, forward, wrt, meter)
    asked = _Asked(
        subject,
        seed,
        directions=probes or PROBES[subject.arguments.dtype],
        own_forward=forward is not None,
        expected=expected,
        twice=_twice_differentiable(make_vjp, subject.arguments) if order == 2 else None,
        precision=precision,
    )
    # The function is also evaluated in float32 and off its domain, where nobody asked for it, so
    # its warnings there are no news. What it raises at the primals themselves is reported.
    surroundings = left_as_found(make_vjp, forward, expected)
    with surroundings, np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        checks = asked.answers()
    # Random numbers are drawn in the order of `wrt`. A set has none, so the arrays' is written.
    ordered = wrt if isinstance(wrt, str | list | tuple | None) else list(subject.wrt)
    given = {"forward": forward, "expected": expected, "wrt": ordered, "seed": seed}
    given |= {"probes": probes, "order": order, "precision": precision, "budget": budget}
    parameters = make_vjp.parameters if isinstance(make_vjp, Adapter) else ()
    return _report(subject, seed, checks, parameters, _again(subject.arguments, given))


def _subject_of(
    make_vjp: MakeVjp,
    primals: Tree,
    forward: Callable[..., Any] | None,
    wrt: str | Iterable[str] | None,
    meter: Meter,
) -> UserFunction:
    """The function and its primals, with a module's parameters among them."""
    if isinstance(make_vjp, Adapter):
        primals = make_vjp.completed(primals)
    return UserFunction(make_vjp, forward, Arguments.of(make_vjp, primals, wrt), meter)


def _report(
    subject: UserFunction,
    seed: int,
    checks: Sequence[Check],
    parameters: Sequence[str],
    again: str,
) -> Report:
    arguments = subject.arguments
    return Report(
        call=arguments.call,
        seed=seed,
        checks=tuple(checks),
        again=again,
        undifferentiated=(
            *arguments.undifferentiated,
            *(subject.outputs.others if subject.outputs else ()),
            *(f"parameter {name}" for name in parameters if name not in arguments.dotted),
        ),
        parameters=tuple(name for name in parameters if name in arguments.dotted),
        wrt=arguments.wrt,
        dtype=arguments.dtype,
        entries=arguments.entries,
        evaluations=subject.meter.evaluations,
        vjps=subject.meter.vjps,
    )


@dataclass(frozen=True)
class _Asked:
    """What `check` was asked of a function.

    Attributes:
        subject: the user's function.
        seed: as in `check`.
        directions: how many the oracle looks along.
        own_forward: did the user give its value apart from its gradient?
        expected: as in `check`.
        twice: what differentiates the function twice, if that was asked for.
        precision: as in `check`.
    """

    subject: UserFunction
    seed: int
    directions: int
    own_forward: bool
    expected: Any
    twice: TwiceDifferentiable | None
    precision: bool

    def answers(self) -> list[Check]:
        """All checks; what was found before a refusal, or before the budget's end, is kept."""
        checks: list[Check] = []
        name = self.subject.name
        try:
            checks.extend(self._checks())
        except RefusalError as error:
            # It accepted the first call and refused a later one.
            refusal = Check(name, "contract", "a later call", "unsupported", str(error))
            checks.append(replace(refusal, cause=error.__cause__))
        except BudgetSpentError as spent:
            checks.append(left_out(name, "oracle", ["all checks"], spent))
        return checks

    def _case(self) -> Case:
        subject, arguments = self.subject, self.subject.arguments
        shape = shape_of_value([subject], arguments.arrays)
        key = (arguments.entries, self.seed)
        case = case_at(subject.name, subject.wrt, key, arguments.arrays, shape, self.directions)
        return replace(case, outputs=subject.outputs)

    def _checks(self) -> Iterator[Check]:
        """In the order in which each rests on the ones before it."""
        case, subject = self._case(), self.subject
        noises = Noises.of(case, [subject], NOISE_PROBES)
        comparison = Comparison(case, noises.allowed, subject)
        if self.own_forward:
            # The oracle differentiates this forward: if it were another function's, the oracle
            # would accuse a right gradient.
            values = comparison.against_forward()
            yield from values
            if overall(values) != "agree":
                return
        by_hand = ByHand(self._body, is_asked_for=True) if self.precision else None
        first = verify_case(case, [subject], noises, NOISE_POINTS, by_hand)
        yield from self._unless_spent(
            "oracle",
            "which of the outputs is wrong",
            lambda: with_outputs_named(case, subject, first, NOISE_POINTS),
            otherwise=first,
        )
        if first[0].kind == "contract" and first[0].verdict != "agree":
            return
        if self.expected is not None:
            yield from self._unless_spent(
                "vjp", "expected", lambda: comparison.against_expected(self.expected)
            )
        twice = self.twice
        if twice and overall(first) != "disagree":
            kind = "second order"
            has_kink = any(check.kind == "kink" for check in first)
            yield from self._unless_spent(
                kind, kind, lambda: second_order_of(case, subject, twice, has_kink=has_kink)
            )

    def _unless_spent(
        self,
        kind: str,
        what: str,
        checks: Callable[[], list[Check]],
        otherwise: Sequence[Check] = (),
    ) -> list[Check]:
        try:
            return checks()
        except BudgetSpentError as spent:
            return [*otherwise, left_out(self.subject.name, kind, [what], spent)]

    def _body(self, **primals: Array) -> tuple[Array, Vjp]:
        return self.subject.make_vjp(primals)


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
