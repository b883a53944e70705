"""What a gradient is that breaks the contract: of another shape, not finite, or not linear."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from reference_impls.computation import Arrays, Vjp, generator
from reference_impls.engines.backend import Implementation
from verify.checks.case import Case
from verify.checks.check import NOT_FINITE, NOT_LINEAR, UNKNOWN, WRONG_SHAPE, Check, Violation
from verify.checks.first_order.contract import Observed
from verify.checks.first_order.oracle import Oracle
from verify.diagnosis import Diagnosis, diagnose, diagnose_shape
from verify.error_model.arrays import scale_of
from verify.error_model.noise import VALUE
from verify.oracles.estimate import BLUNT


def explained(
    case: Case, implementation: Implementation, wrong: Check, fault: Violation, oracle: Oracle
) -> Check:
    """What a gradient is that has the wrong shape, or numbers that are none, or is not linear.

    Args:
        case: the function and the point.
        implementation: whose gradient it is.
        wrong: the check that found it.
        fault: what it found, in one of the gradients.
        oracle: of the function.
    """
    _, vjp = implementation.make_vjp(case.computation, case.primals)
    got, about = vjp(case.cotangent.copy()), circumstances(case)
    if fault.fault == NOT_FINITE:
        return _where_not_finite(case, wrong, fault, oracle, (got, vjp))
    if fault.fault == NOT_LINEAR:
        # Rounding to fewer digits is not linear either: what is wrong with the numbers says more.
        found = diagnose(got, oracle.truth, **about, vjp=vjp)
        if found.fault == UNKNOWN:
            return wrong
        return replace(wrong, detail=f"{told(found)}; {fault.sentence}", fault=found.fault)
    name, shape = fault.argument, case.primals[fault.argument].shape
    about.pop("cotangent")
    seen = diagnose_shape(name, got[name], shape, oracle.truth, **about)
    if not seen:
        return wrong
    return replace(wrong, detail=f"{fault.sentence}: {told(seen)}", fault=seen.fault)


def _where_not_finite(
    case: Case, wrong: Check, fault: Violation, oracle: Oracle, found: tuple[Arrays, Vjp]
) -> Check:
    """Wrong only if the derivative is a number, or at a kink the derivatives on either side are."""
    gradients, vjp = found
    name, gradient = fault.argument, gradients[fault.argument]
    seen = diagnose({name: gradient}, oracle.truth, **circumstances(case), vjp=vjp)
    known = seen.error_bar <= BLUNT * max(1.0, abs(seen.expected))
    if known and np.isfinite(seen.expected):
        return replace(wrong, detail=told(seen))
    # One entry moves, as far as entries go: less might be lost in its rounding.
    size = scale_of(case.primals[name])
    tangent = np.zeros(gradient.shape)
    tangent.flat[int(np.argmax(~np.isfinite(gradient)))] = size
    sides = oracle.sides({name: tangent})
    if sides:
        left, right = sides.left.value / size, sides.right.value / size
        detail = f"{fault.sentence}; the derivative on either side is, {left:.6g} and {right:.6g}"
        return replace(wrong, detail=detail)
    detail = f"{fault.sentence}; no oracle says that the derivative is"
    return replace(wrong, verdict="inconclusive", detail=detail, fault="")


def circumstances(case: Case) -> dict[str, Any]:
    """What a diagnosis asks of a case."""
    return {
        "cotangent": case.cotangent,
        "dtype": case.dtype,
        "rng": generator(case.computation, case.size, case.seed, 2),
        "primals": case.primals,
    }


def told(found: Diagnosis) -> str:
    """The diagnosis, and the entry that shows it."""
    return (
        f"{found.sentence}; {found.argument}{found.index}: got {found.got!r}, "
        f"expected {found.expected!r} ± {found.error_bar:.1e}"
    )


def contract_check(
    case: Case,
    named: Mapping[str, Implementation],
    observed: Observed,
    oracle: "Oracle | str",
) -> Check:
    """The check of what was observed, with a diagnosis where an oracle can give one."""
    check = Check(observed.name, "contract", "the primals", "agree")
    if observed.refusal:
        return replace(check, verdict="unsupported", detail=observed.refusal)
    fault = observed.fault
    if not fault:
        return check
    wrong = replace(check, verdict="disagree", detail=fault.sentence, fault=fault.fault)
    if fault.fault not in (WRONG_SHAPE, NOT_FINITE, NOT_LINEAR) or not isinstance(oracle, Oracle):
        return wrong
    if fault.argument == VALUE:
        # Outside the domain of a function that stands alone, there is no telling.
        return wrong if len(named) > 1 else replace(wrong, verdict="unsupported", fault="")
    return explained(case, named[observed.name], wrong, fault, oracle)
