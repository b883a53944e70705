"""The ways to make a layer of the ridge problem's argmin, one record each.

All are called alike, `solve(objective, initial, *parameters)`. They differ in how they solve and
how they differentiate.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Literal

from bench.argmin.closed_form import closed_form
from bench.argmin.hessians import full_hessian, k_alone, k_batched
from bench.argmin.rivals import cvxpylayers_ridge, jaxopt_ridge, torchopt_ridge
from reference_impls.computation import Native
from reference_impls.engines.hips.argmin import autograd_argmin
from reference_impls.engines.pytorch.argmin import torch_argmin
from reference_impls.implicit.solvers import Cholesky, ConjugateGradients

Solve = Callable[..., Native]


@dataclass(frozen=True)
class Formulation:
    """One way to differentiate through an argmin.

    Attributes:
        name: as in `layers.csv`.
        story: what it does, in one line.
        engine: whose arrays it works on; ``manual`` is the derivation by hand, in NumPy.
        solve: the operator; None where the derivation by hand has none.
        package: what it needs beyond the project's dependencies, if anything.
        to_tolerance: the operator whose solver stops at a tolerance, where one can be given.
    """

    name: str
    story: str
    engine: Literal["torch", "autograd", "manual", "jax"]
    solve: Solve | None = None
    package: str | None = None
    to_tolerance: Callable[[float], Solve] | None = None

    def __str__(self) -> str:
        return self.name.replace(",", "").replace(" ", "_")  # as pytest's -k takes it

    def missing(self) -> str | None:
        """Why it cannot run here, or None if it can."""
        if self.package is None or find_spec(self.package):
            return None
        return f"{self.package} is not installed"


FULL_HESSIAN = Formulation(
    "full Hessian",
    "the tutorial's: L-BFGS; Hessian in all of (y, z), pseudo-inverse of K, product with R",
    "torch",
    full_hessian,
)
K_ALONE = Formulation(
    "K alone",
    "L-BFGS; Hessian in y, LU, one VJP",
    "torch",
    k_alone,
    to_tolerance=lambda tolerance: partial(k_alone, tolerance=tolerance),
)
K_BATCHED = Formulation(
    "K batched",
    "L-BFGS; Hessian in y, all rows together, Cholesky, one VJP",
    "torch",
    k_batched,
)
GENERAL = Formulation(
    "general operator",
    "torch_argmin: Newton steps with K, in batches of rows, by Cholesky; its factor, one VJP",
    "torch",
    torch_argmin,
    to_tolerance=lambda tolerance: partial(torch_argmin, solver=Cholesky(tolerance=tolerance)),
)
GENERAL_CG = Formulation(
    "general operator, CG",
    "torch_argmin with ConjugateGradients(): products with K, which is never formed",
    "torch",
    partial(torch_argmin, solver=ConjugateGradients()),
)
GENERAL_AUTOGRAD = Formulation(
    "general operator, autograd",
    "autograd_argmin: the same, K row by row",
    "autograd",
    autograd_argmin,
)
CLOSED_FORM_TORCH = Formulation(
    "closed form, torch",
    "one system of p equations, which torch differentiates",
    "torch",
    closed_form,
)
CLOSED_FORM = Formulation(
    "closed form",
    "by hand in NumPy: one system of p equations up, and once more down",
    "manual",
)

FORMULATIONS = (
    FULL_HESSIAN,
    K_ALONE,
    K_BATCHED,
    GENERAL,
    GENERAL_CG,
    GENERAL_AUTOGRAD,
    CLOSED_FORM_TORCH,
    CLOSED_FORM,
)

ONE_OF_EACH = (FULL_HESSIAN, K_ALONE, K_BATCHED, GENERAL, GENERAL_CG, CLOSED_FORM)
"""Those whose memory is measured: each of the others needs as much as one of these."""

RIVALS = (
    Formulation(
        "cvxpylayers",
        "cone program: Clarabel, and diffcp's derivative by LSMR",
        "torch",
        cvxpylayers_ridge.argmin,
        "cvxpylayers",
    ),
    Formulation(
        "torchopt",
        "L-BFGS; implicit differentiation by conjugate gradients",
        "torch",
        torchopt_ridge.argmin,
        "torchopt",
    ),
    Formulation(
        "jaxopt",
        "L-BFGS; implicit differentiation by conjugate gradients; all of it compiled",
        "jax",
        jaxopt_ridge.argmin,
        "jaxopt",
    ),
)
