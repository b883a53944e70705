"""Checks and evidence as rows of the tables in `results.tables`."""

from reference_impls.function import DEVICE_MARK
from results.tables import Argmin, Verdict
from verify.checks.argmin.evidence import Evidence
from verify.checks.case import CatalogueCase
from verify.checks.check import Check, overall


def verdict_row(case: CatalogueCase, check: Check) -> Verdict:
    """A check of a case as a row of `verdicts.csv`."""
    worst = check.worst
    implementation, _, device = check.implementation.partition(DEVICE_MARK)
    return Verdict(
        computation=case.computation.name,
        implementation=implementation,
        device=device or "cpu",
        dtype=case.dtype,
        size=case.size,
        tutorial_size=case.size == case.computation.tutorial_size,
        seed=case.seed,
        check=check.kind,
        against=check.against,
        argument=worst and worst.argument,
        index=worst and worst.index,
        got=worst and worst.got,
        expected=worst and worst.expected,
        error=worst and worst.error,
        scale=worst and worst.scale,
        tolerance=worst and worst.tolerance,
        ulps=worst and worst.ulps,
        verdict=check.verdict,
        detail=check.detail,
        diagnosis=check.fault or None,
    )


def argmin_row(case: CatalogueCase, evidence: Evidence) -> Argmin:
    """The evidence for an argmin as a row of `argmin.csv`."""
    implementation, _, device = evidence.implementation.partition(DEVICE_MARK)
    return Argmin(
        computation=case.computation.name,
        implementation=implementation,
        device=device or "cpu",
        size=case.size,
        tutorial_size=case.size == case.computation.tutorial_size,
        seed=case.seed,
        unknowns=evidence.unknowns,
        residual=evidence.residual,
        condition=evidence.condition,
        rank=evidence.rank,
        active=evidence.active,
        margin=evidence.margin,
        optimality=evidence.error("optimality"),
        defining_equation=evidence.error("K J + R"),
        implicit_function=evidence.error("implicit function"),
        finite_differences=evidence.error("finite differences"),
        plateau=evidence.plateau,
        unrolled=evidence.error("unrolled"),
        manual=evidence.error("manual"),
        scaled=evidence.error("c · f"),
        initial_guess=evidence.error("initial guess"),
        guess_gradient=evidence.error("gradient for the guess"),
        linearity=evidence.error("linearity"),
        one_side=evidence.error("one side"),
        verdict=overall(evidence.checks),
    )
