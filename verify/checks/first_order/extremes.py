"""Far away from the primals: where the derivative is finite, the gradient must be.

``where(z > 0, z, exp(z) - 1)`` has the value z for every large z, and its gradient, in both
engines, is 0 · ∞ = NaN once exp(z) overflows: the branch not selected is differentiated too.
No gradient at an ordinary point shows it.
"""

import warnings
from dataclasses import replace

import numpy as np

from reference_impls.computation import Arrays, cast
from reference_impls.engines.backend import Implementation
from verify.checks.case import Case
from verify.checks.check import NOT_FINITE, Check
from verify.checks.compare import make_worst
from verify.checks.first_order.oracle import functional
from verify.error_model.arrays import first_index, unit_roundoff
from verify.error_model.measurement import fits_float32
from verify.oracles.derivative import derivative
from verify.oracles.estimate import BLUNT

FAR = 2.0**13
"""Times the primals. exp overflows at 710, or 88 in float32; what is meant for numbers of size one
does not at 8192."""


def extremes(case: Case, name: str, implementation: Implementation) -> list[Check]:
    """One check, or none where the function has no finite value so far away, or refuses to go.

    Of an argmin neither says much: its solver may fail there for reasons of its own.
    """
    if case.computation.optimality:
        return []
    primals = {
        each: FAR * array if each in case.computation.wrt else array
        for each, array in case.primals.items()
    }
    check = Check(name, "extremes", f"{FAR:g} times the primals", "agree")
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # of overflow, which is what is looked for
        if case.dtype != "float32" and _finite_in_float32(case, implementation, primals):
            return [check]
        try:
            return _checks(case, check, implementation, primals)
        except Exception:  # noqa: BLE001 -- so far from what it was written for, it may
            return []


def _finite_in_float32(case: Case, implementation: Implementation, primals: Arrays) -> bool:
    """What overflows in float64 does in float32, which takes half the time.

    It cannot be told of code that computes otherwise there.
    """
    if not fits_float32(primals):
        return False
    try:
        value, vjp = implementation.make_vjp(case.computation, cast(primals, np.float32))
        cotangents = vjp(case.cotangent.astype(np.float32))
        return all(np.isfinite(array).all() for array in (value, *cotangents.values()))
    except Exception:  # noqa: BLE001 -- it may not compute in that
        return False


def _checks(
    case: Case, check: Check, implementation: Implementation, primals: Arrays
) -> list[Check]:
    value, vjp = implementation.make_vjp(case.computation, primals)
    if not np.isfinite(value).all():
        return []
    cotangents = vjp(case.cotangent.copy())
    for argument in case.computation.wrt:
        finite = np.isfinite(cotangents[argument])
        if not finite.all():
            return _where_not_finite(case, check, implementation, (primals, cotangents), argument)
    return [check]


def _where_not_finite(
    case: Case,
    check: Check,
    implementation: Implementation,
    there: tuple[Arrays, Arrays],
    argument: str,
) -> list[Check]:
    primals, cotangents = there
    wrong = ~np.isfinite(cotangents[argument])
    flat = int(np.argmax(wrong))
    tangents = {argument: np.zeros(wrong.shape)}
    tangents[argument].flat[flat] = 1.0
    far = replace(case, primals=primals)
    truth = derivative(functional(far, tangents, implementation.forward))
    resolved = truth.error_bar <= BLUNT * max(1.0, abs(truth.value))
    if not resolved or abs(truth.value) > float(np.finfo(case.dtype).max):
        return []
    worst = make_worst(
        argument=argument,
        index=first_index(wrong),
        got=float(cotangents[argument].flat[flat]),
        expected=truth.value,
        units=(unit_roundoff(case.dtype), max(1.0, abs(truth.value)), 0.0),
        error_bar=truth.error_bar,
    )
    detail = (
        f"the gradient of {argument}{worst.index} is {worst.got}, the derivative {truth.value:.6g}"
    )
    return [
        Check(
            check.implementation, check.kind, check.against, "disagree", detail, worst, NOT_FINITE
        )
    ]
