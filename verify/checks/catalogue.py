"""Everything that is known of a computation of the catalogue at one size and seed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reference_impls.computation import Computation
from reference_impls.engines.backend import Backend, implementation_label
from verify.checks.argmin.evidence import Evidence, argmin_evidence
from verify.checks.case import Case, make_cases
from verify.checks.check import Check
from verify.checks.first_order.gradients import verify_case
from verify.checks.first_order.pairs import blamed
from verify.checks.second_order.checks import second_order


@dataclass(frozen=True)
class Outcome:
    """What came of one case.

    Attributes:
        case: the computation at a size, seed and dtype.
        checks: of all its implementations, those of the evidence among them.
        evidence: for argmins.
    """

    case: Case
    checks: list[Check]
    evidence: list[Evidence]


def outcomes(
    computation: Computation,
    size: int,
    seed: int,
    dtypes: Sequence[str],
    backends: Sequence[Backend],
) -> Iterator[Outcome]:
    """First derivatives, second ones, and the evidence for argmins; a case per dtype.

    Second derivatives are asked of implementations that nothing before speaks against. A backend
    that has no body for the computation is left out.
    """
    backends = [each for each in backends if each.body_of(computation)]
    for case in make_cases(computation, size, seed, dtypes, backends):
        checks = verify_case(case, backends)
        accused = blamed(checks) | {
            check.implementation for check in checks if check.verdict == "unsupported"
        }
        trusted = [each for each in backends if implementation_label(each) not in accused]
        evidence = argmin_evidence(case, backends)
        checks += second_order(case, trusted)
        checks += [check for each in evidence for check in each.checks]
        yield Outcome(case, checks, evidence)
