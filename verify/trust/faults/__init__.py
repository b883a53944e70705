"""Planted wrong gradients, which a checker must catch.

Each is a small transformation of a right VJP, and its story says where such a bug is met. Real ones
are cited by repository and issue.
"""

from verify.trust.faults.argmin import ARGMIN_FAULTS
from verify.trust.faults.elementwise import ELEMENTWISE_FAULTS
from verify.trust.faults.kinks import KINK_FAULTS
from verify.trust.faults.memory import MEMORY_FAULTS
from verify.trust.faults.reductions import REDUCTION_FAULTS
from verify.trust.faults.second_order import SECOND_ORDER_FAULTS
from verify.trust.faults.shortcuts import SHORTCUT_FAULTS
from verify.trust.faults.state import STATE_FAULTS
from verify.trust.planted import Fault, Plant, Planted

FAULTS: tuple[Fault, ...] = (
    *ELEMENTWISE_FAULTS,
    *REDUCTION_FAULTS,
    *KINK_FAULTS,
    *SHORTCUT_FAULTS,
    *STATE_FAULTS,
    *MEMORY_FAULTS,
    *SECOND_ORDER_FAULTS,
    *ARGMIN_FAULTS,
)


__all__ = ["FAULTS", "Fault", "Plant", "Planted"]
