"""What came of one implementation at a case's point: a result, a fault, or a refusal."""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np

from reference_impls.computation import Array, Arrays, Vjp, copies
from reference_impls.function import Function
from verify.checks.case import Case, Result
from verify.checks.check import Violation
from verify.checks.compare import cotangents_violation, value_violation, worst_entry
from verify.checks.first_order.appeal import Appeal
from verify.error_model.noise import Noise


@dataclass(frozen=True)
class Kept:
    """It did what every VJP does; the remark is what its users should know all the same."""

    name: str
    result: Result
    remark: str = ""


@dataclass(frozen=True)
class Broken:
    """It did what no VJP does; without a result, there is nothing that could be compared."""

    name: str
    violation: Violation
    result: Result | None = None


@dataclass(frozen=True)
class Refused:
    """It cannot be judged here, for a reason that is no wrong gradient."""

    name: str
    reason: str
    cause: BaseException | None = None


Observed = Kept | Broken | Refused


@runtime_checkable
class Mending(Protocol):
    """A VJP of an engine that repairs what the user's own code returned, and says so."""

    @property
    def mended(self) -> Violation | None:
        """What was repaired in the last call, so that it does not show."""
        ...


@dataclass(frozen=True)
class Call:
    """One call of an implementation, which later calls are held against.

    Attributes:
        case: the point and the cotangent u.
        noise: that is allowed there.
        function: the implementation.
        primals: the arrays it was given, which it may have kept, or written to.
        cotangent: likewise.
        vjp: what it returned.
        returned: what that returned, in memory of its own.
        result: copies of the value and of what was returned, as they were.
    """

    case: Case
    noise: Noise
    function: Function
    primals: Arrays
    cotangent: Array
    vjp: Vjp
    returned: Arrays
    result: Result

    @classmethod
    def of(cls, case: Case, noise: Noise, function: Function) -> "Call | Violation":
        """The first call; what breaks the contract in it, if anything does.

        Raises:
            Exception: whatever the implementation raises at the primals as they are.
        """
        primals, cotangent = copies(case.primals), case.cotangent.copy()
        native_value, vjp = function.make_vjp(primals)
        # Copies: a later call may write where an earlier one put its answer.
        value = np.array(native_value)
        # The value first: a VJP may refuse a cotangent of the dtype that it should have.
        fault = value_violation(case.by_output(value), case.dtype)
        if fault:
            return fault
        returned = vjp(cotangent)
        fault = cotangents_violation(returned, case.primals, case.wrt)
        if fault:
            return fault
        result = Result(function.name, value, copies(returned))
        return cls(case, noise, function, primals, cotangent, vjp, returned, result)

    @cached_property
    def appeal(self) -> Appeal:
        """All the rounding that there is reason to allow, before this call is accused."""
        return Appeal(self.case, self.function, self.noise)

    def fault(self, later: Arrays) -> str:
        """What is wrong with the names, shapes, dtypes or finiteness of a later answer."""
        fault = cotangents_violation(later, self.case.primals, self.case.wrt)
        return fault.sentence if fault else ""


def change(noise: Arrays, got: Arrays, expected: Arrays) -> str:
    """What has changed, beyond what rounding in another order could change; empty if nothing."""
    if all(np.array_equal(got[name], array) for name, array in expected.items()):
        return ""
    worst = worst_entry(got, expected, noise)
    if worst.accepted:
        return ""
    return f"{worst.argument}{worst.index} from {worst.expected!r} to {worst.got!r}"
