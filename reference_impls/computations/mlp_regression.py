"""Regression with a 1-4-4-1 tanh network whose nested parameters are one flat vector θ.

    h₁ = tanh(x W₁ + b₁),  h₂ = tanh(h₁ W₂ + b₂),  r = h₂ W₃ + b₃ - t,  f = 1/(2N) Σ r²

    r̄ = f̄ r/N        h̄ₗ₋₁ = z̄ₗ Wₗᵀ,    z̄ₗ = h̄ₗ (1 - hₗ²),    W̄ₗ = hₗ₋₁ᵀ z̄ₗ,    b̄ₗ = Σ z̄ₗ

θ is the tutorial's dictionary of weights and biases, flattened; `unflatten` gives it back.
`relu_regression` is the same network with the tutorial's other activation.
"""

from dataclasses import dataclass
from typing import Any

import autograd.numpy as anp
import numpy as np
import torch

from reference_impls.computation import Array, Arrays, Computation, Vjp
from reference_impls.computations import tanh
from reference_impls.nested import flatten

TEMPLATE = {
    "W1": np.zeros((1, 4)),
    "b1": np.zeros(4),
    "W2": np.zeros((4, 4)),
    "b2": np.zeros(4),
    "W3": np.zeros((4, 1)),
    "b3": np.zeros(1),
}
ZEROS, unflatten = flatten(TEMPLATE)
SHAPES = {"theta": str(ZEROS.size), "x": "N 1", "t": "N"}


def sample(rng: np.random.Generator, size: int) -> Arrays:
    """The tutorial's noisy cubic on [-5, 5] and standard normal parameters."""
    x = np.linspace(-5.0, 5.0, size)
    return {
        "theta": rng.standard_normal(ZEROS.size),
        "x": x[:, None],
        "t": x**3 - 20 * x + 10 + rng.normal(0, 4, size),
    }


@dataclass(frozen=True)
class Regression:
    """The network of two hidden layers, and the loss that it is trained with.

    Attributes:
        activation: of the hidden layers, elementwise.
    """

    activation: Computation

    def by_autograd(self, theta: Any, x: Any, t: Any) -> Any:
        """The tutorial's network, traced."""
        p = unflatten(theta)
        hidden = self.activation.by_autograd(anp.dot(x, p["W1"]) + p["b1"])
        hidden = self.activation.by_autograd(anp.dot(hidden, p["W2"]) + p["b2"])
        output = anp.dot(hidden, p["W3"]) + p["b3"]
        return anp.sum(0.5 * anp.square(output[:, 0] - t)) / t.size

    def by_torch(self, theta: torch.Tensor, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """The same network on views of θ."""
        p = unflatten(theta)
        hidden = self.activation.by_torch(torch.addmm(p["b1"], x, p["W1"]))
        hidden = self.activation.by_torch(torch.addmm(p["b2"], hidden, p["W2"]))
        output = torch.addmm(p["b3"], hidden, p["W3"])
        return torch.nn.functional.mse_loss(output.squeeze(1), t) / 2

    def by_hand(self, theta: Array, x: Array, t: Array) -> tuple[Array, Vjp]:
        """Backpropagation into the dictionary, then into one vector."""
        p = unflatten(theta)
        h1, back1 = self.activation.by_hand(x @ p["W1"] + p["b1"])
        h2, back2 = self.activation.by_hand(h1 @ p["W2"] + p["b2"])
        residual = (h2 @ p["W3"] + p["b3"])[:, 0] - t

        def vjp(g: Array) -> Arrays:
            z3 = (residual * (g / t.size))[:, None]
            z2 = back2(z3 @ p["W3"].T)["x"]
            z1 = back1(z2 @ p["W2"].T)["x"]
            weights = {"W1": x.T @ z1, "W2": h1.T @ z2, "W3": h2.T @ z3}
            biases = {"b1": z1.sum(axis=0), "b2": z2.sum(axis=0), "b3": z3.sum(axis=0)}
            # sorted by name, as `flatten` lays a dictionary out
            return {"theta": np.concatenate([g.ravel() for g in (weights | biases).values()])}

        return (residual @ residual) / (2 * t.size), vjp

    def outputs(self, theta: Array, x: Array) -> Array:
        """What is fitted, (N,), at x, (N, 1)."""
        p = unflatten(theta)
        h1, _ = self.activation.by_hand(x @ p["W1"] + p["b1"])
        h2, _ = self.activation.by_hand(h1 @ p["W2"] + p["b2"])
        fitted: Array = (h2 @ p["W3"] + p["b3"])[:, 0]
        return fitted


NETWORK = Regression(activation=tanh.COMPUTATION)

COMPUTATION = Computation(
    name="mlp_regression",
    origin="hips_autograd, Neural net regression",
    sample=sample,
    wrt=("theta",),
    sizes=(1_000, 10, 100, 100_000),
    by_autograd=NETWORK.by_autograd,
    by_torch=NETWORK.by_torch,
    by_hand=NETWORK.by_hand,
    shapes=SHAPES,
)
