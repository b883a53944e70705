"""What stating an argmin otherwise must leave alone: its scale, its initial guess."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from reference_impls.engines.manual.backend import Manual
from reference_impls.implicit.trees import map_leaves
from verify.checks.argmin.implementation import (
    KIND,
    WITHOUT_OPERATOR,
    Candidate,
    NoisyCase,
    Solve,
    check_of,
    conditioned_worst,
    entry_checks,
    gaussian_cotangents,
    refusal_check,
    run_body,
    with_operator,
)
from verify.checks.argmin.problem import Problem
from verify.checks.check import Check
from verify.checks.compare import make_worst
from verify.error_model.arrays import unit_roundoff

FACTORS = (2.0**10, 2.0**-10)
"""Of the objective; powers of two, so that not even rounding changes."""


SHIFT = 0.1
"""Of the guess, in units of the solution: far enough to tell, near enough for the same solution."""


def invariance_checks(case: NoisyCase, problem: Problem, each: Candidate) -> list[Check]:
    """What changing the problem's statement leaves alone; one by hand has none to change."""
    if each.backend.name == Manual.name:
        return []
    if each.solve is None:
        detail = f"the body for {each.backend.name} {WITHOUT_OPERATOR}"
        names = ("c · f", "initial guess", "gradient for the guess")
        return [Check(each.name, KIND, name, "unsupported", detail) for name in names]
    shift = SHIFT * float(np.sqrt(np.mean(np.square(problem.y)))) or 1.0
    scaled = [_scaled(each.solve, factor) for factor in FACTORS]
    return [
        _unchanged(case, problem, each, "c · f", scaled),
        _unchanged(case, problem, each, "initial guess", [_shifted(each.solve, shift)]),
        _no_gradient_for_the_guess(case, each),
    ]


def _scaled(solve: Solve, factor: float) -> Solve:
    """Objective, or condition, and constraint: all of the matrix that is solved with."""

    def times(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *given: map_leaves(lambda leaf: factor * leaf, function(*given))

    def scaled(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        if options.get("constraint") is not None:
            options["constraint"] = times(options["constraint"])
        return solve(times(function), *arguments, **options)

    return scaled


def _shifted(solve: Solve, shift: Any) -> Solve:
    def shifted(function: Callable[..., Any], initial: Any, *arguments: Any, **options: Any) -> Any:
        moved = map_leaves(lambda leaf: leaf + shift, initial)
        return solve(function, moved, *arguments, **options)

    return shifted


def _unchanged(
    case: NoisyCase, problem: Problem, each: Candidate, against: str, solves: Sequence[Solve]
) -> Check:
    found = []
    for solve in solves:
        computation = with_operator(case.computation, each.backend, solve)
        try:
            varied = run_body(computation, case, each.backend)
        except Exception as error:  # noqa: BLE001 -- whatever it raises here, it did not before
            return refusal_check(each, against, error)
        if varied is None:
            return Check(each.name, KIND, against, "disagree", "breaks its contract")
        if _is_another_solution(problem, each, varied):
            return Check(each.name, KIND, against, "inconclusive", "leads to another solution")
        value = {"value": varied.result.value}
        found += [
            conditioned_worst(problem, value, {"value": each.result.value}, case.noise.value),
            conditioned_worst(
                problem, varied.result.cotangents, each.result.cotangents, case.noise.cotangents
            ),
        ]
    return check_of(each, against, *found)


def _is_another_solution(problem: Problem, one: Candidate, other: Candidate) -> bool:
    if one.y is None or other.y is None or problem.optimality.search:
        return False
    at_one, at_other = replace(problem, y=one.y), replace(problem, y=other.y)
    return at_one.is_solved and at_other.is_solved and at_one.is_apart_from(other.y)


def _no_gradient_for_the_guess(case: NoisyCase, each: Candidate) -> Check:
    """With the guess moved by a primal of its own: nothing may flow back to it."""
    against, computation, solve = "gradient for the guess", case.computation, each.solve
    body = each.backend.body_of(computation)

    def with_guess(guess: Any, **primals: Any) -> Any:
        return body(**primals, solve=_shifted(solve, guess))  # type: ignore[arg-type, misc]

    varied = replace(
        each.backend.with_body(computation, with_guess),
        wrt=(*computation.wrt, "guess"),
        shapes={**computation.shapes, "guess": ""} if computation.shapes else {},
    )
    try:
        _, vjp = each.backend.make_vjp(varied, case.primals | {"guess": np.zeros(())})
        got = float(vjp(case.cotangent)["guess"])
    except Exception as error:  # noqa: BLE001 -- as above
        return refusal_check(each, against, error)
    largest = max(float(np.abs(array).max()) for array in each.result.cotangents.values())
    scale = max(largest, float(np.finfo(case.dtype).tiny))
    units = (unit_roundoff(case.dtype), scale, 0.0)
    return check_of(each, against, make_worst("guess", "", got, 0.0, units))


def linearity_checks(case: NoisyCase, problem: Problem, each: Candidate) -> list[Check]:
    """Jᵀ(u - w)/2 = (Jᵀu - Jᵀw)/2."""
    u, w = case.cotangent, gaussian_cotangents(case)[0]
    together, apart = each.vjp((u - w) / 2), each.vjp(w)
    wanted = {name: (array - apart[name]) / 2 for name, array in each.result.cotangents.items()}
    return entry_checks(case, problem, each, "linearity", [together], [wanted])
