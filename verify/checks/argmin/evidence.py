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
- ``one side``: at a kink of the objective, where the support changes and there are but one-sided
  derivatives, these instead of the five above that differentiate.

A singular K determines no Jacobian: what an implementation returns there is wrong, whatever it is.
Where there are several solutions, an implementation is held against K and R at its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from reference_impls.engines.backend import Backend
from reference_impls.engines.manual.backend import Manual
from reference_impls.implicit import ImplicitError
from verify.checks.argmin.implementation import (
    KIND,
    Candidate,
    NoisyCase,
    candidate_of,
    check_of,
    conditioned_worst,
    gaussian_cotangents,
    is_solution,
    unknowns_of,
)
from verify.checks.argmin.invariances import invariance_checks, linearity_checks
from verify.checks.argmin.optimality import check_optimality
from verify.checks.argmin.problem import Problem, implicit_function
from verify.checks.argmin.references import (
    against_reference,
    by_unrolling,
    paired_check,
    rows_by_hand,
)
from verify.checks.argmin.solved_anew import finite_differences, one_sided
from verify.checks.case import CatalogueCase
from verify.checks.check import Check, one_line, severity
from verify.checks.compare import make_worst
from verify.checks.first_order.dot_test import DotTest
from verify.error_model.arrays import pair, unit_roundoff
from verify.error_model.noise import SAFETY, Noise

COARSE = 1e-3
"""A tolerance that is more than this of what it is for decides nothing."""


@dataclass(frozen=True)
class Evidence:
    """What speaks for or against one implementation of an argmin.

    Attributes:
        implementation: whose.
        unknowns: n, the entries of y.
        residual: ‖F(y*)‖ relative to ‖K‖ ‖y*‖ at its solution; None where it does not show it.
        condition: the condition number of K.
        rank: of K.
        active: how many unknowns are not held at a kink; None where there are no kinks.
        margin: how far the support is from changing; None where there are no kinks.
        checks: one for everything it was held against.
    """

    implementation: str
    unknowns: int
    residual: float | None
    condition: float
    rank: int
    active: int | None
    margin: float | None
    checks: tuple[Check, ...]

    def error(self, against: str) -> float | None:
        """What that check found, relative to the largest entry; None if it was not made."""
        return next(
            (
                c.worst.error / c.worst.scale
                for c in self.checks
                if c.against == against and c.worst and np.isfinite(c.worst.error)
            ),
            None,
        )

    @property
    def plateau(self) -> str:
        """What the finite differences say of their steps and tolerances."""
        return next((c.detail for c in self.checks if c.against == "finite differences"), "")


_Held = Callable[[Candidate], list[Check]]
"""From an implementation to checks of its Jacobian; what they share is computed once."""


def argmin_evidence(
    case: CatalogueCase, noise: Noise, backends: Sequence[Backend]
) -> list[Evidence]:
    """Everything in the list above, for each implementation that returns a result at all.

    Args:
        case: of a computation with an `Optimality`, in float64.
        noise: that is allowed there.
        backends: whose implementations to hold against it.

    Raises:
        OptimalityError: the optimality is not what `Optimality` documents.
    """
    optimality = case.computation.optimality
    if optimality is None or case.dtype != "float64":
        return []
    check_optimality(case.computation, case.primals, case.cotangent.shape)
    case = NoisyCase(**vars(case), noise=noise)
    observed = (candidate_of(case, backend) for backend in backends)
    implementations = [each for each in observed if each]
    try:
        problem = Problem.solved(optimality, case.primals)
    except ImplicitError as error:
        return [_unsolved(case, each, error) for each in implementations]

    @cache
    def shared() -> _Held:
        return _held(case, problem, implementations)

    found = []
    for each in implementations:
        own = _at_its_own_solution(problem, each)
        if own.singularity() or not own.is_solved:
            checks = _singular(own, each)
        else:
            held = shared() if own is problem else _held(case, own, implementations)
            checks = _checks(case, own, each, held)
        found.append(_evidence(each, own, checks))
    return found


def _at_its_own_solution(problem: Problem, each: Candidate) -> Problem:
    """Where that is another than the one found from the initial guess, and no less a solution."""
    if each.y is None or problem.optimality.search:
        return problem
    own = replace(problem, y=each.y, guess=each.y)
    is_minimum = own.optimality.is_root or own.descents <= problem.descents
    is_another = not problem.is_solved or own.is_apart_from(problem.y)
    return own.settled() if own.is_solved and is_another and is_minimum else problem


def _held(case: NoisyCase, problem: Problem, implementations: Sequence[Candidate]) -> _Held:
    derivative = _at_kink if problem.at_kink else _where_smooth
    try:
        return derivative(case, problem, implementations)
    except (ImplicitError, np.linalg.LinAlgError) as error:
        detail = f"beside the solution, verify's own search {one_line(error)}"
        return lambda each: [Check(each.name, KIND, "implicit function", "unsupported", detail)]


def _checks(case: NoisyCase, problem: Problem, each: Candidate, held: _Held) -> list[Check]:
    checks = [
        *_optimality(problem, each),
        *held(each),
        *invariance_checks(case, problem, each),
        *linearity_checks(case, problem, each),
    ]
    if SAFETY * unit_roundoff(case.dtype) * problem.condition_number <= COARSE:
        return checks
    detail = f"K has condition {problem.condition_number:.0e}: rounding leaves too few digits"
    return [replace(check, verdict="inconclusive", detail=detail) for check in checks]


def _unsolved(case: NoisyCase, each: Candidate, error: Exception) -> Evidence:
    detail = f"verify's own search {one_line(error)}"
    check = Check(each.name, KIND, "K", "unsupported", detail)
    return Evidence(each.name, unknowns_of(case), None, np.nan, 0, None, None, (check,))


def _evidence(each: Candidate, problem: Problem, checks: Sequence[Check]) -> Evidence:
    margin, support = problem.optimality.margin, problem.support
    scale = float(problem.singular_values[0] * np.linalg.norm(problem.y)) or 1.0
    return Evidence(
        implementation=each.name,
        unknowns=problem.y.size,
        residual=None if each.y is None else float(np.linalg.norm(problem.F(each.y))) / scale,
        condition=problem.condition_number,
        rank=problem.rank,
        active=None if support is None else int(np.count_nonzero(support)),
        margin=margin and margin(problem.y, **problem.primals),
        checks=tuple(checks),
    )


def _singular(problem: Problem, each: Candidate) -> list[Check]:
    """K is singular where the search ended, at the implementation's own solution, or both."""
    at_own = problem if each.y is None else replace(problem, y=each.y)
    singularity = at_own.singularity() or problem.singularity()
    if not singularity:
        detail = "no solution of the condition was found from the initial guess"
        return [Check(each.name, KIND, "K", "unsupported", detail)]
    detail = f"{singularity}: it determines no Jacobian, and yet one is returned"
    return [Check(each.name, KIND, "K", "disagree", detail)]


def _optimality(problem: Problem, each: Candidate) -> list[Check]:
    """Is its solution one, as far as rounding lets it be known?"""
    if each.y is None:
        return []
    detail = ""
    if problem.guess is not None:
        detail = "judged at its own solution; the initial guess leads verify to another"
    own, wanted = replace(problem, y=each.y).support, problem.support
    if own is not None and wanted is not None and (own != wanted).any():
        odd = int(np.argmax(own != wanted))
        detail = f"unknown [{odd}] has sign {own[odd]:g}, wanted {wanted[odd]:g}"
        return [Check(each.name, KIND, "optimality", "disagree", detail)]
    exact = {"y*": each.y - problem.newton_step(each.y)}
    worst = conditioned_worst(problem, {"y*": each.y}, exact, {"y*": np.zeros(each.y.shape)})
    return [check_of(each, "optimality", worst, detail=detail)]


def _where_smooth(case: NoisyCase, problem: Problem, implementations: Sequence[Candidate]) -> _Held:
    sweep = finite_differences(problem, case.cotangent, case.directions[0])
    implicit = [implicit_function(problem, case.cotangent, v) for v in case.directions]
    cotangents = gaussian_cotangents(case)
    rows = rows_by_hand(case, problem, implementations, implicit, cotangents)
    unrolled = by_unrolling(case, problem, implicit)

    def held(each: Candidate) -> list[Check]:
        by_hand = each.name == Manual.name
        own_rows = [] if by_hand else [each.vjp(cotangent) for cotangent in cotangents]
        return [
            *_defining_equation(case, problem, each),
            paired_check(case, problem, each.result, implicit),
            paired_check(case, problem, each.result, [sweep.estimate], sweep.plateau),
            *against_reference(case, problem, each, "unrolled", [each.result.cotangents], unrolled),
            *(
                []
                if by_hand
                else against_reference(case, problem, each, Manual.name, own_rows, rows)
            ),
        ]

    return held


def _defining_equation(case: NoisyCase, problem: Problem, each: Candidate) -> list[Check]:
    """wᵀ (K J + R) v for Gaussian w and v; only where the value is the solution itself.

    Solving with K brings an error of the condition of K, however K was come by.
    """
    if not is_solution(case, each.result.value):
        return []
    found = []
    for w in gaussian_cotangents(case):
        cotangent = (problem.K.T @ w.ravel()).reshape(w.shape)
        cotangents = each.vjp(cotangent)
        longer = float(np.linalg.norm(cotangent) / np.linalg.norm(case.cotangent))
        for v, measured in zip(case.directions, case.noise.pairings, strict=True):
            terms = w.ravel() * problem.partial_along(v)
            scale = float(np.linalg.norm(terms))
            noise = problem.condition_number * scale + longer * float(measured)
            units = (unit_roundoff(case.dtype), scale, noise)
            found.append(
                make_worst("wᵀ K J v", "", pair(cotangents, v), float(-terms.sum()), units)
            )
    return [check_of(each, "K J + R", *found)]


def _at_kink(case: NoisyCase, problem: Problem, _: Sequence[Candidate]) -> _Held:
    """Any number between the derivatives from either side is right."""
    sides = [one_sided(problem, case.cotangent, tangents) for tangents in case.directions]

    def held(each: Candidate) -> list[Check]:
        checks = []
        for k, pair_of_sides in enumerate(sides):
            low, high = sorted(pair_of_sides, key=lambda estimate: estimate.value)
            got = pair(each.result.cotangents, case.directions[k])
            nearest = (
                low if got < low.value else high if got > high.value else replace(low, value=got)
            )
            check = DotTest(case, case.noise, each.result, KIND).along(
                k, nearest, problem.condition_number
            )
            detail = (
                f"a weight sits at the kink: ⟨Jᵀu, v⟩ is {got:.6g}, "
                f"between {low.value:.6g} and {high.value:.6g} from either side"
            )
            checks.append(replace(check, detail=detail))
        return [max(checks, key=severity)]

    return held
