"""What a gradient is that breaks the contract: of another shape, not finite, or not linear."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from reference_impls.computation import Arrays, Vjp
from reference_impls.function import Function
from verify.checks.case import Case, Result, Stream
from verify.checks.check import (
    NOT_FINITE,
    NOT_LINEAR,
    UNKNOWN,
    WRONG_SHAPE,
    BudgetSpentError,
    Check,
    Violation,
)
from verify.checks.first_order.left_out import unheard
from verify.checks.first_order.observation import Broken, Observed, Refused
from verify.checks.first_order.oracle import NoOracle, Oracle
from verify.diagnosis import (
    Derivative,
    Diagnosis,
    Surroundings,
    diagnose,
    diagnose_shape,
)
from verify.diagnosis.rounding import FAULT as DOWNCAST
from verify.error_model.arrays import index_of, scale_of
from verify.error_model.noise import VALUE
from verify.oracles.estimate import BLUNT


def contract_check(
    case: Case,
    function: Function,
    observed: Observed,
    oracle: Callable[[], Oracle | NoOracle],
    *,
    alone: bool,
    is_wrong: Callable[[Result], bool],
) -> Check:
    """The check of what was observed, with a diagnosis where an oracle can give one.

    Args:
        case: the function and the point.
        function: the implementation.
        observed: of it.
        oracle: gives that of the function; it is asked where something is wrong.
        alone: is there no other implementation?
        is_wrong: does a dot test convict the gradients at u, whatever is wrong with others?
    """
    check = Check(observed.name, "contract", "the primals", "agree")
    if isinstance(observed, Refused):
        return replace(check, verdict="unsupported", detail=observed.reason, cause=observed.cause)
    if not isinstance(observed, Broken):
        return replace(check, detail=observed.remark)
    fault = observed.violation
    wrong = replace(check, verdict="disagree", detail=fault.sentence, fault=fault.fault)
    if fault.fault == NOT_FINITE and fault.argument == VALUE and alone:
        # Outside the domain of a function that stands alone, there is no telling.
        return replace(wrong, verdict="unsupported", fault="")
    if fault.fault not in (WRONG_SHAPE, NOT_FINITE, NOT_LINEAR) or fault.argument == VALUE:
        return wrong

    def is_beyond_noise() -> bool:
        return observed.result is not None and is_wrong(observed.result)

    try:
        known = oracle()
        if not isinstance(known, NoOracle):
            wrong = _Explanation(case, function, wrong, fault, known, is_beyond_noise).check()
    except BudgetSpentError as spent:
        return unheard(wrong, fault.sentence, spent)
    return wrong


FINITE = 1e-2
"""A derivative is a number where its error bar is no more than this of it. One that grows without
bound as steps are halved has a wider bar: log h grows by a twentieth from one step to the next, a
cube root's by a half. So few digits do where it is held against NaN."""


@dataclass(frozen=True)
class _Explanation:
    """How a gradient that breaks the contract is wrong, if an oracle says that it is.

    Attributes:
        case: the function and the point.
        function: the implementation.
        wrong: the check that found it.
        fault: what it found, in one of the gradients.
        oracle: of the function.
        is_beyond_noise: does a dot test convict the gradients at u?
    """

    case: Case
    function: Function
    wrong: Check
    fault: Violation
    oracle: Oracle
    is_beyond_noise: Callable[[], bool]

    def check(self) -> Check:
        _, vjp = self.function.make_vjp(self.case.primals)
        got = vjp(self.case.cotangent.copy())
        if self.fault.fault == NOT_FINITE:
            return self._where_not_finite(got, vjp)
        if self.fault.fault == NOT_LINEAR:
            return self._where_not_linear(got, vjp)
        return self._of_another_shape(got)

    def _where_not_finite(self, got: Arrays, vjp: Vjp) -> Check:
        """Wrong only if the derivative is a number, or the derivatives on both sides of a kink."""
        name, sentence = self.fault.argument, self.fault.sentence
        gradient = got[name]
        seen = diagnosed(self.case, {name: gradient}, self.oracle.truth, vjp, self.function)
        if _is_a_number(seen.expected, seen.error_bar):
            return replace(self.wrong, detail=told(self.case, seen))
        # One entry moves, as far as entries go: less might be lost in its rounding.
        size = scale_of(self.case.primals[name])
        tangent = np.zeros(gradient.shape)
        flat = int(np.argmax(~np.isfinite(gradient)))
        tangent.flat[flat] = size
        for truth in (self.oracle.truth({name: tangent}), self.oracle.by_values({name: tangent})):
            expected, bar = truth.value / size, truth.error_bar / size
            if _is_a_number(expected, bar):
                entry = replace(
                    seen,
                    index=index_of(flat, gradient.shape),
                    got=float(gradient.flat[flat]),
                    expected=expected,
                    error_bar=bar,
                )
                return replace(self.wrong, detail=told(self.case, entry))
        sides = self.oracle.sides({name: tangent})
        if sides:
            left, right = sides.left.value / size, sides.right.value / size
            detail = f"{sentence}; the derivative on either side is, {left:.6g} and {right:.6g}"
            return replace(self.wrong, detail=detail)
        detail = f"{sentence}; no oracle says that the derivative is"
        return replace(self.wrong, verdict="inconclusive", detail=detail, fault="")

    def _truth(self, got: Arrays) -> Derivative:
        return self.oracle.for_diagnosis(got, by_values=False)

    def _where_not_linear(self, got: Arrays, vjp: Vjp) -> Check:
        """Rounding to fewer digits is not linear either: what is wrong then is in the numbers.

        It counts as noise, and has a mark of its own. What else would be told of gradients that are
        right at u, as far as noise lets it be seen, is their rounding.
        """
        found = diagnosed(self.case, got, self._truth(got), vjp, self.function)
        if found.fault != DOWNCAST and (found.fault == UNKNOWN or not self.is_beyond_noise()):
            return self.wrong
        detail = f"{told(self.case, found)}; {self.fault.sentence}"
        return replace(self.wrong, detail=detail, fault=found.fault)

    def _of_another_shape(self, got: Arrays) -> Check:
        name, case = self.fault.argument, self.case
        seen = diagnose_shape(
            name,
            got[name],
            case.primals[name].shape,
            self._truth(got),
            dtype=case.dtype,
            rng=case.generator(Stream.FURTHER),
            primals=case.primals,
        )
        if not seen:
            return self.wrong
        detail = f"{self.fault.sentence}: {told(self.case, seen)}"
        return replace(self.wrong, detail=detail, fault=seen.fault)


def _is_a_number(derivative: float, error_bar: float) -> bool:
    """Has the function a derivative here, whatever its digits?"""
    narrow = max(BLUNT * max(1.0, abs(derivative)), FINITE * abs(derivative))
    return bool(np.isfinite(derivative) and error_bar <= narrow)


def diagnosed(
    case: Case, got: Arrays, truth: Derivative, vjp: Vjp, function: Function
) -> Diagnosis:
    """How cotangents at a case's point are wrong, that are known to be; see `diagnose`."""
    return diagnose(
        got,
        truth,
        cotangent=case.cotangent,
        vjp=vjp,
        dtype=case.dtype,
        rng=case.generator(Stream.FURTHER),
        primals=case.primals,
        around=Surroundings(case.primals, case.cotangent, function.forward, function.make_vjp),
    )


def told(case: Case, found: Diagnosis) -> str:
    """The diagnosis, and the entry that shows it: of a loss, for a cotangent of 1."""
    per = float(case.cotangent.item()) if case.cotangent.size == 1 else 1.0
    per = per or 1.0
    # A zero may have a sign, and a bar be the smallest number there is: neither says anything.
    got, expected, bar = found.got / per + 0.0, found.expected / per + 0.0, found.error_bar / per
    where = f"{found.argument}{found.index}"
    if np.isfinite([expected, bar]).all():
        first, second = _apart(got, expected)
        within = f" ± {abs(bar):.1e}" if abs(bar) > np.finfo(float).tiny else ""
        return f"{found.sentence}; {where}: got {first}, expected {second}{within}"
    known = np.isfinite(got) or found.fault == NOT_FINITE
    return f"{found.sentence}; {where}: got {got:.3g}" if known else found.sentence


def _apart(one: float, other: float) -> tuple[str, str]:
    """Two numbers with the digits that tell them apart, and one more; three at least."""

    def differ(digits: int) -> bool:
        return f"{one:.{digits}g}" != f"{other:.{digits}g}"

    digits = next((n for n in range(3, 17) if differ(n - 1) and differ(n)), 17)
    return f"{one:.{digits}g}", f"{other:.{digits}g}"
