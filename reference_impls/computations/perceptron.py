"""A perceptron's answer to points, and their signed distances from its decision surface.

    y = x w + b        f = [σ(y), y/‖w‖], one row for each point

with f̄ = [p̄, d̄] and the distances d = y/‖w‖:
    ȳ = p̄ σ(y) (1 - σ(y)) + d̄/‖w‖
    x̄ = ȳ wᵀ,    w̄ = xᵀ ȳ - (Σ d̄ d) w/‖w‖²,    b̄ = Σ ȳ

The tutorial's perceptron is φ(wᵀx + b) with any φ; with the logistic function σ it is logistic
regression. The surface y = 0, where σ is 1/2, is orthogonal to w and lies -b/‖w‖ from the origin
along it. The distance says nothing new when w and b are both multiplied by a positive number; the
answer becomes surer. Where w = 0 there is no surface, and no distance.
"""

from typing import Any

import autograd.numpy as anp
import numpy as np
import torch

from reference_impls.computation import Array, Arrays, Computation, Vjp
from reference_impls.computations import sigmoid


def sample(rng: np.random.Generator, size: int) -> Arrays:
    """``size`` points of the plane, in which the tutorial draws the surface, and a random line."""
    return {
        "x": rng.standard_normal((size, 2)),
        "w": rng.standard_normal(2),
        "b": np.asarray(rng.standard_normal()),
    }


def by_autograd(x: Any, w: Any, b: Any) -> Any:
    """The formula, traced."""
    y = anp.dot(x, w) + b
    return anp.stack((sigmoid.by_autograd(y), y / anp.sqrt(anp.dot(w, w))), axis=1)


def by_torch(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """torch's own sigmoid and norm."""
    y = torch.mv(x, w) + b
    return torch.stack((torch.sigmoid(y), y / torch.linalg.vector_norm(w)), dim=1)


def by_hand(x: Array, w: Array, b: Array) -> tuple[Array, Vjp]:
    """Both columns pass a cotangent back to y, and the second one to ‖w‖, too."""
    y = x @ w + b
    answer, back = sigmoid.by_hand(y)
    norm = np.sqrt(w @ w)
    distance = y / norm

    def vjp(g: Array) -> Arrays:
        p_bar, d_bar = g[:, 0], g[:, 1]
        y_bar = back(p_bar)["x"] + d_bar / norm
        shrinking = (d_bar @ distance) / (norm * norm)
        return {"x": y_bar[:, None] * w, "w": y_bar @ x - shrinking * w, "b": y_bar.sum()}

    return np.stack((answer, distance), axis=1), vjp


COMPUTATION = Computation(
    name="perceptron",
    origin="multilayer_perceptron, Reminder: perceptrons and linear models",
    sample=sample,
    wrt=("x", "w", "b"),
    sizes=(100, 10, 10_000, 100_000),
    by_autograd=by_autograd,
    by_torch=by_torch,
    by_hand=by_hand,
    shapes={"x": "N D", "w": "D", "b": ""},
)
