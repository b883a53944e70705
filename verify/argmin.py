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
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from inspect import signature
from typing import Any

import numpy as np

from reference_impls.backends import Backend, Manual, Torch
from reference_impls.computation import Array, Arrays, Computation, Vjp, generator
from reference_impls.implicit import ImplicitError, torch_unrolled_argmin, torch_unrolled_root
from verify.compare import Check, Verdict, Worst, contract_violation, make_worst, worst_entry
from verify.condition import Problem, finite_differences, implicit_function, one_sided
from verify.gradients import Case, Result, backend_label, dot_test, severity
from verify.oracles import Estimate
from verify.tolerance import pair, unit_roundoff

KIND = "argmin"

ROWS = 3
"""Of the Jacobian, combined with Gaussian weights: each is blind to nothing but by chance."""

FACTORS = (2.0**10, 2.0**-10)
"""Of the objective; powers of two, so that not even rounding changes."""

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
                if c.against == against and c.worst
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


def argmin_evidence(case: Case, backends: Sequence[Backend]) -> list[Evidence]:
    """Everything in the list above, for each implementation that returns a result at all.

    Args:
        case: of a computation with an `Optimality`, in float64.
        backends: whose implementations to hold against it.
    """
    optimality = case.computation.optimality
    if optimality is None or case.dtype != "float64":
        return []
    problem = Problem.solved(optimality, case.primals)
    implementations = [each for backend in backends for each in _implementations(case, backend)]
    if problem.singularity() or not problem.is_solved:
        return [_evidence(each, problem, _singular(problem, each)) for each in implementations]
    derivative = _at_kink if problem.at_kink else _where_smooth
    held = derivative(case, problem, implementations)
    return [
        _evidence(
            each,
            problem,
            [
                *_optimality(problem, each),
                *held(each),
                *_invariances(case, problem, each),
                *_linearity(case, each),
            ],
        )
        for each in implementations
    ]


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


def _implementations(case: Case, backend: Backend) -> Iterator[_Implementation]:
    """The implementation, unless it fails: then its contract says how."""
    body = getattr(case.computation, backend.body)
    if body is None:
        return
    found: list[Any] = []
    solve = _operator(body)
    watched = case.computation
    if solve:
        watched = _with_operator(case.computation, backend, _recording(solve, found))
    try:
        value, vjp = backend.make_vjp(watched, case.primals)
        cotangents = vjp(case.cotangent)
        if contract_violation(value, cotangents, case.primals, case.computation.wrt):
            return
    except Exception:  # noqa: BLE001 -- whatever an implementation raises, its contract check reports
        return
    unknowns = case.computation.optimality.start(**case.primals).size  # type: ignore[union-attr]
    y = np.ravel(value) if value.size == unknowns else _seen(backend, found)
    name = backend_label(backend)
    yield _Implementation(name, backend, solve, vjp, Result(name, value, cotangents), y)


def _operator(body: Callable[..., Any]) -> Solve | None:
    """The default of a body's keyword ``solve``."""
    parameter = signature(body).parameters.get("solve")
    return None if parameter is None else parameter.default


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


def _seen(backend: Backend, found: Sequence[Any]) -> Array | None:
    native = getattr(found[-1], "_value", found[-1]) if found else None  # out of autograd's box
    return None if native is None else np.ravel(backend.to_numpy(native))


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
    own, wanted = replace(problem, y=each.y).support, problem.support
    if own is not None and wanted is not None and (own != wanted).any():
        odd = int(np.argmax(own != wanted))
        detail = f"unknown [{odd}] has sign {own[odd]:g}, wanted {wanted[odd]:g}"
        return [Check(each.name, KIND, "optimality", "disagree", detail)]
    exact = {"y*": each.y - problem.newton_step(each.y)}
    # No method that is stable does better than the condition of K lets it.
    noise = {"y*": np.full(each.y.shape, problem.condition_number * np.abs(problem.y).max())}
    return [_check(each, "optimality", worst_entry({"y*": each.y}, exact, noise))]


_Held = Callable[[_Implementation], list[Check]]
"""From an implementation to checks of its Jacobian; what they share is computed once."""


def _where_smooth(
    case: Case, problem: Problem, implementations: Sequence[_Implementation]
) -> _Held:
    sweep = finite_differences(problem, case.cotangent, case.directions[0])
    implicit = [implicit_function(problem, case.cotangent, v) for v in case.directions]
    cotangents = _gaussian_cotangents(case)
    # What implementations are held against must itself be right: a wrong body would blame others.
    manual = [
        each.vjp
        for each in implementations
        if each.name == Manual.name and _paired(case, each.result, implicit).verdict == "agree"
    ]
    rows = [vjp(cotangent) for vjp in manual for cotangent in cotangents]
    unrolled = [
        result.cotangents
        for result in _unrolled(case)
        if _paired(case, result, implicit).verdict == "agree"
    ]

    def held(each: _Implementation) -> list[Check]:
        return [
            *_defining_equation(case, problem, each),
            _paired(case, each.result, implicit),
            _paired(case, each.result, [sweep.estimate], sweep.plateau),
            *_entries(case, each, "unrolled", [each.result.cotangents for _ in unrolled], unrolled),
            *_rows(case, each, cotangents, rows),
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
    if case.cotangent.size != problem.y.size:
        return []
    found = []
    for w in _gaussian_cotangents(case):
        cotangents = each.vjp((problem.K.T @ w.ravel()).reshape(w.shape))
        for v in case.directions:
            terms = w.ravel() * problem.partial_along(v)
            scale = float(np.linalg.norm(terms))
            units = (unit_roundoff(case.dtype), scale, problem.condition_number * scale)
            found.append(
                make_worst("wᵀ K J v", "", pair(cotangents, v), float(-terms.sum()), units)
            )
    return [_check(each, "K J + R", *found)]


def _paired(case: Case, result: Result, estimates: Sequence[Estimate], detail: str = "") -> Check:
    checks = [dot_test(case, result, k, estimate, KIND) for k, estimate in enumerate(estimates)]
    worst = max(checks, key=severity)
    return replace(worst, detail=worst.detail or detail)


def _entries(
    case: Case, each: _Implementation, against: str, got: Sequence[Arrays], wanted: Sequence[Arrays]
) -> list[Check]:
    """Cotangents, entry by entry, within the noise of their array; nothing if there are none."""
    noise = {
        name: np.full(array.shape, array.max()) for name, array in case.noise.cotangents.items()
    }
    found = [worst_entry(*arrays, noise) for arrays in zip(got, wanted, strict=True)]
    return [_check(each, against, *found)] if found else []


def _rows(
    case: Case, each: _Implementation, cotangents: Sequence[Array], manual: Sequence[Arrays]
) -> list[Check]:
    if each.name == Manual.name or not manual:
        return []
    own = [each.vjp(cotangent) for cotangent in cotangents]
    return _entries(case, each, Manual.name, own, manual)


def _unrolled(case: Case) -> list[Result]:
    """torch's cotangents through the iterations; nothing where its body cannot give them."""
    body, optimality = case.computation.by_torch, case.computation.optimality
    if body is None or optimality is None or not _operator(body):
        return []
    solve = torch_unrolled_root if optimality.is_root else torch_unrolled_argmin
    computation = _with_operator(case.computation, Torch(), solve)
    try:
        value, vjp = Torch().make_vjp(computation, case.primals)
    except ImplicitError:
        return []
    return [Result("unrolled", value, vjp(case.cotangent))]


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
            check = dot_test(case, each.result, k, nearest, KIND)
            detail = (
                f"a weight sits at the kink: ⟨Jᵀu, v⟩ is {got:.6g}, "
                f"between {low.value:.6g} and {high.value:.6g} from either side"
            )
            checks.append(replace(check, detail=detail))
        return [max(checks, key=severity)]

    return held


def _invariances(case: Case, problem: Problem, each: _Implementation) -> list[Check]:
    """What changing the problem's statement leaves alone; one by hand has none to change."""
    if each.solve is None:
        return []
    shift = float(np.sqrt(np.mean(np.square(problem.y)))) or 1.0
    return [
        _unchanged(case, each, "c · f", [_scaled(each.solve, factor) for factor in FACTORS]),
        _unchanged(case, each, "initial guess", [_shifted(each.solve, shift)]),
        _no_gradient_for_the_guess(case, each),
    ]


def _scaled(solve: Solve, factor: float) -> Solve:
    def scaled(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        return solve(lambda *given: factor * function(*given), *arguments, **options)

    return scaled


def _shifted(solve: Solve, shift: Any) -> Solve:
    def shifted(function: Callable[..., Any], initial: Any, *arguments: Any, **options: Any) -> Any:
        return solve(function, initial + shift, *arguments, **options)

    return shifted


def _unchanged(case: Case, each: _Implementation, against: str, solves: Sequence[Solve]) -> Check:
    found = []
    for solve in solves:
        varied = _with_operator(case.computation, each.backend, solve)
        try:
            value, vjp = each.backend.make_vjp(varied, case.primals)
            cotangents = vjp(case.cotangent)
        except Exception as error:  # noqa: BLE001 -- whatever it raises here, it did not before
            detail = f"raised {type(error).__name__}: {error}".splitlines()[0]
            return Check(each.name, KIND, against, "disagree", detail)
        found.append(worst_entry({"value": value}, {"value": each.result.value}, case.noise.value))
        found.append(worst_entry(cotangents, each.result.cotangents, case.noise.cotangents))
    return _check(each, against, *found)


def _no_gradient_for_the_guess(case: Case, each: _Implementation) -> Check:
    """With the guess moved by a primal of its own: nothing may flow back to it."""
    computation, solve = case.computation, each.solve
    body = getattr(computation, each.backend.body)

    def with_guess(guess: Any, **primals: Any) -> Any:
        return body(**primals, solve=_shifted(solve, guess))  # type: ignore[arg-type]

    varied = replace(
        _with_body(computation, each.backend, with_guess),
        wrt=(*computation.wrt, "guess"),
        shapes={**computation.shapes, "guess": ""} if computation.shapes else {},
    )
    _, vjp = each.backend.make_vjp(varied, case.primals | {"guess": np.zeros(())})
    got = float(vjp(case.cotangent)["guess"])
    largest = max(float(np.abs(array).max()) for array in each.result.cotangents.values())
    scale = max(largest, float(np.finfo(case.dtype).tiny))
    units = (unit_roundoff(case.dtype), scale, 0.0)
    return _check(each, "gradient for the guess", make_worst("guess", "", got, 0.0, units))


def _linearity(case: Case, each: _Implementation) -> list[Check]:
    """Jᵀ(u - w)/2 = (Jᵀu - Jᵀw)/2."""
    u, w = case.cotangent, _gaussian_cotangents(case)[0]
    together, apart = each.vjp((u - w) / 2), each.vjp(w)
    wanted = {name: (array - apart[name]) / 2 for name, array in each.result.cotangents.items()}
    return _entries(case, each, "linearity", [together], [wanted])
