"""One implementation of an argmin at a case: its solution, VJP and operator."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import signature
from typing import Any

import numpy as np

from reference_impls.computation import Array, Arrays, Computation, Vjp
from reference_impls.engines.backend import Backend
from reference_impls.function import label
from reference_impls.implicit import ImplicitError
from reference_impls.implicit.trees import leaves_of
from verify.checks.argmin.problem import Problem
from verify.checks.case import CatalogueCase, Result
from verify.checks.check import Check, Verdict, Worst, one_line
from verify.checks.compare import contract_violation, worst_entry
from verify.error_model.noise import Noise

KIND = "argmin"


ROWS = 3
"""Of the Jacobian, combined with Gaussian weights: each is blind to nothing but by chance."""


WITHOUT_OPERATOR = "takes no keyword `solve` with an operator as its default"


Solve = Callable[..., Any]
"""An operator such as `reference_impls.engines.pytorch.argmin.torch_argmin`."""


@dataclass(frozen=True, kw_only=True)
class NoisyCase(CatalogueCase):
    """A case with the noise that is allowed there."""

    noise: Noise


@dataclass(frozen=True)
class Candidate:
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


def candidate_of(case: NoisyCase, backend: Backend) -> Candidate | None:
    """The implementation, unless it fails: then its contract says how."""
    try:
        return run_body(case.computation, case, backend)
    except Exception:  # noqa: BLE001 -- whatever an implementation raises, its contract check reports
        return None


def run_body(computation: Computation, case: NoisyCase, backend: Backend) -> Candidate | None:
    """None where it breaks its contract; raises whatever it raises."""
    body = backend.body_of(computation)
    if body is None:
        return None
    found: list[Any] = []
    solve = operator_of(body)
    if solve:
        computation = with_operator(computation, backend, _recording(solve, found))
    value, vjp = backend.make_vjp(computation, case.primals)
    cotangents = vjp(case.cotangent)
    if contract_violation(value, cotangents, case.primals, case.computation.wrt):
        return None
    result = Result(label(backend), value, cotangents)
    y = _solution(case, backend, value, found)
    return Candidate(result.name, backend, solve, vjp, result, y)


def _solution(
    case: NoisyCase, backend: Backend, value: Array, found: Sequence[Any]
) -> Array | None:
    if is_solution(case, value):
        return np.ravel(value)
    if not found:
        return None
    # Out of autograd's boxes.
    leaves = (getattr(leaf, "_value", leaf) for leaf in leaves_of(found[-1]))
    y = np.concatenate([np.ravel(backend.to_numpy(leaf)) for leaf in leaves])
    return y if y.size == unknowns_of(case) else None


def is_solution(case: NoisyCase, value: Array) -> bool:
    """Is the computation's value the solution itself?"""
    optimality = case.computation.optimality
    if optimality is None or value.size != unknowns_of(case):
        return False
    return bool(np.array_equal(optimality.outcome(np.ravel(value), **case.primals), value))


def unknowns_of(case: NoisyCase) -> int:
    """How many unknowns the case's argmin has."""
    optimality = case.computation.optimality
    return optimality.start(**case.primals).size if optimality else 0


def operator_of(body: Callable[..., Any]) -> Solve | None:
    """The default of a body's keyword ``solve``."""
    parameter = signature(body).parameters.get("solve")
    return parameter.default if parameter and callable(parameter.default) else None


def with_operator(computation: Computation, backend: Backend, solve: Solve) -> Computation:
    """The computation with another operator in the backend's body."""
    body = backend.body_of(computation)
    if body is None:
        raise ValueError(f"{computation.name} has no body for {backend.name}")
    return backend.with_body(computation, partial(body, solve=solve))


def _recording(solve: Solve, found: list[Any]) -> Solve:
    def recorded(*arguments: Any, **options: Any) -> Any:
        found.append(solve(*arguments, **options))
        return found[-1]

    return recorded


def check_of(each: Candidate, against: str, *found: Worst, detail: str = "") -> Check:
    """A check of the worst of what was found."""
    worst = max(found, key=lambda one: one.in_tolerances)
    verdict: Verdict = "agree" if worst.accepted else "disagree"
    return Check(each.name, KIND, against, verdict, detail, worst)


def gaussian_cotangents(case: NoisyCase) -> list[Array]:
    """As long as the case's own, to which its noise belongs."""
    rng = case.generator(2)
    drawn = [rng.standard_normal(case.cotangent.shape) for _ in range(ROWS)]
    length = np.linalg.norm(case.cotangent)
    return [np.asarray(each * (length / np.linalg.norm(each))) for each in drawn]


def entry_checks(
    case: NoisyCase,
    problem: Problem,
    each: Candidate,
    against: str,
    got: Sequence[Arrays],
    wanted: Sequence[Arrays],
) -> list[Check]:
    """Cotangents, entry by entry, within the noise of their array."""
    noise = {
        name: np.full(array.shape, array.max()) for name, array in case.noise.cotangents.items()
    }
    found = [conditioned_worst(problem, *arrays, noise) for arrays in zip(got, wanted, strict=True)]
    return [check_of(each, against, *found)]


def conditioned_worst(problem: Problem, got: Arrays, wanted: Arrays, noise: Arrays) -> Worst:
    """No method that is stable does better than the condition of K lets it."""
    conditioned = {
        name: noise[name] + problem.condition_number * np.abs(array).max()
        for name, array in wanted.items()
    }
    return worst_entry(got, wanted, conditioned)


def refusal_check(each: Candidate, against: str, error: Exception) -> Check:
    """To refuse is not to answer wrongly; anything else that is raised is a fault."""
    verdict: Verdict = "inconclusive" if isinstance(error, ImplicitError) else "disagree"
    return Check(each.name, KIND, against, verdict, one_line(error))
