"""What stating an argmin in another way must leave alone: its scale, its initial guess."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from reference_impls.computation import Computation
from reference_impls.implicit import ImplicitError
from reference_impls.implicit.trees import map_leaves
from verify.checks.argmin.candidate import Candidate, run_body
from verify.checks.argmin.kinds import EvidenceKind
from verify.checks.argmin.operators import (
    WITHOUT_OPERATOR,
    Operator,
    body_with,
    with_operator,
)
from verify.checks.argmin.solution import Solution
from verify.checks.argmin.trial import ARGMIN, Trial, unsupported, worst_check
from verify.checks.check import Check, Verdict, Worst, one_line
from verify.checks.compare import make_worst
from verify.error_model.arrays import unit_roundoff

FACTORS = (2.0**10, 2.0**-10)
"""Of the objective: powers of two, so that nothing is rounded anew."""


SHIFT = 0.1
"""Of the guess, in units of the solution: far enough to tell, near enough for the same solution."""


def invariance_checks(trial: Trial, each: Candidate) -> list[Check]:
    """The argmin stated in other ways; a derivation by hand states none."""
    if each.is_by_hand:
        return []
    if each.operator is None:
        reason = f"the body for {each.backend.name} {WITHOUT_OPERATOR}"
        kinds = (EvidenceKind.SCALED, EvidenceKind.INITIAL_GUESS, EvidenceKind.GUESS_GRADIENT)
        return [unsupported(each.name, kind, reason) for kind in kinds]
    shift = SHIFT * float(np.sqrt(np.mean(np.square(trial.solution.y)))) or 1.0
    scaled = [_scaled(each.operator, factor) for factor in FACTORS]
    return [
        _unchanged(trial, each, EvidenceKind.SCALED, scaled),
        _unchanged(trial, each, EvidenceKind.INITIAL_GUESS, [_shifted(each.operator, shift)]),
        _no_gradient_for_the_guess(trial, each, each.operator),
    ]


def _scaled(operator: Operator, factor: float) -> Operator:
    """The objective, or condition, times the factor, and the constraint with it.

    Then all of the matrix that is solved with is scaled.
    """

    def times(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *given: map_leaves(lambda leaf: factor * leaf, function(*given))

    def scaled(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        if options.get("constraint") is not None:
            options["constraint"] = times(options["constraint"])
        return operator(times(function), *arguments, **options)

    return scaled


def _shifted(operator: Operator, shift: Any) -> Operator:
    def shifted(function: Callable[..., Any], initial: Any, *arguments: Any, **options: Any) -> Any:
        moved = map_leaves(lambda leaf: leaf + shift, initial)
        return operator(function, moved, *arguments, **options)

    return shifted


def _unchanged(
    trial: Trial, each: Candidate, kind: EvidenceKind, operators: Sequence[Operator]
) -> Check:
    """The candidate with other operators against itself."""
    found: list[Worst] = []
    for operator in operators:
        computation = with_operator(trial.case.computation, each.backend, operator)
        try:
            varied = run_body(computation, trial.case, each.backend)
        except Exception as error:  # noqa: BLE001 -- whatever it raises here, it did not before
            return _refusal(each, kind, error)
        if varied is None:
            return Check(each.name, ARGMIN, kind, "disagree", "breaks its contract")
        if _is_another_solution(trial.solution, each, varied):
            return Check(each.name, ARGMIN, kind, "inconclusive", "leads to another solution")
        found += _changes(trial, each, varied)
    return worst_check(each, kind, found)


def _changes(trial: Trial, each: Candidate, varied: Candidate) -> list[Worst]:
    before, after, noise = each.result, varied.result, trial.noise
    return [
        trial.worst({"value": after.value}, {"value": before.value}, noise.value),
        trial.worst(after.cotangents, before.cotangents, noise.cotangents),
    ]


def _is_another_solution(solution: Solution, one: Candidate, other: Candidate) -> bool:
    if one.y is None or other.y is None or solution.optimality.search:
        return False
    at_one, at_other = replace(solution, y=one.y), replace(solution, y=other.y)
    return at_one.is_apart_from(other.y) and at_one.is_converged and at_other.is_converged


def _no_gradient_for_the_guess(trial: Trial, each: Candidate, operator: Operator) -> Check:
    """The guess is moved by a primal of its own: nothing may flow back to that."""
    case, kind = trial.case, EvidenceKind.GUESS_GRADIENT
    try:
        varied = _with_guess(case.computation, each, operator)
        _, vjp = each.backend.make_vjp(varied, case.primals | {"guess": np.zeros(())})
        got = float(vjp(case.cotangent)["guess"])
    except Exception as error:  # noqa: BLE001 -- whatever it raises here, it did not before
        return _refusal(each, kind, error)
    largest = max(float(np.abs(array).max()) for array in each.result.cotangents.values())
    scale = max(largest, float(np.finfo(case.dtype).tiny))
    units = (unit_roundoff(case.dtype), scale, 0.0)
    return worst_check(each, kind, [make_worst("guess", "", got, 0.0, units)])


def _with_guess(computation: Computation, each: Candidate, operator: Operator) -> Computation:
    """The computation with one more primal, a number that is added to the initial guess."""

    def moved(guess: Any, **primals: Any) -> Any:
        return body_with(computation, each.backend, _shifted(operator, guess))(**primals)

    return replace(
        each.backend.with_body(computation, moved),
        wrt=(*computation.wrt, "guess"),
        shapes={**computation.shapes, "guess": ""} if computation.shapes else {},
    )


def _refusal(each: Candidate, kind: EvidenceKind, error: Exception) -> Check:
    """To refuse is not to answer wrongly; anything else that is raised is a fault."""
    verdict: Verdict = "inconclusive" if isinstance(error, ImplicitError) else "disagree"
    return Check(each.name, ARGMIN, kind, verdict, one_line(error))


def linearity_check(trial: Trial, each: Candidate) -> Check:
    """Jᵀ(u - w)/2 = (Jᵀu - Jᵀw)/2."""
    u, w = trial.case.cotangent, each.weights[0]
    together, of_w = each.vjp((u - w) / 2), each.rows[0]
    apart = {name: (of_u - of_w[name]) / 2 for name, of_u in each.result.cotangents.items()}
    return trial.entry_check(each, EvidenceKind.LINEARITY, [together], [apart])
