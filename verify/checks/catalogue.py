"""Everything that is known of a computation of the catalogue at one size and seed."""

from collections.abc import Iterator, Sequence

from reference_impls.computation import Computation
from reference_impls.engines.backend import Backend
from reference_impls.function import implementations
from verify.checks.argmin.hearing import argmin_evidence
from verify.checks.case import CatalogueCase, make_cases
from verify.checks.first_order.gradients import verify_case
from verify.checks.first_order.pairs import blamed
from verify.checks.noises import Noises
from verify.checks.outcome import CaseId, Outcome
from verify.checks.second_order.checks import second_order


def outcomes(
    computation: Computation,
    size: int,
    seed: int,
    dtypes: Sequence[str],
    backends: Sequence[Backend],
) -> Iterator[Outcome]:
    """First derivatives, second ones, and the evidence for argmins; a case per dtype.

    Second derivatives are asked of implementations that nothing before speaks against.
    """
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
