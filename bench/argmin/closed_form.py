"""The minimizer of the ridge layer in closed form, in torch, which differentiates it by itself."""

from collections.abc import Callable

import torch


def closed_form(
    _objective: Callable[..., torch.Tensor],
    _initial: torch.Tensor,
    x: torch.Tensor,
    y: torch.Tensor,
    lam: torch.Tensor,
) -> torch.Tensor:
    """Returns W = Yᵀ S (Sᵀ S + (λ M / p) I)⁻¹, as in `ridge_argmin`, with S (M, p) and Y (M, q).

    Args:
        x: (..., p), of which S is the rows.
        y: (..., q), of which Y is the rows.
        lam: ().
    """
    S, Y = x.reshape(-1, x.shape[-1]), y.reshape(-1, y.shape[-1])
    rows, features = S.shape
    A = S.T @ S + (lam * rows / features) * torch.eye(features, dtype=S.dtype)
    solution: torch.Tensor = torch.linalg.solve(A, S.T @ Y)
    return solution.T
