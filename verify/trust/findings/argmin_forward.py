"""The findings of the tutorial *optimization*, Part 2: the search for a minimum, and its test."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from reference_impls import draw
from reference_impls.computation import Array
from reference_impls.computations import ridge_argmin
from reference_impls.computations.elastic_net_argmin import coordinate_descent
from verify.trust.findings.elastic_net import (
    FEATURES,
    L1,
    L2,
    Regression,
    objective,
    regression,
    stationary,
)
from verify.trust.findings.finding import Demonstration, Finding, Observation

TUTORIAL = "optimization"

CONVEX_L1 = 0.831
"""A penalty with weights at its kinks."""

Solver = Callable[[float], tuple[Array, str]]
"""From l₁ to weights, and how they were found."""

Objective = Callable[[torch.Tensor], torch.Tensor]


def _several_stationary(l1: float) -> Observation:
    found = stationary(l1)
    return Observation(
        len(found) > 1, f"{len(found)} patterns of signs are stationary with l1 = {l1:.3f}"
    )


def _by_lbfgs(l1: float) -> tuple[Array, str]:
    generator = torch.Generator().manual_seed(0)
    w = torch.randn(FEATURES, generator=generator, dtype=torch.float64)
    penalties = torch.tensor([l1, L2], dtype=torch.float64)
    calls = _minimise_in_place(w, lambda w: objective(w, *penalties))
    return w.numpy(), f"{calls} evaluations"


def _by_coordinates(l1: float) -> tuple[Array, str]:
    given = regression()
    found = coordinate_descent(1e-15, given.X, given.y, np.asarray(l1), np.asarray(L2))
    return found, "coordinate descent"


def _minimise_in_place(y: torch.Tensor, objective: Objective, **tolerances: float) -> int:
    """torch's L-BFGS as the tutorial sets it, which writes into y; how often it evaluated."""
    optimizer = torch.optim.LBFGS([y], lr=0.9, max_iter=1_000, **tolerances)  # type: ignore[arg-type]
    calls = 0

    def closure() -> torch.Tensor:
        nonlocal calls
        calls += 1
        at = y.detach().requires_grad_()
        loss = objective(at)
        (y.grad,) = torch.autograd.grad(loss, [at])
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return calls


def _converged(solve: Solver) -> Observation:
    """How far zero is from the subdifferential where a search ends, and does the test see it?"""
    given = regression()
    rows, n = given.X.shape
    w, how = solve(CONVEX_L1)
    smooth = 2 / rows * given.X.T @ (given.X @ w - given.y) + 2 * L2 / n * w
    beside = np.maximum(np.abs(smooth) - CONVEX_L1 / n, 0)
    distance = float(np.where(w == 0, beside, np.abs(smooth + CONVEX_L1 / n * np.sign(w))).max())
    passes = np.allclose(w, given.coefficients, rtol=0.2, atol=3)
    said = "passes" if passes else "fails"
    return Observation(
        distance > 1e-6, f"{how}, a gradient of {distance:.1e} is left, and the test {said}"
    )


def _close_to(reference: Callable[[Regression], Array]) -> Observation:
    given = regression()
    solution, *_ = np.linalg.lstsq(given.X, given.y)
    apart = float(np.abs(solution - reference(given)).max())
    # Noise of 1 on 1,000 rows: a standard error is 0.032.
    return Observation(apart > 0.16, f"the largest of 20 differences is {apart:.4f}")


def _evaluated(prepare: Callable[[torch.Tensor], torch.Tensor]) -> Observation:
    """How far a forward pass without gradients moves a layer's parameter."""
    x, y, lam = _ridge_tensors()
    generator = torch.Generator().manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(10, 20, generator=generator, dtype=x.dtype))
    before = weight.detach().clone()
    with torch.no_grad():
        _minimise_in_place(prepare(weight), lambda W: ridge_argmin.objective(W, x, y, lam))
    moved = float((weight.detach() - before).norm() / before.norm())
    return Observation(moved > 0, f"the parameter moves by {moved:.0%}")


def _ridge_tensors() -> Sequence[torch.Tensor]:
    primals = draw(ridge_argmin.COMPUTATION, 8, "float64", 0)
    return [torch.tensor(primals[name]) for name in ("x", "y", "lam")]


def _stopped(tolerances: dict[str, float]) -> Observation:
    """How far from the closed form L-BFGS stops."""
    x, y, lam = _ridge_tensors()
    exact, _ = ridge_argmin.by_hand(x.numpy(), y.numpy(), lam.numpy())
    W = torch.zeros(exact.shape, dtype=x.dtype)
    calls = _minimise_in_place(W, lambda W: ridge_argmin.objective(W, x, y, lam), **tolerances)
    error = float(np.linalg.norm(W.numpy() - exact) / np.linalg.norm(exact))
    return Observation(error > 1e-7, f"{calls} evaluations, relative error {error:.1e}")


FORWARD_FINDINGS = (
    Finding(
        key="D10",
        tutorial=TUTORIAL,
        place="Part 2: the test",
        kind="text",
        says="Penalties are drawn from a Gaussian, so they may be negative.",
        right="With l1 = -0.909 the objective is not convex; several points are stationary.",
        matters="A necessary condition is differentiated, at whichever point was found.",
        proof=Demonstration(published=L1, corrected=-L1, observe=_several_stationary),
    ),
    Finding(
        key="D11",
        tutorial=TUTORIAL,
        place="Part 2: the test",
        kind="behaviour",
        says="With any penalty the search finds the minimum; a test sees it.",
        right="With l1 > 0 it does not converge at the kinks, and the test passes.",
        matters="The implicit function theorem is applied where no gradient vanishes.",
        proof=Demonstration(published=_by_lbfgs, corrected=_by_coordinates, observe=_converged),
    ),
    Finding(
        key="D12",
        tutorial=TUTORIAL,
        place="Part 2: the test",
        kind="text",
        says="The weights are compared with those that made the targets.",
        right="Those are of features that were scaled afterwards.",
        matters="Most of what is printed as an error is a change of units.",
        proof=Demonstration[Callable[[Regression], Array]](
            published=lambda given: given.coefficients,
            corrected=lambda given: given.coefficients * given.scales,
            observe=_close_to,
        ),
    ),
    Finding(
        key="D16",
        tutorial=TUTORIAL,
        place="Example: PredictorArgMinLayer",
        kind="behaviour",
        says="Evaluation under no_grad leaves the model as it is.",
        right="The search writes into the parameter that it starts from.",
        matters="What is measured on one batch depends on the batches before it.",
        proof=Demonstration[Callable[[torch.Tensor], torch.Tensor]](
            published=torch.Tensor.detach, corrected=torch.clone, observe=_evaluated
        ),
    ),
    Finding(
        key="D17",
        tutorial=TUTORIAL,
        place="Part 2: argmin_forward",
        kind="behaviour",
        says="L-BFGS as it is set stops at the minimum.",
        right="It stops when the loss changes by less than 1e-9.",
        matters="Half the digits of the weights are wrong, and of gradients more.",
        proof=Demonstration[dict[str, float]](
            published={},
            corrected={"tolerance_grad": 1e-14, "tolerance_change": 0.0},
            observe=_stopped,
        ),
    ),
)
