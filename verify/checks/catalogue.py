"""Everything that is known of a computation of the catalogue at one size and seed."""

from collections.abc import Iterator, Sequence

from reference_impls.computation import Computation
from reference_impls.engines.backend import Backend
from reference_impls.function import implementations
from reference_impls.running.late import LateError, each_within
from verify.checks.argmin.hearing import argmin_evidence
from verify.checks.case import CatalogueCase, make_cases
from verify.checks.check import Check
from verify.checks.first_order.gradients import verify_case
from verify.checks.first_order.pairs import blamed
from verify.checks.noises import Noises
from verify.checks.outcome import CLOCK, CaseId, Outcome
from verify.checks.second_order.checks import second_order


def outcomes(
    computation: Computation,
    size: int,
    seed: int,
    dtypes: Sequence[str],
    backends: Sequence[Backend],
    timeout: float | None = None,
) -> Iterator[Outcome]:
    """First derivatives, second ones, and the evidence for argmins; a case per dtype.

    Second derivatives are asked of implementations that nothing before speaks against.

    Args:
        computation: of the catalogue, or a user's.
        size: of its primals.
        seed: of everything random.
        dtypes: of the cases.
        backends: those that differentiate it.
        timeout: seconds that all dtypes together may take; None for any number. A case that is not
            done by then is inconclusive.
    """
    functions = implementations(computation, backends)
    left = list(dtypes)
    try:
        pieces = _outcomes(computation, size, seed, dtypes, backends)
        for outcome in each_within(timeout, pieces):
            left.remove(outcome.case.dtype)
            yield outcome
    except LateError:
        is_tutorial_size = size == computation.tutorial_size
        for dtype in left:
            case = CaseId(computation.name, size, seed, dtype, is_tutorial_size)
            yield _late(case, [each.name for each in functions], timeout or 0.0)


def _late(case: CaseId, names: Sequence[str], seconds: float) -> Outcome:
    detail = f"not done within {seconds:g} seconds"
    checks = [Check(name, "contract", CLOCK, "inconclusive", detail) for name in names]
    return Outcome(case, checks, evidence=[])


def _outcomes(
    computation: Computation,
    size: int,
    seed: int,
    dtypes: Sequence[str],
    backends: Sequence[Backend],
) -> Iterator[Outcome]:
    functions = implementations(computation, backends)
    (wide,) = make_cases(computation, size, seed, ["float64"], functions)
    # It holds for both dtypes, and must not depend on which of them are asked for.
    noises = Noises.of(wide, functions)
    for case in map(wide.in_dtype, dtypes):
        checks = verify_case(case, functions, noises)
        accused = blamed(checks) | {
            check.implementation
            for check in checks
            if check.verdict == "unsupported" and check.counts
        }
        trusted = [each.backend for each in functions if each.name not in accused]
        evidence = argmin_evidence(case, noises.allowed, backends)
        checks += second_order(case, trusted)
        checks += [check for each in evidence for check in each.checks]
        yield Outcome(_id_of(case), checks, evidence)


def _id_of(case: CatalogueCase) -> CaseId:
    is_tutorial_size = case.size == case.computation.tutorial_size
    return CaseId(case.name, case.size, case.seed, case.dtype, is_tutorial_size)
