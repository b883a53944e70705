"""What is said of a gradient that agrees, and by how many digits it was judged."""

from dataclasses import replace

import numpy as np

from verify.checks.check import Check
from verify.oracles.estimate import BLUNT

FEW_DIGITS = 1e-2
"""Of the terms of ⟨Jᵀu, v⟩: what is known no better than that is not judged."""

AS_FAR_AS_VALUES_SHOW = "zero beside the value, as far as values can show"
"""What is said of a gradient that agrees since the oracle is blunt; it is looked at once more."""


STILL = "zero, and so is every change of the value beside the point"


def is_doubted(check: Check) -> bool:
    """Is it no agreement, or one that comes of an oracle that saw nothing?"""
    return check.verdict != "agree" or check.detail == AS_FAR_AS_VALUES_SHOW


def with_digits(check: Check, size: float) -> Check:
    """What is told of one that was doubted and agrees: how many digits it could be judged by.

    Args:
        check: its second look.
        size: of the value's terms.
    """
    if check.verdict != "agree" or check.detail or check.worst is None:
        return check
    if check.worst.tolerance > FEW_DIGITS * check.worst.scale:
        is_zero = check.worst.tolerance <= BLUNT * size
        detail = "zero beside the value, as far as rounding lets it be seen"
        if not is_zero:
            detail = f"rounding takes all digits here: the tolerance is {check.worst.tolerance:.1e}"
        return replace(check, verdict="agree" if is_zero else "inconclusive", detail=detail)
    digits = int(np.log10(max(check.worst.scale / check.worst.tolerance, 1.0)))
    return replace(
        check, detail=f"right to {digits} digits; rounding, as measured, takes the others"
    )
