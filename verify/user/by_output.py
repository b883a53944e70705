"""Which of several outputs a wrong gradient comes from.

A check contracts all outputs with one random cotangent, and so sees the sum of what they
contribute. Where that is wrong, each is asked alone, with zeros for the cotangents of the others.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from verify.checks.case import Case
from verify.checks.check import Check, overall
from verify.checks.first_order.gradients import verify_case
from verify.checks.noises import Noises
from verify.user.function import UserFunction

MOST = 12
"""So many outputs are asked one by one: each costs as much as a check."""

PLACEABLE = ("oracle", "kink")
"""The checks that hold a gradient against values, and so see one output's share of it."""


def with_outputs_named(
    case: Case, subject: UserFunction, checks: Sequence[Check], points: int
) -> list[Check]:
    """The same checks; the one that found the gradient wrong says from which outputs.

    Args:
        case: the point, with all outputs.
        subject: the user's function.
        checks: of it.
        points: as in `verify_case`.
    """
    wrong = [c for c in checks if c.verdict == "disagree" and c.kind in PLACEABLE]
    names = [str(output) for output in case.outputs.differentiated] if case.outputs else []
    if not wrong or not 1 < len(names) <= MOST:
        return list(checks)
    alone = {name: _alone(case, subject, name, points) for name in names}
    found = {name: [c for c in each if c.fault] for name, each in alone.items()}
    guilty = [name for name in names if found[name]]
    if not guilty:
        return list(checks)
    first = found[guilty[0]][0]
    right = [name for name in names if overall(alone[name]) == "agree"]
    detail = f"what comes from {', '.join(guilty)} is wrong"
    detail += f" (from {', '.join(right)} it is right)" if right else ""
    detail += f": from {guilty[0]}, {first.detail}"
    named = replace(wrong[0], detail=detail, fault=first.fault)
    return [named if check is wrong[0] else check for check in checks]


def _alone(case: Case, subject: UserFunction, name: str, points: int) -> list[Check]:
    cotangent = np.zeros_like(case.cotangent)
    case.by_output(cotangent)[name][...] = case.by_output(case.cotangent)[name]
    one = replace(case, cotangent=cotangent)
    checks = verify_case(one, [subject], Noises.of(one, [subject]), points)
    return [check for check in checks if check.kind in PLACEABLE]
