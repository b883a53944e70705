"""Correct functions that are awkward: nothing may be said against them."""

from verify.trust.awkward.deceptive import AWKWARD_DECEPTIVE
from verify.trust.awkward.inputs import AWKWARD_INPUTS
from verify.trust.awkward.memory import AWKWARD_MEMORY
from verify.trust.awkward.points import AWKWARD_POINTS
from verify.trust.planted import Awkward

AWKWARD: tuple[Awkward, ...] = (
    *AWKWARD_POINTS,
    *AWKWARD_DECEPTIVE,
    *AWKWARD_INPUTS,
    *AWKWARD_MEMORY,
)
