"""What a backend of the catalogue computes of a case: S in its modes, and Jᵀu."""

import numpy as np

from reference_impls.computation import Array, Arrays
from reference_impls.derivatives import SecondVjp, forward_over_reverse, second_pullback
from reference_impls.engines.backend import Backend
from reference_impls.engines.manual.backend import Manual
from verify.checks.case import CatalogueCase
from verify.checks.second_order.answers import FORWARD, REVERSE
from verify.checks.second_order.question import Gradient, Hvp, OnOneGraph


def modes_of(case: CatalogueCase, backend: Backend) -> dict[str, Hvp]:
    """S(v) by reverse over reverse, and by forward over reverse."""

    def cotangent(primals: Arrays) -> Array:
        return case.cotangent.astype(primals[case.computation.wrt[0]].dtype)

    def linearised(primals: Arrays) -> SecondVjp:
        return second_pullback(backend, case.computation, primals, cotangent(primals))

    def forward(primals: Arrays, tangents: Arrays) -> Arrays:
        u = cotangent(primals)
        return forward_over_reverse(backend, case.computation, primals, u, tangents)

    return {REVERSE: OnOneGraph(linearised), FORWARD: forward}


def gradient_of(case: CatalogueCase, backend: Backend) -> Gradient:
    """Jᵀu in float64."""
    cotangent = case.cotangent.astype(np.float64)

    def gradient(primals: Arrays) -> Arrays:
        # `make_vjp` refuses complex primals, which a body by hand may take.
        if backend.name == Manual.name:
            return case.computation.by_hand(**primals)[1](cotangent)
        return backend.make_vjp(case.computation, primals)[1](cotangent)

    return gradient
