"""A case of an argmin judged at one solution: what errors are compared with, and allowed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from reference_impls.computation import Arrays
from verify.checks.argmin.candidate import Candidate
from verify.checks.argmin.kinds import EvidenceKind
from verify.checks.argmin.solution import Solution
from verify.checks.case import CatalogueCase, Result
from verify.checks.check import Check, Verdict, Worst, severity
from verify.checks.compare import worst_entry
from verify.checks.first_order.dot_test import DotTest
from verify.error_model.noise import Noise
from verify.oracles.estimate import Estimate

ARGMIN = "argmin"
"""The kind of all checks here."""


@dataclass(frozen=True)
class Trial:
    """The case, a solution to judge it at, and the rounding noise that it is excused.

    Attributes:
        case: of a computation with an `Optimality`, in float64.
        noise: as it was measured of the computation's implementations at the case's primals.
        solution: that K, R and y* are taken at.
    """

    case: CatalogueCase
    noise: Noise
    solution: Solution

    def dot_tests(self, result: Result, estimates: Sequence[Estimate], detail: str = "") -> Check:
        """⟨Jᵀu, v⟩ against an estimate along each of the case's directions: the worst check.

        Args:
            result: with Jᵀu.
            estimates: of the first of the case's directions, and maybe of those after it.
            detail: what else there is to say of them.
        """
        checks = [self.dot_test(result, k, estimate) for k, estimate in enumerate(estimates)]
        worst = max(checks, key=severity)
        return replace(worst, detail="; ".join(filter(None, (worst.detail, detail))))

    def dot_test(self, result: Result, direction: int, estimate: Estimate) -> Check:
        """⟨Jᵀu, v⟩ against an estimate along one of the case's directions."""
        test = DotTest(self.case, self.noise, result, ARGMIN)
        return test.along(direction, estimate, self.solution.condition_number)

    def entry_check(
        self, each: Candidate, kind: EvidenceKind, got: Sequence[Arrays], wanted: Sequence[Arrays]
    ) -> Check:
        """Cotangents, entry by entry; each entry is allowed the noisiest one's noise."""
        noise = {
            name: np.full(array.shape, array.max()) for name, array in self.noise.cotangents.items()
        }
        pairs = zip(got, wanted, strict=True)
        return worst_check(each, kind, [self.worst(*arrays, noise) for arrays in pairs])

    def worst(self, got: Arrays, wanted: Arrays, noise: Arrays) -> Worst:
        """The worst entry, if rounding is magnified by the condition of K.

        No stable method does better than that.
        """
        conditioned = {
            name: noise[name] + self.solution.condition_number * np.abs(array).max()
            for name, array in wanted.items()
        }
        return worst_entry(got, wanted, conditioned)


def worst_check(
    each: Candidate, kind: EvidenceKind, found: Sequence[Worst], detail: str = ""
) -> Check:
    """A check of the worst of what was found."""
    worst = max(found, key=lambda one: one.in_tolerances)
    verdict: Verdict = "agree" if worst.accepted else "disagree"
    return Check(each.name, ARGMIN, kind, verdict, detail, worst)


def unsupported(name: str, kind: EvidenceKind, reason: str) -> Check:
    """A check that could not be made."""
    return Check(name, ARGMIN, kind, "unsupported", reason)
