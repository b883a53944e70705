"""Far away from the primals: where the derivative is finite, the gradient must be.

``where(z > 0, z, exp(z) - 1)`` has the value z for every large z, and its gradient, in both
engines, is 0 · ∞ = NaN once exp(z) overflows: the branch not selected is differentiated too.
No gradient at an ordinary point shows it.
"""

import math
import warnings
from dataclasses import dataclass, replace

import numpy as np

from reference_impls.computation import Array, cast
from reference_impls.function import Function
from verify.checks.case import Case
from verify.checks.check import NOT_FINITE, Check, RefusalError, one_line
from verify.checks.compare import make_worst
from verify.checks.first_order.oracle import Values
from verify.error_model.arrays import first_index, unit_roundoff
from verify.error_model.measurement import fits_float32
from verify.oracles.derivative import derivative
from verify.oracles.estimate import BLUNT

FAR = 2.0**13
"""Times the primals. exp overflows at 710, or 88 in float32; what is meant for numbers of size one
does not at 8192."""


def extremes(case: Case, function: Function) -> list[Check]:
    """One check, or none where the function has no finite value so far away.

    Of an argmin neither says much: its solver may fail there for reasons of its own. One that
    raises so far away is ``unsupported``.
    """
    if case.is_argmin:
        return []
    far = replace(
        case,
        primals={
            name: FAR * array if name in case.wrt else array for name, array in case.primals.items()
        },
    )
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # of overflow, which is what is looked for
        return _Extremes(far, function).checks()


@dataclass(frozen=True)
class _Extremes:
    """One implementation at a case that lies far away.

    Attributes:
        case: with the primals there.
        function: the implementation.
    """

    case: Case
    function: Function

    def checks(self) -> list[Check]:
        """In float32 first, which takes half the time: what overflows in float64 does there, too.

        Of code that computes otherwise in float32 it says nothing; the check says where it looked.
        """
        if self.case.dtype != "float32" and self._is_finite_in_float32():
            return [replace(self._check, detail="looked at in float32, which overflows sooner")]
        try:
            return self._in_own_dtype()
        except Exception as error:  # noqa: BLE001 -- so far from what it was written for, it may
            said = str(error) if isinstance(error, RefusalError) else one_line(error)
            return [replace(self._check, verdict="unsupported", detail=said)]

    @property
    def _check(self) -> Check:
        return Check(self.function.name, "extremes", f"{FAR:g} times the primals", "agree")

    def _is_finite_in_float32(self) -> bool:
        if not fits_float32(self.case.primals):
            return False
        try:
            value, vjp = self.function.make_vjp(cast(self.case.primals, np.float32))
            cotangents = vjp(self.case.cotangent.astype(np.float32))
            return all(np.isfinite(array).all() for array in (value, *cotangents.values()))
        except Exception:  # noqa: BLE001 -- it may not compute in that
            return False

    def _in_own_dtype(self) -> list[Check]:
        value, vjp = self.function.make_vjp(self.case.primals)
        if not np.isfinite(value).all():
            return []
        cotangents = vjp(self.case.cotangent.copy())
        for argument in self.case.wrt:
            if not np.isfinite(cotangents[argument]).all():
                return self._where_not_finite(argument, cotangents[argument])
        return [self._check]

    def _where_not_finite(self, argument: str, gradient: Array) -> list[Check]:
        """Wrong where the derivative is known to be a number that the dtype has."""
        wrong = ~np.isfinite(gradient)
        flat = int(np.argmax(wrong))
        tangent = np.zeros(wrong.shape)
        tangent.flat[flat] = 1.0
        truth = derivative(Values(self.case, self.function.forward).along({argument: tangent}))
        size = max(1.0, abs(truth.value))
        resolved = truth.error_bar <= BLUNT * size
        # Beyond the root of the largest float, any product of two such numbers is infinite.
        if not resolved or abs(truth.value) > math.sqrt(float(np.finfo(self.case.dtype).max)):
            return []
        worst = make_worst(
            argument=argument,
            index=first_index(wrong),
            got=float(gradient.flat[flat]),
            expected=truth.value,
            units=(unit_roundoff(self.case.dtype), size, 0.0),
            error_bar=truth.error_bar,
        )
        where = f"{argument}{worst.index}"
        detail = f"the gradient of {where} is {worst.got}, the derivative {truth.value:.6g}"
        check = replace(self._check, verdict="disagree", detail=detail, fault=NOT_FINITE)
        return [replace(check, worst=worst)]
