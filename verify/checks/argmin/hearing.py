r"""Evidence for an argmin, or a root, and its Jacobian, from its condition F(y, z) = 0.

The solution y*(z) moves with J = dy*/dz = -K⁻¹ R, where K = ∂F/∂y and R = ∂F/∂z. Here both come
from the complex step on F, which is written by hand, and from no engine. Each implementation is
held, in float64, against

- ``optimality``: the Newton step K⁻¹ F(y*) that is left at its solution is rounding;
- ``K J + R``: its Jacobian satisfies the equation that defines it;
- ``implicit function``: ⟨Jᵀu, v⟩ with J from K and R, and the value from y*;
- ``finite differences``: the same from the problem solved anew, over steps and tolerances;
- ``unrolled``: torch's derivative through the iterations of Newton's method;
- ``manual``: several rows of the Jacobian, entry by entry, by the derivation on paper;
- ``c · f``, ``initial guess``: neither changes the solution nor its Jacobian, and the gradient for
  the guess is zero;
- ``linearity``: in the cotangent;
- ``one side``: at a kink of the objective, where the support changes. There are only one-sided
  derivatives there, and they take the place of the five checks above that differentiate.

A singular K determines no Jacobian: an implementation that returns one is wrong, whatever it is
(``K``). Where there are several solutions, an implementation is judged at its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from reference_impls.engines.backend import Backend
from reference_impls.implicit import ImplicitError
from verify.checks.argmin.candidate import Candidate, candidate_of, unknowns_of
from verify.checks.argmin.derivatives import Derivatives, derivatives_at
from verify.checks.argmin.evidence import Evidence
from verify.checks.argmin.invariances import invariance_checks, linearity_check
from verify.checks.argmin.kinds import EvidenceKind
from verify.checks.argmin.optimality import check_optimality
from verify.checks.argmin.solution import Solution
from verify.checks.argmin.trial import ARGMIN, Trial, unsupported, worst_check
from verify.checks.case import CatalogueCase
from verify.checks.check import Check, one_line
from verify.error_model.arrays import unit_roundoff
from verify.error_model.noise import SAFETY, Noise

COARSE = 1e-3
"""A tolerance that is a larger fraction than this of what is compared decides nothing."""


def argmin_evidence(
    case: CatalogueCase, noise: Noise, backends: Sequence[Backend]
) -> list[Evidence]:
    """Everything in the list above, for each implementation that returns a result at all.

    Args:
        case: there is evidence for one whose computation has an `Optimality`, in float64.
        noise: that all implementations are allowed there.
        backends: whose implementations to judge.

    Raises:
        OptimalityError: the optimality is not what `Optimality` documents.
    """
    optimality = case.computation.optimality
    if optimality is None or case.dtype != "float64":
        return []
    check_optimality(case.computation, case.primals, case.cotangent.shape)
    tried = (candidate_of(case, backend) for backend in backends)
    candidates = [each for each in tried if each]
    try:
        solution = Solution.found(optimality, case.primals)
    except ImplicitError as error:
        return [_unsolved(case, each, error) for each in candidates]
    common = _Hearing(Trial(case, noise, solution), candidates)
    return [common.at_solution_of(each).evidence_for(each) for each in candidates]


def _unsolved(case: CatalogueCase, each: Candidate, error: ImplicitError) -> Evidence:
    check = unsupported(each.name, EvidenceKind.K, f"verify's own search {one_line(error)}")
    return Evidence(
        implementation=each.name,
        unknowns=unknowns_of(case),
        residual=None,
        condition=np.nan,
        rank=0,
        active=None,
        margin=None,
        checks=(check,),
    )


@dataclass(frozen=True)
class _Hearing:
    """Candidates judged at one solution; what they share is computed once.

    Attributes:
        trial: the case at that solution.
        candidates: all of them, also those that are judged elsewhere.
    """

    trial: Trial
    candidates: Sequence[Candidate]

    @cached_property
    def derivatives(self) -> Derivatives:
        """What is known of the derivative here."""
        return derivatives_at(self.trial, self.candidates)

    def at_solution_of(self, each: Candidate) -> "_Hearing":
        """This hearing, or one at the candidate's own solution if that is another."""
        own = _own_solution(self.trial.solution, each)
        return _Hearing(replace(self.trial, solution=own), self.candidates) if own else self

    def evidence_for(self, each: Candidate) -> Evidence:
        """What speaks for or against one candidate."""
        solution = self.trial.solution
        margin, support = solution.optimality.margin, solution.support
        scale = float(solution.singular_values[0] * np.linalg.norm(solution.y)) or 1.0
        return Evidence(
            implementation=each.name,
            unknowns=solution.y.size,
            residual=None if each.y is None else float(np.linalg.norm(solution.F(each.y))) / scale,
            condition=solution.condition_number,
            rank=solution.rank,
            active=None if support is None else int(np.count_nonzero(support)),
            margin=margin and margin(solution.y, **solution.primals),
            checks=tuple(self._checks(each)),
        )

    def _checks(self, each: Candidate) -> list[Check]:
        solution = self.trial.solution
        if solution.singularity or not solution.is_converged:
            return [_without_jacobian(solution, each)]
        checks = [
            *_optimality_checks(self.trial, each),
            *self.derivatives.checks(each),
            *invariance_checks(self.trial, each),
            linearity_check(self.trial, each),
        ]
        condition = solution.condition_number
        if SAFETY * unit_roundoff(self.trial.case.dtype) * condition <= COARSE:
            return checks
        detail = f"K has condition {condition:.0e}: rounding leaves too few digits"
        return [replace(check, verdict="inconclusive", detail=detail) for check in checks]


def _own_solution(common: Solution, each: Candidate) -> Solution | None:
    """The candidate's solution, if it is no less a solution than the common one, and another."""
    if each.y is None or common.optimality.search:
        return None
    own = replace(common, y=each.y, guess=each.y)
    if common.is_converged and not own.is_apart_from(common.y):
        return None
    is_minimum = own.optimality.is_root or own.descents <= common.descents
    return own.settled() if is_minimum and own.is_converged else None


def _without_jacobian(solution: Solution, each: Candidate) -> Check:
    """K is singular where the search ended or at the candidate's solution, or nothing was found."""
    at_own = solution if each.y is None else replace(solution, y=each.y)
    singularity = at_own.singularity or solution.singularity
    if singularity is None:
        reason = "no solution of the condition was found from the initial guess"
        return unsupported(each.name, EvidenceKind.K, reason)
    detail = f"{singularity}: it determines no Jacobian, and yet one is returned"
    return Check(each.name, ARGMIN, EvidenceKind.K, "disagree", detail)


def _optimality_checks(trial: Trial, each: Candidate) -> list[Check]:
    """Is the candidate's solution one, as far as rounding lets it be known?"""
    solution, kind = trial.solution, EvidenceKind.OPTIMALITY
    if each.y is None:
        return []
    own, wanted = replace(solution, y=each.y).support, solution.support
    if own is not None and wanted is not None and (own != wanted).any():
        odd = int(np.argmax(own != wanted))
        detail = f"unknown [{odd}] has sign {own[odd]:g}, wanted {wanted[odd]:g}"
        return [Check(each.name, ARGMIN, kind, "disagree", detail)]
    is_own = solution.guess is not None
    detail = "judged at its own solution; the initial guess leads verify to another"
    exact = {"y*": each.y - solution.newton_step(each.y)}
    worst = trial.worst({"y*": each.y}, exact, {"y*": np.zeros(each.y.shape)})
    return [worst_check(each, kind, [worst], detail if is_own else "")]
