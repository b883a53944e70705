"""A user's function, held against the forward or the right answer that the user gave."""

from contextlib import suppress
from dataclasses import replace

import numpy as np

from reference_impls.computation import Array, Arrays, copies
from reference_impls.nested import Tree
from reference_impls.words import name_of
from verify.checks.case import Case
from verify.checks.check import Check, RefusalError
from verify.checks.compare import contract_violation, worst_entry
from verify.error_model.arrays import first_index
from verify.user.arguments import Arguments
from verify.user.function import UserFunction
from verify.user.returned import gradients_from


def against_forward(case: Case, subject: UserFunction) -> list[Check]:
    """The value of `make_vjp` against that of the user's ``forward``.

    Nothing is compared where `make_vjp` gives no value; the check of its contract reports that.
    """
    with suppress(RefusalError):
        value, _ = subject.make_vjp(case.computation, copies(case.primals))
        return _values_beside(case, subject, value)
    return []


def _values_beside(case: Case, subject: UserFunction, value: Array) -> list[Check]:
    try:
        wanted = subject.forward(case.computation, copies(case.primals))
    except RefusalError as error:
        return [Check(subject.name, "value", "forward", "unsupported", str(error))]
    return [_compared_values(case, subject, "forward", value, wanted)]


def against_expected(case: Case, subject: UserFunction, expected: Tree) -> list[Check]:
    """Values and gradients against the right answer that the user has.

    Raises:
        RefusalError: `make_vjp`, or its VJP, refuses.
        TypeError: the gradients in `expected` are none, or have another dtype, or belong to a
            function whose value is no scalar.
        ValueError: they have another shape than the primals, or hold NaN.
    """
    value, vjp = subject.make_vjp(case.computation, case.primals)
    if not callable(expected):
        wanted = _wanted_gradients(subject.arguments, expected, value)
        return [_compared_gradients(case, subject, vjp(np.ones_like(value)), wanted)]
    other = UserFunction(expected, None, replace(subject.arguments, function=name_of(expected)))
    try:
        wanted_value, wanted_vjp = other.make_vjp(case.computation, case.primals)
        values = _compared_values(case, subject, "expected", value, wanted_value)
        if value.shape != wanted_value.shape:
            return [values]  # `expected` would not take a cotangent of another shape
        wanted = wanted_vjp(case.cotangent.copy())
    except RefusalError as error:
        return [Check(subject.name, "vjp", "expected", "unsupported", str(error))]
    fault = contract_violation(wanted_value, wanted, case.primals, case.computation.wrt)
    if fault:
        detail = f"{other.name}: {fault.sentence}"
        return [Check(subject.name, "vjp", "expected", "unsupported", detail)]
    return [values, _compared_gradients(case, subject, vjp(case.cotangent.copy()), wanted)]


def _wanted_gradients(arguments: Arguments, expected: Tree, value: Array) -> Arrays:
    if value.ndim:
        raise TypeError(
            f"check: expected holds gradients, but the value has shape {value.shape}; give another "
            "make_vjp as expected"
        )
    try:
        wanted = gradients_from(expected, arguments, "check: expected holds", arguments.dtype)
    except RefusalError as error:
        raise TypeError(str(error)) from None
    for name, array in wanted.items():
        shape = arguments.arrays[name].shape
        if array.shape != shape:
            raise ValueError(f"check: expected has shape {array.shape} for {name}, wanted {shape}")
        if array.dtype != arguments.dtype:
            raise TypeError(
                f"check: expected is {array.dtype} for {name}, wanted {arguments.dtype} as in "
                f"{arguments.call}"
            )
        if np.isnan(array).any():
            raise ValueError(f"check: expected{first_index(np.isnan(array))} is NaN for {name}")
    return wanted


def _compared_values(
    case: Case, subject: UserFunction, against: str, got: Array, wanted: Array
) -> Check:
    if got.shape != wanted.shape or got.dtype != wanted.dtype:
        both = f"the value is {got.dtype} of shape {got.shape}, {against} has {wanted.dtype} of"
        return Check(subject.name, "value", against, "disagree", f"{both} {wanted.shape}")
    return _compared(
        subject, "value", against, ({"value": got}, {"value": wanted}), case.noise.value
    )


def _compared_gradients(case: Case, subject: UserFunction, got: Arrays, wanted: Arrays) -> Check:
    return _compared(subject, "vjp", "expected", (got, wanted), case.noise.cotangents)


def _compared(
    subject: UserFunction, kind: str, against: str, both: tuple[Arrays, Arrays], noise: Arrays
) -> Check:
    got, wanted = both
    check = Check(subject.name, kind, against, "agree")
    if not any(array.size for array in got.values()):
        return check
    worst = worst_entry(got, wanted, noise)
    return replace(check, verdict="agree" if worst.accepted else "disagree", worst=worst)
