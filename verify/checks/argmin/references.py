"""Cotangents to hold an argmin's against: by hand, and by torch through the iterations."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from reference_impls.computation import Array, Arrays
from reference_impls.engines.manual.backend import Manual
from reference_impls.engines.pytorch.backend import Torch
from reference_impls.engines.pytorch.unrolled import torch_unrolled_argmin, torch_unrolled_root
from verify.checks.argmin.implementation import (
    KIND,
    WITHOUT_OPERATOR,
    Candidate,
    NoisyCase,
    entry_checks,
    operator_of,
    with_operator,
)
from verify.checks.argmin.problem import Problem
from verify.checks.case import Result
from verify.checks.check import Check, one_line, severity
from verify.checks.first_order.dot_test import DotTest
from verify.oracles.estimate import Estimate


def paired_check(
    case: NoisyCase,
    problem: Problem,
    result: Result,
    estimates: Sequence[Estimate],
    detail: str = "",
) -> Check:
    """⟨Jᵀu, v⟩ of a result along every direction that has an estimate, the worst of them."""
    checks = [
        DotTest(case, case.noise, result, KIND).along(k, estimate, problem.condition_number)
        for k, estimate in enumerate(estimates)
    ]
    worst = max(checks, key=severity)
    return replace(worst, detail="; ".join(filter(None, (worst.detail, detail))))


@dataclass(frozen=True)
class _Reference:
    """Cotangents to hold others against, or why there are none that may be trusted.

    What implementations are held against must itself be right: a wrong body would blame others.
    """

    cotangents: Sequence[Arrays] = ()
    missing: str = ""


def rows_by_hand(
    case: NoisyCase,
    problem: Problem,
    implementations: Sequence[Candidate],
    implicit: Sequence[Estimate],
    cotangents: Sequence[Array],
) -> _Reference:
    """The derivation by hand's rows of the Jacobian, if it agrees with the implicit function."""
    by_hand = next((each for each in implementations if each.name == Manual.name), None)
    if by_hand is None:
        return _Reference()
    if paired_check(case, problem, by_hand.result, implicit).verdict != "agree":
        return _Reference(missing="by_hand does not agree with the implicit function here")
    return _Reference([by_hand.vjp(cotangent) for cotangent in cotangents])


def by_unrolling(case: NoisyCase, problem: Problem, implicit: Sequence[Estimate]) -> _Reference:
    """torch's cotangents through the iterations."""
    body = Torch().body_of(case.computation)
    if body is None:
        return _Reference()
    if not operator_of(body):
        return _Reference(missing=f"by_torch {WITHOUT_OPERATOR}")
    solve = torch_unrolled_root if problem.optimality.is_root else torch_unrolled_argmin
    computation = with_operator(case.computation, Torch(), solve)
    try:
        value, vjp = Torch().make_vjp(computation, case.primals)
        result = Result("unrolled", value, vjp(case.cotangent))
    except Exception as error:  # noqa: BLE001 -- a reference that fails is no fault of the others
        return _Reference(missing=one_line(error))
    if paired_check(case, problem, result, implicit).verdict != "agree":
        return _Reference(
            missing="unrolled, by_torch does not agree with the implicit function here"
        )
    return _Reference([result.cotangents])


def against_reference(
    case: NoisyCase,
    problem: Problem,
    each: Candidate,
    against: str,
    own: Sequence[Arrays],
    reference: _Reference,
) -> list[Check]:
    """An implementation's cotangents against a reference, entry by entry, if there is one."""
    if reference.missing:
        return [Check(each.name, KIND, against, "unsupported", reference.missing)]
    if not reference.cotangents:
        return []
    return entry_checks(case, problem, each, against, own, reference.cotangents)
