"""Minimum-norm least squares, x = A⁺ b, through the singular values of A.

    A = U S Vᵀ,  A⁺ = V S⁻¹ Uᵀ,  r = b - A x

    b̄ = A⁺ᵀ x̄
    Ā = -b̄ xᵀ  +  r ((AᵀA)⁺ x̄)ᵀ  +  (A⁺ᵀ x) ((I - V Vᵀ) x̄)ᵀ

(Golub & Pereyra, *The differentiation of pseudo-inverses and nonlinear least squares problems*,
1973, equation 4.12, transposed; it holds where the rank of A does not change.) The second term
vanishes with the residual, the third where A has full column rank. Singular values below
max(M, N) · ε times the largest count as zero, with a warning: an absolute cut, as in the
tutorial, would also clip a well-conditioned A of small norm.
"""

import warnings
from typing import Any

import autograd.numpy as anp
import numpy as np
import torch

from reference_impls.computation import Array, Arrays, Computation, Vjp
from reference_impls.datasets import regression


class ClippedSingularValuesWarning(UserWarning):
    """A is rank-deficient: the derivative holds for changes of A that keep its rank."""


def sample(rng: np.random.Generator, size: int) -> Arrays:
    """The tutorial's standardised regression: ``size`` rows of 20 features.

    The sizes are no larger because both engines form an (M, M) projector in their backward pass.
    """
    features, targets = regression(rng, size, 20)
    return {"A": features, "b": targets}


def by_autograd(A: Any, b: Any) -> Any:
    """autograd's pseudo-inverse."""
    return anp.dot(anp.linalg.pinv(A), b)


def by_torch(A: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """torch's least-squares solver, by singular values where the device has it.

    The default on the CPU, gelsy, starts from uninitialised pivots, so that its rounding, and at
    times the rank it finds, differ from call to call (pytorch issue 71222).
    """
    driver = "gelsd" if A.device.type == "cpu" else "gels"
    solution: torch.Tensor = torch.linalg.lstsq(A, b.unsqueeze(1), driver=driver).solution
    return solution.squeeze(1)


def by_hand(A: Array, b: Array) -> tuple[Array, Vjp]:
    """The three terms above, each an outer product."""
    U, s, Vt = _truncated_svd(A)
    x = (b @ U / s) @ Vt

    def vjp(g: Array) -> Arrays:
        coefficients = Vt @ g
        b_bar = U @ (coefficients / s)
        A_bar = np.outer(b - A @ x, (coefficients / (s * s)) @ Vt) - np.outer(b_bar, x)
        if s.size < x.size:
            A_bar += np.outer(U @ (Vt @ x / s), g - coefficients @ Vt)
        return {"A": A_bar, "b": b_bar}

    return x, vjp


def _truncated_svd(A: Array) -> tuple[Array, Array, Array]:
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    rank = int((s > max(A.shape) * np.finfo(s.dtype).eps * s[0]).sum())
    if rank < s.size:
        warnings.warn(
            f"least_squares: clipped {s.size - rank} of {s.size} singular values: rank {rank}",
            ClippedSingularValuesWarning,
            stacklevel=3,
        )
    return U[:, :rank], s[:rank], Vt[:rank]


COMPUTATION = Computation(
    name="least_squares",
    origin="optimization, Implementation: solve_ls",
    sample=sample,
    wrt=("A", "b"),
    sizes=(1_000, 30, 300, 3_000),
    by_autograd=by_autograd,
    by_torch=by_torch,
    by_hand=by_hand,
    shapes={"A": "M N", "b": "M"},
)
