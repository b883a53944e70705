"""Planted wrong gradients, which a checker must catch, and awkward right ones, which it must not.

Every class of fault in the design is here, as a small transformation of a right VJP, with a line on
where such a bug is met; what is known of a real one is cited by repository and issue.
"""

from verify.faults.argmin import ARGMIN_FAULTS
from verify.faults.awkward import AWKWARD_POINTS
from verify.faults.awkward_inputs import AWKWARD_INPUTS
from verify.faults.elementwise import ELEMENTWISE_FAULTS
from verify.faults.kinks import KINK_FAULTS
from verify.faults.planted import Awkward, Fault, Plant, Planted
from verify.faults.reductions import REDUCTION_FAULTS
from verify.faults.second_order import SECOND_ORDER_FAULTS
from verify.faults.state import STATE_FAULTS

FAULTS: tuple[Fault, ...] = (
    *ELEMENTWISE_FAULTS,
    *REDUCTION_FAULTS,
    *KINK_FAULTS,
    *STATE_FAULTS,
    *SECOND_ORDER_FAULTS,
    *ARGMIN_FAULTS,
)

AWKWARD: tuple[Awkward, ...] = (*AWKWARD_POINTS, *AWKWARD_INPUTS)

__all__ = ["AWKWARD", "FAULTS", "Awkward", "Fault", "Plant", "Planted"]
