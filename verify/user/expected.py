"""A user's function, held against the forward or the right answer that the user gave."""

from dataclasses import dataclass, replace

import numpy as np

from reference_impls.computation import Array, Arrays, copies
from reference_impls.nested import Tree
from reference_impls.words import name_of
from verify.checks.case import Case
from verify.checks.check import Check, RefusalError
from verify.checks.compare import contract_violation, worst_entry
from verify.error_model.arrays import first_index
from verify.error_model.noise import Noise
from verify.user.arguments import Arguments
from verify.user.function import UserFunction
from verify.user.returned import gradients_from


@dataclass(frozen=True)
class Comparison:
    """A user's function at a case's point, beside what the user has to compare it with.

    Attributes:
        case: the point.
        noise: that is allowed there.
        subject: the user's function.
    """

    case: Case
    noise: Noise
    subject: UserFunction

    def against_forward(self) -> list[Check]:
        """The value of `make_vjp` against that of the user's ``forward``.

        Nothing is compared where `make_vjp` gives no value; the check of its contract reports that.
        """
        try:
            value, _ = self.subject.make_vjp(copies(self.case.primals))
        except RefusalError:
            return []
        try:
            wanted = self.subject.forward(copies(self.case.primals))
        except RefusalError as error:
            refusal = Check(self.subject.name, "value", "forward", "unsupported", str(error))
            return [replace(refusal, cause=error.__cause__)]
        return [self._of_values("forward", value, wanted)]

    def against_expected(self, expected: Tree) -> list[Check]:
        """Values and gradients against the right answer that the user has.

        Raises:
            RefusalError: `make_vjp`, or its VJP, refuses.
            TypeError: the gradients in `expected` are none, or have another dtype, or belong to a
                function whose value is no scalar.
            ValueError: they have another shape than the primals, or hold NaN.
        """
        case, subject = self.case, self.subject
        value, vjp = subject.make_vjp(case.primals)
        if not callable(expected):
            wanted = _wanted_gradients(subject.arguments, expected, value)
            return [self._of_gradients(vjp(np.ones_like(value)), wanted)]
        other = UserFunction(expected, None, replace(subject.arguments, function=name_of(expected)))
        unsupported = Check(subject.name, "vjp", "expected", "unsupported")
        try:
            wanted_value, wanted_vjp = other.make_vjp(case.primals)
            values = self._of_values("expected", value, wanted_value)
            if value.shape != wanted_value.shape:
                return [values]  # `expected` would not take a cotangent of another shape
            wanted = wanted_vjp(case.cotangent.copy())
        except RefusalError as error:
            return [replace(unsupported, detail=str(error), cause=error.__cause__)]
        fault = contract_violation(wanted_value, wanted, case.primals, case.wrt)
        if fault:
            return [replace(unsupported, detail=f"{other.name}: {fault.sentence}")]
        return [values, self._of_gradients(vjp(case.cotangent.copy()), wanted)]

    def _of_values(self, against: str, got: Array, wanted: Array) -> Check:
        if got.shape != wanted.shape or got.dtype != wanted.dtype:
            both = f"the value is {got.dtype} of shape {got.shape}, {against} has {wanted.dtype} of"
            detail = f"{both} {wanted.shape}"
            return Check(self.subject.name, "value", against, "disagree", detail)
        check = Check(self.subject.name, "value", against, "agree")
        by_output = self.case.by_output
        noise = by_output(self.noise.value["value"])
        return _judged(check, by_output(got), by_output(wanted), noise)

    def _of_gradients(self, got: Arrays, wanted: Arrays) -> Check:
        check = Check(self.subject.name, "vjp", "expected", "agree")
        return _judged(check, got, wanted, self.noise.cotangents)


def _judged(check: Check, got: Arrays, wanted: Arrays, noise: Arrays) -> Check:
    if not any(array.size for array in got.values()):
        return check
    worst = worst_entry(got, wanted, noise)
    return replace(check, verdict="agree" if worst.accepted else "disagree", worst=worst)


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
