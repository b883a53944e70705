"""One implementation of an argmin at a case: its solution and its VJP."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from reference_impls.computation import Array, Arrays, Computation, Vjp
from reference_impls.engines.backend import Backend
from reference_impls.engines.manual.backend import Manual
from reference_impls.function import label
from reference_impls.implicit.trees import leaves_of
from verify.checks.argmin.operators import Operator, Recorder, operator_of, with_operator
from verify.checks.case import CatalogueCase, Result, Stream
from verify.checks.compare import contract_violation

ROWS = 3
"""Combinations of the Jacobian's rows that are compared entry by entry. Their weights are Gaussian:
a wrong row shows in each of them, but for an unlikely draw."""


@dataclass(frozen=True)
class Candidate:
    """What one backend makes of the case.

    Attributes:
        backend: what differentiates.
        operator: what its body solves with by default; None for a body that takes none.
        vjp: from cotangents to those of the primals.
        result: its value, and its cotangents for the case's cotangent.
        y: the solution, (n,), as its value or its operator shows it; None where neither does.
        weights: Gaussian cotangents, see `gaussian_cotangents`.
    """

    backend: Backend
    operator: Operator | None
    vjp: Vjp
    result: Result
    y: Array | None
    weights: Sequence[Array]

    @property
    def name(self) -> str:
        """The implementation's label."""
        return self.result.name

    @property
    def is_by_hand(self) -> bool:
        """Is it a derivation on paper, with neither an engine nor an operator?"""
        return self.backend.name == Manual.name

    @cached_property
    def rows(self) -> list[Arrays]:
        """The VJP of each of the weights: combinations of the Jacobian's rows."""
        return [self.vjp(weight) for weight in self.weights]


def candidate_of(case: CatalogueCase, backend: Backend) -> Candidate | None:
    """The backend's candidate; None where it fails, which its contract check reports."""
    try:
        return run_body(case.computation, case, backend)
    except Exception:  # noqa: BLE001 -- whatever an implementation raises, its contract check reports
        return None


def run_body(computation: Computation, case: CatalogueCase, backend: Backend) -> Candidate | None:
    """Evaluate the backend's body and its VJP at the case's primals.

    Args:
        computation: the case's own, or one that states the same argmin in another way.
        case: with primals and cotangent.
        backend: whose body it is.

    Returns:
        None where there is no body, or its result breaks its contract.

    Raises:
        Exception: whatever the body raises.
    """
    body = backend.body_of(computation)
    if body is None:
        return None
    operator = operator_of(body)
    recorder = Recorder(operator) if operator else None
    if recorder:
        computation = with_operator(computation, backend, recorder)
    value, vjp = backend.make_vjp(computation, case.primals)
    cotangents = vjp(case.cotangent)
    if contract_violation(value, cotangents, case.primals, case.computation.wrt):
        return None
    return Candidate(
        backend=backend,
        operator=operator,
        vjp=vjp,
        result=Result(label(backend), value, cotangents),
        y=_solution(case, backend, value, recorder.found if recorder else None),
        weights=gaussian_cotangents(case),
    )


def _solution(case: CatalogueCase, backend: Backend, value: Array, found: Any) -> Array | None:
    if is_solution(case, value):
        return np.ravel(value)
    if found is None:
        return None
    # autograd wraps its arrays in boxes.
    leaves = (getattr(leaf, "_value", leaf) for leaf in leaves_of(found))
    y = np.concatenate([np.ravel(backend.to_numpy(leaf)) for leaf in leaves])
    return y if y.size == unknowns_of(case) else None


def is_solution(case: CatalogueCase, value: Array) -> bool:
    """Is the computation's value the solution itself, rather than computed from it?"""
    optimality = case.computation.optimality
    if optimality is None or value.size != unknowns_of(case):
        return False
    return bool(np.array_equal(optimality.outcome(np.ravel(value), **case.primals), value))


def unknowns_of(case: CatalogueCase) -> int:
    """The number n of unknowns of the case's argmin."""
    optimality = case.computation.optimality
    return optimality.start(**case.primals).size if optimality else 0


def gaussian_cotangents(case: CatalogueCase) -> list[Array]:
    """Cotangents of the same norm as the case's own, which its noise was measured with."""
    rng = case.generator(Stream.FURTHER)
    drawn = [rng.standard_normal(case.cotangent.shape) for _ in range(ROWS)]
    norm = np.linalg.norm(case.cotangent)
    return [np.asarray(each * (norm / np.linalg.norm(each))) for each in drawn]
