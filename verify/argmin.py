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
from functools import cache, partial
from inspect import signature
from typing import Any

import numpy as np

from reference_impls.backends import Backend, Manual, Torch
from reference_impls.computation import Array, Arrays, Computation, Vjp, generator
from reference_impls.implicit import ImplicitError, torch_unrolled_argmin, torch_unrolled_root
from reference_impls.implicit.trees import leaves_of, map_leaves
from verify.cases import Case, implementation_label
from verify.compare import (
    Check,
    Verdict,
    Worst,
    contract_violation,
    make_worst,
    one_line,
    worst_entry,
)
from verify.condition import Problem, finite_differences, implicit_function, one_sided
from verify.dot_test import dot_test, severity
from verify.optimality import check_optimality
from verify.oracles import Estimate
from verify.properties import Result
from verify.tolerance import SAFETY, pair, unit_roundoff

KIND = "argmin"

ROWS = 3
"""Of the Jacobian, combined with Gaussian weights: each is blind to nothing but by chance."""

FACTORS = (2.0**10, 2.0**-10)
"""Of the objective; powers of two, so that not even rounding changes."""

SHIFT = 0.1
"""Of the guess, in units of the solution: far enough to tell, near enough for the same solution."""

COARSE = 1e-3
"""A tolerance that is more than this of what it is for decides nothing."""

WITHOUT_OPERATOR = "takes no keyword `solve` with an operator as its default"

Solve = Callable[..., Any]
"""An operator such as `reference_impls.implicit.torch_argmin`."""


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


@dataclass(frozen=True)
class _Implementation:
    """One backend at the case's primals.

    Attributes:
        name: its label.
        backend: what differentiates.
        solve: the operator its body uses by default; None for a body that takes none.
        vjp: from cotangents to those of the primals.
        result: its value, and its cotangents for the case's cotangent.
        y: the solution in its value, or seen at its operator; None where neither shows it.
    """

    name: str
    backend: Backend
    solve: Solve | None
    vjp: Vjp
    result: Result
    y: Array | None


_Held = Callable[[_Implementation], list[Check]]
"""From an implementation to checks of its Jacobian; what they share is computed once."""


def argmin_evidence(case: Case, backends: Sequence[Backend]) -> list[Evidence]:
    """Everything in the list above, for each implementation that returns a result at all.

    Args:
        case: of a computation with an `Optimality`, in float64.
        backends: whose implementations to hold against it.

    Raises:
        OptimalityError: the optimality is not what `Optimality` documents.
    """
    optimality = case.computation.optimality
    if optimality is None or case.dtype != "float64":
        return []
    check_optimality(case.computation, case.primals, case.cotangent.shape)
    observed = (_observed(case, backend) for backend in backends)
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


def _at_its_own_solution(problem: Problem, each: _Implementation) -> Problem:
    """Where that is another than the one found from the initial guess, and no less a solution."""
    if each.y is None or problem.optimality.search:
        return problem
    own = replace(problem, y=each.y, guess=each.y)
    is_minimum = own.optimality.is_root or own.descents <= problem.descents
    is_another = not problem.is_solved or own.is_apart_from(problem.y)
    return own.settled() if own.is_solved and is_another and is_minimum else problem


def _held(case: Case, problem: Problem, implementations: Sequence[_Implementation]) -> _Held:
    derivative = _at_kink if problem.at_kink else _where_smooth
    try:
        return derivative(case, problem, implementations)
    except (ImplicitError, np.linalg.LinAlgError) as error:
        detail = f"beside the solution, verify's own search {one_line(error)}"
        return lambda each: [Check(each.name, KIND, "implicit function", "unsupported", detail)]


def _checks(case: Case, problem: Problem, each: _Implementation, held: _Held) -> list[Check]:
    checks = [
        *_optimality(problem, each),
        *held(each),
        *_invariances(case, problem, each),
        *_linearity(case, problem, each),
    ]
    if SAFETY * unit_roundoff(case.dtype) * problem.condition_number <= COARSE:
        return checks
    detail = f"K has condition {problem.condition_number:.0e}: rounding leaves too few digits"
    return [replace(check, verdict="inconclusive", detail=detail) for check in checks]


def _unsolved(case: Case, each: _Implementation, error: Exception) -> Evidence:
    detail = f"verify's own search {one_line(error)}"
    check = Check(each.name, KIND, "K", "unsupported", detail)
    return Evidence(each.name, _unknowns(case), None, np.nan, 0, None, None, (check,))


def _evidence(each: _Implementation, problem: Problem, checks: Sequence[Check]) -> Evidence:
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


def _observed(case: Case, backend: Backend) -> _Implementation | None:
    """The implementation, unless it fails: then its contract says how."""
    try:
        return _run(case.computation, case, backend)
    except Exception:  # noqa: BLE001 -- whatever an implementation raises, its contract check reports
        return None


def _run(computation: Computation, case: Case, backend: Backend) -> _Implementation | None:
    """None where it breaks its contract; raises whatever it raises."""
    body = getattr(computation, backend.body)
    if body is None:
        return None
    found: list[Any] = []
    solve = _operator(body)
    if solve:
        computation = _with_operator(computation, backend, _recording(solve, found))
    value, vjp = backend.make_vjp(computation, case.primals)
    cotangents = vjp(case.cotangent)
    if contract_violation(value, cotangents, case.primals, case.computation.wrt):
        return None
    result = Result(implementation_label(backend), value, cotangents)
    y = _solution(case, backend, value, found)
    return _Implementation(result.name, backend, solve, vjp, result, y)


def _solution(case: Case, backend: Backend, value: Array, found: Sequence[Any]) -> Array | None:
    if _is_solution(case, value):
        return np.ravel(value)
    if not found:
        return None
    # Out of autograd's boxes.
    leaves = (getattr(leaf, "_value", leaf) for leaf in leaves_of(found[-1]))
    y = np.concatenate([np.ravel(backend.to_numpy(leaf)) for leaf in leaves])
    return y if y.size == _unknowns(case) else None


def _is_solution(case: Case, value: Array) -> bool:
    """Is the computation's value the solution itself?"""
    optimality = case.computation.optimality
    if optimality is None or value.size != _unknowns(case):
        return False
    return bool(np.array_equal(optimality.outcome(np.ravel(value), **case.primals), value))


def _unknowns(case: Case) -> int:
    optimality = case.computation.optimality
    return optimality.start(**case.primals).size if optimality else 0


def _operator(body: Callable[..., Any]) -> Solve | None:
    """The default of a body's keyword ``solve``."""
    parameter = signature(body).parameters.get("solve")
    return parameter.default if parameter and callable(parameter.default) else None


def _with_operator(computation: Computation, backend: Backend, solve: Solve) -> Computation:
    body = partial(getattr(computation, backend.body), solve=solve)
    return _with_body(computation, backend, body)


def _with_body(computation: Computation, backend: Backend, body: Solve) -> Computation:
    changes: dict[str, Any] = {backend.body: body}
    return replace(computation, **changes)


def _recording(solve: Solve, found: list[Any]) -> Solve:
    def recorded(*arguments: Any, **options: Any) -> Any:
        found.append(solve(*arguments, **options))
        return found[-1]

    return recorded


def _singular(problem: Problem, each: _Implementation) -> list[Check]:
    """K is singular where the search ended, at the implementation's own solution, or both."""
    at_own = problem if each.y is None else replace(problem, y=each.y)
    singularity = at_own.singularity() or problem.singularity()
    if not singularity:
        detail = "no solution of the condition was found from the initial guess"
        return [Check(each.name, KIND, "K", "unsupported", detail)]
    detail = f"{singularity}: it determines no Jacobian, and yet one is returned"
    return [Check(each.name, KIND, "K", "disagree", detail)]


def _check(each: _Implementation, against: str, *found: Worst, detail: str = "") -> Check:
    worst = max(found, key=lambda one: one.error / one.tolerance)
    verdict: Verdict = "agree" if worst.accepted else "disagree"
    return Check(each.name, KIND, against, verdict, detail, worst)


def _optimality(problem: Problem, each: _Implementation) -> list[Check]:
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
    worst = _worst(problem, {"y*": each.y}, exact, {"y*": np.zeros(each.y.shape)})
    return [_check(each, "optimality", worst, detail=detail)]


def _where_smooth(
    case: Case, problem: Problem, implementations: Sequence[_Implementation]
) -> _Held:
    sweep = finite_differences(problem, case.cotangent, case.directions[0])
    implicit = [implicit_function(problem, case.cotangent, v) for v in case.directions]
    cotangents = _gaussian_cotangents(case)
    rows = _rows_by_hand(case, problem, implementations, implicit, cotangents)
    unrolled = _unrolled(case, problem, implicit)

    def held(each: _Implementation) -> list[Check]:
        by_hand = each.name == Manual.name
        own_rows = [] if by_hand else [each.vjp(cotangent) for cotangent in cotangents]
        return [
            *_defining_equation(case, problem, each),
            _paired(case, problem, each.result, implicit),
            _paired(case, problem, each.result, [sweep.estimate], sweep.plateau),
            *_against(case, problem, each, "unrolled", [each.result.cotangents], unrolled),
            *([] if by_hand else _against(case, problem, each, Manual.name, own_rows, rows)),
        ]

    return held


def _gaussian_cotangents(case: Case) -> list[Array]:
    """As long as the case's own, to which its noise belongs."""
    rng = generator(case.computation, case.size, case.seed, 2)
    drawn = [rng.standard_normal(case.cotangent.shape) for _ in range(ROWS)]
    length = np.linalg.norm(case.cotangent)
    return [np.asarray(each * (length / np.linalg.norm(each))) for each in drawn]


def _defining_equation(case: Case, problem: Problem, each: _Implementation) -> list[Check]:
    """wᵀ (K J + R) v for Gaussian w and v; only where the value is the solution itself.

    Solving with K brings an error of the condition of K, however K was come by.
    """
    if not _is_solution(case, each.result.value):
        return []
    found = []
    for w in _gaussian_cotangents(case):
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
    return [_check(each, "K J + R", *found)]


def _paired(
    case: Case, problem: Problem, result: Result, estimates: Sequence[Estimate], detail: str = ""
) -> Check:
    checks = [
        dot_test(case, result, k, estimate, KIND, problem.condition_number)
        for k, estimate in enumerate(estimates)
    ]
    worst = max(checks, key=severity)
    return replace(worst, detail="; ".join(filter(None, (worst.detail, detail))))


@dataclass(frozen=True)
class _Reference:
    """Cotangents to hold others against, or why there are none that may be trusted.

    What implementations are held against must itself be right: a wrong body would blame others.
    """

    cotangents: Sequence[Arrays] = ()
    missing: str = ""


def _rows_by_hand(
    case: Case,
    problem: Problem,
    implementations: Sequence[_Implementation],
    implicit: Sequence[Estimate],
    cotangents: Sequence[Array],
) -> _Reference:
    by_hand = next((each for each in implementations if each.name == Manual.name), None)
    if by_hand is None:
        return _Reference()
    if _paired(case, problem, by_hand.result, implicit).verdict != "agree":
        return _Reference(missing="by_hand does not agree with the implicit function here")
    return _Reference([by_hand.vjp(cotangent) for cotangent in cotangents])


def _unrolled(case: Case, problem: Problem, implicit: Sequence[Estimate]) -> _Reference:
    """torch's cotangents through the iterations."""
    body = getattr(case.computation, Torch.body)
    if body is None:
        return _Reference()
    if not _operator(body):
        return _Reference(missing=f"by_torch {WITHOUT_OPERATOR}")
    solve = torch_unrolled_root if problem.optimality.is_root else torch_unrolled_argmin
    computation = _with_operator(case.computation, Torch(), solve)
    try:
        value, vjp = Torch().make_vjp(computation, case.primals)
        result = Result("unrolled", value, vjp(case.cotangent))
    except Exception as error:  # noqa: BLE001 -- a reference that fails is no fault of the others
        return _Reference(missing=one_line(error))
    if _paired(case, problem, result, implicit).verdict != "agree":
        return _Reference(
            missing="unrolled, by_torch does not agree with the implicit function here"
        )
    return _Reference([result.cotangents])


def _against(
    case: Case,
    problem: Problem,
    each: _Implementation,
    against: str,
    own: Sequence[Arrays],
    reference: _Reference,
) -> list[Check]:
    if reference.missing:
        return [Check(each.name, KIND, against, "unsupported", reference.missing)]
    if not reference.cotangents:
        return []
    return _entries(case, problem, each, against, own, reference.cotangents)


def _entries(
    case: Case,
    problem: Problem,
    each: _Implementation,
    against: str,
    got: Sequence[Arrays],
    wanted: Sequence[Arrays],
) -> list[Check]:
    """Cotangents, entry by entry, within the noise of their array."""
    noise = {
        name: np.full(array.shape, array.max()) for name, array in case.noise.cotangents.items()
    }
    found = [_worst(problem, *arrays, noise) for arrays in zip(got, wanted, strict=True)]
    return [_check(each, against, *found)]


def _worst(problem: Problem, got: Arrays, wanted: Arrays, noise: Arrays) -> Worst:
    """No method that is stable does better than the condition of K lets it."""
    conditioned = {
        name: noise[name] + problem.condition_number * np.abs(array).max()
        for name, array in wanted.items()
    }
    return worst_entry(got, wanted, conditioned)


def _at_kink(case: Case, problem: Problem, _: Sequence[_Implementation]) -> _Held:
    """Any number between the derivatives from either side is right."""
    sides = [one_sided(problem, case.cotangent, tangents) for tangents in case.directions]

    def held(each: _Implementation) -> list[Check]:
        checks = []
        for k, pair_of_sides in enumerate(sides):
            low, high = sorted(pair_of_sides, key=lambda estimate: estimate.value)
            got = pair(each.result.cotangents, case.directions[k])
            nearest = (
                low if got < low.value else high if got > high.value else replace(low, value=got)
            )
            check = dot_test(case, each.result, k, nearest, KIND, problem.condition_number)
            detail = (
                f"a weight sits at the kink: ⟨Jᵀu, v⟩ is {got:.6g}, "
                f"between {low.value:.6g} and {high.value:.6g} from either side"
            )
            checks.append(replace(check, detail=detail))
        return [max(checks, key=severity)]

    return held


def _invariances(case: Case, problem: Problem, each: _Implementation) -> list[Check]:
    """What changing the problem's statement leaves alone; one by hand has none to change."""
    if each.backend.name == Manual.name:
        return []
    if each.solve is None:
        detail = f"{each.backend.body} {WITHOUT_OPERATOR}"
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
    case: Case, problem: Problem, each: _Implementation, against: str, solves: Sequence[Solve]
) -> Check:
    found = []
    for solve in solves:
        computation = _with_operator(case.computation, each.backend, solve)
        try:
            varied = _run(computation, case, each.backend)
        except Exception as error:  # noqa: BLE001 -- whatever it raises here, it did not before
            return _refusal(each, against, error)
        if varied is None:
            return Check(each.name, KIND, against, "disagree", "breaks its contract")
        if _is_another_solution(problem, each, varied):
            return Check(each.name, KIND, against, "inconclusive", "leads to another solution")
        value = {"value": varied.result.value}
        found += [
            _worst(problem, value, {"value": each.result.value}, case.noise.value),
            _worst(
                problem, varied.result.cotangents, each.result.cotangents, case.noise.cotangents
            ),
        ]
    return _check(each, against, *found)


def _refusal(each: _Implementation, against: str, error: Exception) -> Check:
    """To refuse is not to answer wrongly; anything else that is raised is a fault."""
    verdict: Verdict = "inconclusive" if isinstance(error, ImplicitError) else "disagree"
    return Check(each.name, KIND, against, verdict, one_line(error))


def _is_another_solution(problem: Problem, one: _Implementation, other: _Implementation) -> bool:
    if one.y is None or other.y is None or problem.optimality.search:
        return False
    at_one, at_other = replace(problem, y=one.y), replace(problem, y=other.y)
    return at_one.is_solved and at_other.is_solved and at_one.is_apart_from(other.y)


def _no_gradient_for_the_guess(case: Case, each: _Implementation) -> Check:
    """With the guess moved by a primal of its own: nothing may flow back to it."""
    against, computation, solve = "gradient for the guess", case.computation, each.solve
    body = getattr(computation, each.backend.body)

    def with_guess(guess: Any, **primals: Any) -> Any:
        return body(**primals, solve=_shifted(solve, guess))  # type: ignore[arg-type]

    varied = replace(
        _with_body(computation, each.backend, with_guess),
        wrt=(*computation.wrt, "guess"),
        shapes={**computation.shapes, "guess": ""} if computation.shapes else {},
    )
    try:
        _, vjp = each.backend.make_vjp(varied, case.primals | {"guess": np.zeros(())})
        got = float(vjp(case.cotangent)["guess"])
    except Exception as error:  # noqa: BLE001 -- as above
        return _refusal(each, against, error)
    largest = max(float(np.abs(array).max()) for array in each.result.cotangents.values())
    scale = max(largest, float(np.finfo(case.dtype).tiny))
    units = (unit_roundoff(case.dtype), scale, 0.0)
    return _check(each, against, make_worst("guess", "", got, 0.0, units))


def _linearity(case: Case, problem: Problem, each: _Implementation) -> list[Check]:
    """Jᵀ(u - w)/2 = (Jᵀu - Jᵀw)/2."""
    u, w = case.cotangent, _gaussian_cotangents(case)[0]
    together, apart = each.vjp((u - w) / 2), each.vjp(w)
    wanted = {name: (array - apart[name]) / 2 for name, array in each.result.cotangents.items()}
    return _entries(case, problem, each, "linearity", [together], [wanted])
