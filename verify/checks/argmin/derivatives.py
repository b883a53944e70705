"""What is known of an argmin's derivative at a solution, and candidates held against it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from reference_impls.engines.manual.backend import Manual
from reference_impls.implicit import ImplicitError
from verify.checks.argmin.candidate import Candidate
from verify.checks.argmin.defining_equation import defining_equation_checks
from verify.checks.argmin.finite_differences import Sweep, finite_differences
from verify.checks.argmin.implicit_function import implicit_function
from verify.checks.argmin.kinds import EvidenceKind
from verify.checks.argmin.one_sided import one_sided
from verify.checks.argmin.references import (
    MaybeReference,
    against_reference,
    by_unrolling,
    rows_by_hand,
)
from verify.checks.argmin.trial import Trial, unsupported
from verify.checks.check import Check, one_line, severity
from verify.error_model.arrays import pair
from verify.oracles.estimate import Estimate
from verify.oracles.one_sided import Sides


@dataclass(frozen=True)
class SmoothDerivatives:
    """What there is where the solution is differentiable.

    Attributes:
        trial: the case and the solution.
        implicit: ⟨u, J v⟩ by the implicit function theorem, along each of the case's directions.
        sweep: the same by finite differences, along the first.
        by_hand: rows of the Jacobian on paper.
        unrolled: the cotangents through the iterations.
    """

    trial: Trial
    implicit: Sequence[Estimate]
    sweep: Sweep
    by_hand: MaybeReference
    unrolled: MaybeReference

    def checks(self, each: Candidate) -> list[Check]:
        """A candidate held against all of them."""
        trial, result = self.trial, each.result
        checks = [
            *defining_equation_checks(trial, each),
            trial.dot_tests(result, self.implicit),
            trial.dot_tests(result, [self.sweep.estimate], self.sweep.plateau),
            *against_reference(trial, each, [result.cotangents], self.unrolled),
        ]
        if each.name != Manual.name:
            checks += against_reference(trial, each, each.rows, self.by_hand)
        return checks


@dataclass(frozen=True)
class OneSidedDerivatives:
    """What there is where the support changes: any number between both derivatives is right.

    Attributes:
        trial: the case and the solution.
        sides: ⟨u, J v⟩ from either side, along each of the case's directions.
    """

    trial: Trial
    sides: Sequence[Sides]

    def checks(self, each: Candidate) -> list[Check]:
        """A candidate held against the nearest number between the sides; the worst direction."""
        found = [self._along(each, direction) for direction in range(len(self.sides))]
        return [max(found, key=severity)]

    def _along(self, each: Candidate, direction: int) -> Check:
        sides, result = self.sides[direction], each.result
        low, high = sorted((sides.left, sides.right), key=lambda estimate: estimate.value)
        got = pair(result.cotangents, self.trial.case.directions[direction])
        nearest = low if got < low.value else high if got > high.value else replace(low, value=got)
        detail = (
            f"an unknown sits at the kink: ⟨Jᵀu, v⟩ is {got:.6g}, "
            f"between {low.value:.6g} and {high.value:.6g} from either side"
        )
        return replace(self.trial.dot_test(result, direction, nearest), detail=detail)


@dataclass(frozen=True)
class UnknownDerivatives:
    """Why nothing is known."""

    reason: str

    def checks(self, each: Candidate) -> list[Check]:
        """One check that could not be made."""
        return [unsupported(each.name, EvidenceKind.IMPLICIT_FUNCTION, self.reason)]


Derivatives = SmoothDerivatives | OneSidedDerivatives | UnknownDerivatives


def derivatives_at(trial: Trial, candidates: Sequence[Candidate]) -> Derivatives:
    """What is known of the derivative at the trial's solution.

    Args:
        trial: with an invertible K.
        candidates: among them, maybe, a derivation by hand, to hold the others against.
    """
    try:
        if trial.solution.at_kink:
            return _one_sided(trial)
        return _smooth(trial, candidates)
    except (ImplicitError, np.linalg.LinAlgError) as error:
        return UnknownDerivatives(f"beside the solution, verify's own search {one_line(error)}")


def _smooth(trial: Trial, candidates: Sequence[Candidate]) -> SmoothDerivatives:
    solution, case = trial.solution, trial.case
    implicit = [implicit_function(solution, case.cotangent, v) for v in case.directions]
    return SmoothDerivatives(
        trial=trial,
        implicit=implicit,
        sweep=finite_differences(solution, case.cotangent, case.directions[0]),
        by_hand=rows_by_hand(trial, candidates, implicit),
        unrolled=by_unrolling(trial, implicit),
    )


def _one_sided(trial: Trial) -> OneSidedDerivatives:
    case = trial.case
    sides = [one_sided(trial.solution, case.cotangent, v) for v in case.directions]
    return OneSidedDerivatives(trial, sides)
