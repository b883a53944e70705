"""Fully connected layer on a batch of rows.

f(x, W, b) = x Wᵀ + b

x̄ = f̄ W,    W̄ = f̄ᵀ x,    b̄ = Σ over rows of f̄
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import autograd.numpy as anp
import numpy as np
import torch

from reference_impls.computation import Array, Arrays, Computation, Vjp


def sample(rng: np.random.Generator, size: int) -> Arrays:
    """``size`` rows through the tutorial's layer of 3 inputs and 5 outputs."""
    x = rng.standard_normal((size, 3))
    layer = initial_layers(rng, (3, 5))
    return {"x": x, "W": layer["W1"], "b": layer["b1"]}


def initial_layers(rng: np.random.Generator, widths: Sequence[int]) -> Arrays:
    """Weights W1, W2, ... and biases b1, b2, ... between layers of these widths.

    Uniform within 1/√inputs, as nn.Linear draws them; in the order W1, b1, W2, b2, ...
    """
    parameters = {}
    for layer, (inputs, outputs) in enumerate(pairwise(widths), start=1):
        bound = 1 / np.sqrt(inputs)
        parameters[f"W{layer}"] = rng.uniform(-bound, bound, (outputs, inputs))
        parameters[f"b{layer}"] = rng.uniform(-bound, bound, outputs)
    return parameters


def layers_by_torch(seed: int, widths: Sequence[int]) -> Arrays:
    """The same, as torch draws them in float32 after ``torch.manual_seed(seed)``; in float64."""
    # nn.Linear draws from torch's one generator for all, which is put back afterwards.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = [torch.nn.Linear(*each) for each in pairwise(widths)]
    parameters = {}
    for number, layer in enumerate(layers, start=1):
        parameters[f"W{number}"] = layer.weight.detach().double().numpy()
        parameters[f"b{number}"] = layer.bias.detach().double().numpy()
    return parameters


def by_autograd(x: Any, W: Any, b: Any) -> Any:
    """The formula, traced."""
    return anp.dot(x, W.T) + b


def by_torch(x: torch.Tensor, W: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """torch's own node."""
    return torch.nn.functional.linear(x, W, b)


def by_hand(x: Array, W: Array, b: Array) -> tuple[Array, Vjp]:
    """One matrix product forward, two backward."""

    def vjp(g: Array) -> Arrays:
        return {"x": g @ W, "W": g.T @ x, "b": g.sum(axis=0)}

    return x @ W.T + b, vjp


COMPUTATION = Computation(
    name="linear",
    origin="multilayer_perceptron, Model implementation: nn.Linear",
    sample=sample,
    wrt=("x", "W", "b"),
    sizes=(1, 100, 10_000, 100_000),
    by_autograd=by_autograd,
    by_torch=by_torch,
    by_hand=by_hand,
    shapes={"x": "N D", "W": "O D", "b": "O"},
)
