"""Cost of logistic regression, which is a perceptron with a logistic answer, with L2.

    s = X w        f = 1/N Σ [log(1 + eˢ) - y s] + λ/2 ‖w‖²

    w̄ = f̄ (Xᵀ (σ(s) - y)/N + λ w)

Its Hessian is Xᵀ D X/N + λ I with D = diag(σ (1 - σ)): its condition is that of the features. Its
minimum is the computation `logistic_argmin`.
"""

from typing import Any

import autograd.numpy as anp
import numpy as np
import torch

from reference_impls.computation import Array, Arrays, Computation, Vjp
from reference_impls.computations import logistic_argmin, sigmoid


def sample(rng: np.random.Generator, size: int) -> Arrays:
    """The data of `logistic_argmin`, and weights to start from."""
    data = logistic_argmin.sample(rng, size)
    return {"w": rng.standard_normal(logistic_argmin.FEATURES), **data}


def by_autograd(w: Any, X: Any, y: Any, lam: Any) -> Any:
    """log(e⁰ + eˢ) - y s, traced."""
    s = anp.dot(X, w)
    return anp.sum(anp.logaddexp(0, s) - y * s) / y.size + lam / 2 * anp.sum(w**2)


def by_torch(w: torch.Tensor, X: torch.Tensor, y: torch.Tensor, lam: torch.Tensor) -> torch.Tensor:
    """torch's own loss on the logits."""
    loss = torch.nn.functional.binary_cross_entropy_with_logits(torch.mv(X, w), y)
    return loss + lam / 2 * w.square().sum()


def by_hand(w: Array, X: Array, y: Array, lam: Array) -> tuple[Array, Vjp]:
    """log(1 + eˢ) is taken as max(s, 0) + log(1 + e^-|s|)."""
    s = X @ w
    probability, _ = sigmoid.by_hand(s)
    positive = np.real(s) > 0
    rest = np.log1p(np.exp(np.where(positive, -s, s)))
    loss = (np.where(positive, s, 0) + rest - y * s).sum() / y.size

    def vjp(g: Array) -> Arrays:
        return {"w": g * ((probability - y) @ X / y.size + lam * w)}

    return loss + lam / 2 * (w * w).sum(), vjp


COMPUTATION = Computation(
    name="logistic_regression",
    origin="multilayer_perceptron, Reminder: perceptrons and linear models",
    sample=sample,
    wrt=("w",),
    sizes=(1_000, 10, 100, 10_000),
    by_autograd=by_autograd,
    by_torch=by_torch,
    by_hand=by_hand,
    shapes={"w": "D", "X": "N D", "y": "N", "lam": ""},
)
