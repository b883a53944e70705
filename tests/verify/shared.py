"""Cases of a computation, and its checks, by backends."""

from collections.abc import Iterator, Sequence

from reference_impls import Backend, Computation
from reference_impls.function import implementations
from verify.checks.argmin.evidence import Evidence
from verify.checks.argmin.hearing import argmin_evidence
from verify.checks.case import CatalogueCase, make_cases
from verify.checks.check import Check
from verify.checks.first_order.gradients import verify_case
from verify.checks.noises import Noises


def cases_of(
    computation: Computation,
    size: int,
    seed: int,
    dtypes: Sequence[str],
    backends: Sequence[Backend],
) -> Iterator[CatalogueCase]:
    yield from make_cases(computation, size, seed, dtypes, implementations(computation, backends))


def verified(case: CatalogueCase, backends: Sequence[Backend]) -> list[Check]:
    return verify_case(case, implementations(case.computation, backends))


def noises_of(case: CatalogueCase, backends: Sequence[Backend]) -> Noises:
    return Noises.of(case, implementations(case.computation, backends))


def evidence_of(case: CatalogueCase, backends: Sequence[Backend]) -> list[Evidence]:
    return argmin_evidence(case, noises_of(case, backends).allowed, backends)
