"""A gradient in float32 on the other side of a tie, and right there."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from verify.checks.check import Check
from verify.error_model.jumps import ASIDE
from verify.oracles.estimate import Estimate

TIE = "float32 is on the other side of a tie that is nearer than rounding, and right there"
"""What is said of it."""


def on_either_side(
    check: Check, estimate: Estimate, jumps: Sequence[float], against: Callable[[Estimate], Check]
) -> Check:
    """The check that accuses, or what it says where one of the jumps explains it to the digits.

    Args:
        check: of ⟨Jᵀu, v⟩ against the estimate.
        estimate: of ⟨u, J v⟩ at the point.
        jumps: of ⟨Jᵀu, v⟩ beside the point, with their signs.
        against: the same check against another estimate.
    """
    for jump in jumps:
        bar = estimate.error_bar + ASIDE * abs(jump)
        worst = against(
            replace(estimate, value=estimate.value + jump, error_bar=bar),
        ).worst
        if worst and worst.accepted:
            return replace(check, verdict="agree", detail=TIE)
    return check
