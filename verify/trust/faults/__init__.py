"""Planted wrong gradients, which a checker must catch.

Every class of fault in the design is here, as a small transformation of a right VJP, with a line on
where such a bug is met; what is known of a real one is cited by repository and issue.
"""

from verify.trust.faults.argmin import ARGMIN_FAULTS
from verify.trust.faults.elementwise import ELEMENTWISE_FAULTS
from verify.trust.faults.kinks import KINK_FAULTS
from verify.trust.faults.reductions import REDUCTION_FAULTS
from verify.trust.faults.second_order import SECOND_ORDER_FAULTS
from verify.trust.faults.state import STATE_FAULTS
from verify.trust.planted import Fault, Plant, Planted

FAULTS: tuple[Fault, ...] = (
    *ELEMENTWISE_FAULTS,
    *REDUCTION_FAULTS,
    *KINK_FAULTS,
    *STATE_FAULTS,
    *SECOND_ORDER_FAULTS,
    *ARGMIN_FAULTS,
)


__all__ = ["FAULTS", "Fault", "Plant", "Planted"]
