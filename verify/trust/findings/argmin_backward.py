"""The findings of the tutorial *optimization*, Part 2: the backward pass of a minimum as a layer.

    w*(l₁, l₂) = argmin_w f,  K = ∂²f/∂w²,  R = ∂²f/∂w∂(l₁, l₂),  K u = w̄,  (l̄₁, l̄₂) = -Rᵀ u

with the f of `elastic_net`, at the tutorial's printed point.
"""

import numpy as np
import torch

from reference_impls.computation import Array, Arrays, Vjp
from verify.trust.findings.elastic_net import FEATURES, L1, L2, minimum, objective, printed_signs
from verify.trust.findings.finding import Demonstration, Finding, Observation, convicted
from verify.trust.planted import MakeVjp

TUTORIAL = "optimization"

CUT = 1e-6
"""Of singular values, absolute and relative."""


def layer(*, recorded: bool = True, sign: float = -1.0) -> MakeVjp:
    """The minimum, with a backward pass as in the tutorial.

    Args:
        recorded: second derivatives are taken of a gradient with a graph. Without, no dependency is
            found, and each is zero. Since torch 2, `torch.autograd.functional.hessian` records
            whatever is set around it; before, it did not within a backward pass. So the published
            form is emulated.
        sign: of Rᵀ u.
    """

    def make_vjp(l1: Array, l2: Array) -> tuple[Array, Vjp]:
        w = minimum(l1, l2, printed_signs())

        def vjp(u: Array) -> Arrays:
            H = _second_derivatives(np.asarray([*w, l1, l2]), recorded=recorded)
            K, R = H[:-2, :-2], H[:-2, -2:]
            for_l1, for_l2 = sign * R.T @ _solve_with_cut(K, u, absolute=CUT)
            return {"l1": np.asarray(for_l1), "l2": np.asarray(for_l2)}

        return w, vjp

    return make_vjp


def _second_derivatives(point: Array, *, recorded: bool) -> Array:
    """Of the objective, by w and both penalties, row by row."""
    variables = torch.tensor(point, requires_grad=True)
    loss = objective(variables[:-2], variables[-2], variables[-1])
    (gradient,) = torch.autograd.grad(loss, [variables], create_graph=recorded)
    if not gradient.requires_grad:
        return np.zeros((point.size, point.size))
    rows = [torch.autograd.grad(entry, [variables], retain_graph=True)[0] for entry in gradient]
    return torch.stack(rows).numpy()


def _solve_with_cut(A: Array, b: Array, *, absolute: float) -> Array:
    """Least squares; of singular values, those below either cut are dropped."""
    U, s, Vt = np.linalg.svd(A)
    kept = s >= max(CUT * s[0], absolute)
    inverse = np.divide(1, s, where=kept, out=np.zeros_like(s))
    solution: Array = Vt.T @ (inverse * (U.T @ b))
    return solution


def printed_penalties() -> Arrays:
    """The primals of `layer`, at the tutorial's printed point."""
    return {"l1": np.asarray(L1), "l2": np.asarray(L2)}


def _penalties_and_guess() -> Arrays:
    return printed_penalties() | {"guess": np.random.default_rng(0).standard_normal(FEATURES)}


def _from_guess(share: float) -> MakeVjp:
    """The layer with its initial guess as an argument, which gets this share of the cotangent."""

    def make_vjp(l1: Array, l2: Array, guess: Array) -> tuple[Array, Vjp]:
        w, vjp = layer()(l1=l1, l2=l2)
        return w, lambda u: vjp(u) | {"guess": share * u + np.zeros_like(guess)}

    return make_vjp


def _into_guess(l1: Array, l2: Array, guess: Array) -> tuple[Array, Vjp]:
    """The minimum is searched for in the memory of the guess, which is returned."""
    value, vjp = _from_guess(0.0)(l1=l1, l2=l2, guess=guess)
    guess[...] = value
    return guess, vjp


def _well_conditioned(cut: float) -> Observation:
    """A x = b, for a small multiple of the identity."""
    A, x = 1e-7 * np.eye(2), np.array([1.0, 2.0])
    found = _solve_with_cut(A, A @ x, absolute=cut)
    return Observation(not np.allclose(found, x), f"{found.tolist()}, where x is {x.tolist()}")


BACKWARD_FINDINGS = (
    Finding(
        key="S1",
        tutorial=TUTORIAL,
        place="Part 2: argmin_backward",
        kind="gradient",
        says="The layer's gradients for l1 and l2 are printed as 0.",
        right="Of the mean, they are -0.0123 and -1.1956. Second derivatives were taken where "
        "nothing was recorded, and were 0. Emulated: since torch 2, hessian() records.",
        matters="A pseudo-inverse of zeros is zeros: nothing raises, and nothing is learnt.",
        proof=Demonstration(
            published=layer(recorded=False),
            corrected=layer(),
            observe=convicted("oracle", "dropped dependency", at=printed_penalties),
        ),
    ),
    Finding(
        key="S2",
        tutorial=TUTORIAL,
        place="Part 2: argmin_backward",
        kind="gradient",
        says="The initial guess has a gradient: of the mean, 0.05 each.",
        right="The minimum does not depend on it: 0.",
        matters="An optimizer of the network moves the guess, and decay shrinks it.",
        proof=Demonstration(
            published=_from_guess(1.0),
            corrected=_from_guess(0.0),
            observe=convicted("oracle", "leaked gradient", at=_penalties_and_guess),
        ),
    ),
    Finding(
        key="S3",
        tutorial=TUTORIAL,
        place="Part 2: argmin_forward",
        kind="value",
        says="The solution is returned where the guess was.",
        right="It needs memory of its own.",
        matters="Whoever holds the guess finds it changed.",
        proof=Demonstration(
            published=_into_guess,
            corrected=_from_guess(0.0),
            observe=convicted("contract", "mutation", at=_penalties_and_guess),
        ),
    ),
    Finding(
        key="D9",
        tutorial=TUTORIAL,
        place="Part 2: the derivation",
        kind="gradient",
        says="∂y/∂z is Rᵀ K⁻¹, and δz is Rᵀ K⁻¹ δy.",
        right="Both need a minus; the second of the two steps has it.",
        matters="Who implements the formula learns in the wrong direction.",
        proof=Demonstration(
            published=layer(sign=1.0),
            corrected=layer(),
            observe=convicted("oracle", "sign", at=printed_penalties),
        ),
    ),
    Finding(
        key="D36",
        tutorial=TUTORIAL,
        place="Part 2: solve_ls",
        kind="value",
        says="Singular values below 1e-6 are dropped, however large the others.",
        right="What is small is so beside the largest: the cut must be relative.",
        matters="A perfectly conditioned system of small numbers is solved by 0.",
        proof=Demonstration(published=CUT, corrected=0.0, observe=_well_conditioned),
    ),
)
