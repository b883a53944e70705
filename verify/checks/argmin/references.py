"""Cotangents to hold an argmin's against: by hand, and by torch through the iterations."""

from collections.abc import Sequence
from dataclasses import dataclass

from reference_impls.computation import Arrays
from reference_impls.engines.manual.backend import Manual
from reference_impls.engines.pytorch.backend import Torch
from reference_impls.engines.pytorch.unrolled import torch_unrolled_argmin, torch_unrolled_root
from verify.checks.argmin.candidate import Candidate
from verify.checks.argmin.kinds import EvidenceKind
from verify.checks.argmin.operators import WITHOUT_OPERATOR, operator_of, with_operator
from verify.checks.argmin.trial import Trial, unsupported
from verify.checks.case import Result
from verify.checks.check import Check, one_line
from verify.oracles.estimate import Estimate


@dataclass(frozen=True)
class Reference:
    """Cotangents that agree with the implicit function, and so may be held against others."""

    kind: EvidenceKind
    cotangents: Sequence[Arrays]


@dataclass(frozen=True)
class MissingReference:
    """Why there are no such cotangents. Wrong ones would blame implementations that are right."""

    kind: EvidenceKind
    reason: str


MaybeReference = Reference | MissingReference | None
"""None where the computation has no body that would give one: then there is no check."""


def rows_by_hand(
    trial: Trial, candidates: Sequence[Candidate], implicit: Sequence[Estimate]
) -> MaybeReference:
    """The rows of the Jacobian by the derivation on paper, if the implicit function confirms it."""
    by_hand = next((each for each in candidates if each.name == Manual.name), None)
    if by_hand is None:
        return None
    if trial.dot_tests(by_hand.result, implicit).verdict != "agree":
        reason = "by_hand does not agree with the implicit function here"
        return MissingReference(EvidenceKind.MANUAL, reason)
    return Reference(EvidenceKind.MANUAL, by_hand.rows)


def by_unrolling(trial: Trial, implicit: Sequence[Estimate]) -> MaybeReference:
    """torch's cotangents through the iterations, if the implicit function confirms them."""
    body = Torch().body_of(trial.case.computation)
    if body is None:
        return None
    if not operator_of(body):
        return MissingReference(EvidenceKind.UNROLLED, f"by_torch {WITHOUT_OPERATOR}")
    try:
        result = _unrolled(trial)
    except Exception as error:  # noqa: BLE001 -- a reference that fails is no fault of the others
        return MissingReference(EvidenceKind.UNROLLED, one_line(error))
    if trial.dot_tests(result, implicit).verdict != "agree":
        reason = "unrolled, by_torch does not agree with the implicit function here"
        return MissingReference(EvidenceKind.UNROLLED, reason)
    return Reference(EvidenceKind.UNROLLED, [result.cotangents])


def _unrolled(trial: Trial) -> Result:
    case = trial.case
    is_root = trial.solution.optimality.is_root
    operator = torch_unrolled_root if is_root else torch_unrolled_argmin
    computation = with_operator(case.computation, Torch(), operator)
    value, vjp = Torch().make_vjp(computation, case.primals)
    return Result(EvidenceKind.UNROLLED, value, vjp(case.cotangent))


def against_reference(
    trial: Trial, each: Candidate, own: Sequence[Arrays], reference: MaybeReference
) -> list[Check]:
    """A candidate's cotangents against a reference's, entry by entry.

    Args:
        trial: what errors are allowed.
        each: the candidate.
        own: its cotangents, for the same cotangents of the value as the reference's.
        reference: what they are held against, if there is anything.
    """
    match reference:
        case None:
            return []
        case MissingReference(kind, reason):
            return [unsupported(each.name, kind, reason)]
        case Reference(kind, cotangents):
            return [trial.entry_check(each, kind, own, cotangents)]
