"""Checks and evidence as rows of the tables in `results.tables`."""

from reference_impls.function import DEVICE_MARK
from results.tables import Argmin, Verdict
from verify.checks.argmin.evidence import Evidence
from verify.checks.argmin.kinds import EvidenceKind
from verify.checks.check import Check, overall
from verify.checks.outcome import CaseId


def verdict_row(case: CaseId, check: Check) -> Verdict:
    """A check of a case as a row of `verdicts.csv`."""
    worst = check.worst
    implementation, _, device = check.implementation.partition(DEVICE_MARK)
    return Verdict(
        computation=case.computation,
        implementation=implementation,
        device=device or "cpu",
        dtype=case.dtype,
        size=case.size,
        tutorial_size=case.tutorial_size,
        seed=case.seed,
        check=check.kind,
        against=check.against,
        argument=worst.argument if worst else None,
        index=worst.index if worst else None,
        got=worst.got if worst else None,
        expected=worst.expected if worst else None,
        error=worst.error if worst else None,
        scale=worst.scale if worst else None,
        tolerance=worst.tolerance if worst else None,
        ulps=worst.ulps if worst else None,
        verdict=check.verdict,
        detail=check.detail,
        diagnosis=check.fault or None,
    )


def argmin_row(case: CaseId, evidence: Evidence) -> Argmin:
    """The evidence for an argmin as a row of `argmin.csv`."""
    implementation, _, device = evidence.implementation.partition(DEVICE_MARK)
    return Argmin(
        computation=case.computation,
        implementation=implementation,
        device=device or "cpu",
        size=case.size,
        tutorial_size=case.tutorial_size,
        seed=case.seed,
        unknowns=evidence.unknowns,
        residual=evidence.residual,
        condition=evidence.condition,
        rank=evidence.rank,
        active=evidence.active,
        margin=evidence.margin,
        optimality=evidence.error(EvidenceKind.OPTIMALITY),
        defining_equation=evidence.error(EvidenceKind.DEFINING_EQUATION),
        implicit_function=evidence.error(EvidenceKind.IMPLICIT_FUNCTION),
        finite_differences=evidence.error(EvidenceKind.FINITE_DIFFERENCES),
        plateau=evidence.plateau,
        unrolled=evidence.error(EvidenceKind.UNROLLED),
        manual=evidence.error(EvidenceKind.MANUAL),
        scaled=evidence.error(EvidenceKind.SCALED),
        initial_guess=evidence.error(EvidenceKind.INITIAL_GUESS),
        guess_gradient=evidence.error(EvidenceKind.GUESS_GRADIENT),
        linearity=evidence.error(EvidenceKind.LINEARITY),
        one_side=evidence.error(EvidenceKind.ONE_SIDE),
        verdict=overall(evidence.checks),
    )
