"""Least squares without the small singular values, for one right-hand side or several.

    A = Σᵢ sᵢ uᵢ vᵢᵀ,    X = Σ_k v_k u_kᵀ B / s_k    over the k with s_k ≥ τ = max(rel · s₁, abs)

as the tutorial's `solve_ls` has it. The cut is part of the function: as long as no singular value
is at τ, X is smooth in A and B, also along changes of A's rank. With k for the singular values that
are kept and c for those that are cut, P for the projectors onto what the uᵢ, or the vᵢ, leave out,
and

    B̄ = U_k S_k⁻¹ V_kᵀ X̄,    G = Vᵀ X̄ Bᵀ U,

    Ā = -B̄ Xᵀ + P B X̄ᵀ V_k S_k⁻² V_kᵀ + U_k S_k⁻² U_kᵀ B X̄ᵀ P + U_k M V_cᵀ + U_c N V_kᵀ,

    M_kc = (G_ck + G_kc s_c/s_k) / (s_k² - s_c²),    N_ck = (G_kc + G_ck s_c/s_k) / (s_k² - s_c²)

(the divided differences of a function of the singular values: Noferini, *A formula for the Fréchet
derivative of a generalized matrix function*, 2017). With every s_c = 0 that is the formula of
`least_squares`, which knows only changes of A that keep its rank.

Nothing here divides by the difference of two singular values on one side of τ. Both engines
differentiate the decomposition, as the tutorial does, and do: where two are equal, as for the
identity, their cotangent of A is NaN.
"""

from typing import Any

import autograd.numpy as anp
import numpy as np
import torch
from autograd.tracer import getval

from reference_impls.computation import Array, Arrays, Computation, Vjp
from reference_impls.datasets import regression

FEATURES, SHRUNK, TARGETS = 20, 5, 3
CUT = 1e-6
"""The tutorial's default for both cuts."""


def sample(rng: np.random.Generator, size: int) -> Arrays:
    """The tutorial's regression, a quarter of its features so small that the cut takes them out.

    The cut lies well between both groups of singular values, and the small ones are not so small
    that their part in the derivative were rounding. Beside the tutorial's targets there are others.
    The sizes are no larger because autograd forms an (M, M) projector in its backward pass.
    """
    features, targets = regression(rng, size, FEATURES)
    scale = np.where(np.arange(FEATURES) < SHRUNK, 0.01, 1)
    others = np.std(targets) * rng.standard_normal((size, TARGETS - 1))
    return {
        "A": features * scale,
        "b": np.column_stack([targets, others]),
        "absolute": np.asarray(CUT),
        "relative": np.asarray(0.04),
    }


def by_autograd(A: Any, b: Any, absolute: Any = CUT, relative: Any = CUT) -> Any:
    """autograd's singular value decomposition, its small values left out."""
    U, s, Vt = anp.linalg.svd(A, full_matrices=False)
    rank = int((getval(s) >= np.maximum(relative * getval(s)[0], absolute)).sum())
    coefficients = anp.dot(U[:, :rank].T, b.reshape(A.shape[0], -1)) / s[:rank, None]
    return anp.dot(Vt[:rank].T, coefficients).reshape(A.shape[1:] + b.shape[1:])


def by_torch(
    A: torch.Tensor, b: torch.Tensor, absolute: Any = CUT, relative: Any = CUT
) -> torch.Tensor:
    """torch's singular value decomposition, its small values left out."""
    U, s, Vt = torch.linalg.svd(A, full_matrices=False)
    kept = (s >= relative * s[0]) & (s >= absolute)
    rank = int(kept.sum())
    coefficients = U[:, :rank].T @ b.reshape(A.shape[0], -1) / s[:rank, None]
    X: torch.Tensor = Vt[:rank].T @ coefficients
    return X.reshape(A.shape[1:] + b.shape[1:])


def by_hand(
    A: Array,
    b: Array,
    absolute: Array | float = CUT,
    relative: Array | float = CUT,
) -> tuple[Array, Vjp]:
    """The five terms above."""
    B = b.reshape(A.shape[0], -1)
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    rank = int((s >= np.maximum(relative * s[0], absolute)).sum())
    U_k, s_k, Vt_k = U[:, :rank], s[:rank, None], Vt[:rank]
    U_c, s_c, Vt_c = U[:, rank:], s[None, rank:], Vt[rank:]
    X = Vt_k.T @ (U_k.T @ B / s_k)

    def vjp(g: Array) -> Arrays:
        X_bar = g.reshape(X.shape)
        u_B, v_X = U.T @ B, Vt @ X_bar
        G = v_X @ u_B.T
        G_kc, G_ck = G[:rank, rank:], G[rank:, :rank].T
        gap, ratio = s_k**2 - s_c**2, s_c / s_k
        M, N = (G_ck + ratio * G_kc) / gap, (G_kc + ratio * G_ck) / gap
        B_bar = U_k @ (v_X[:rank] / s_k)
        outside = (B - U @ u_B) @ (v_X[:rank] / s_k**2).T + U_c @ N.T
        inside = U_k @ ((u_B[:rank] / s_k**2) @ (X_bar - Vt.T @ v_X).T + M @ Vt_c)
        return {"A": outside @ Vt_k + inside - B_bar @ X.T, "b": B_bar.reshape(b.shape)}

    return X.reshape(A.shape[1:] + b.shape[1:]), vjp


COMPUTATION = Computation(
    name="clipped_least_squares",
    origin="optimization, Implementation: solve_ls",
    sample=sample,
    wrt=("A", "b"),
    sizes=(1_000, 30, 300, 3_000),
    by_autograd=by_autograd,
    by_torch=by_torch,
    by_hand=by_hand,
    shapes={"A": "M N", "b": "...", "absolute": "", "relative": ""},
)
