"""Classification of handwritten digits by the tutorial's 784-[32, 64, 128, 64]-10 tanh network.

    h₀ = x,  zₗ = hₗ₋₁ Wₗᵀ + bₗ,  hₗ = tanh(zₗ) for l = 1..4
    f = -1/N Σ y · log softmax(z₅)        (y one-hot, N rows)

    z̄₅ = f̄ (softmax(z₅) Σy - y)/N,  Σy the sum of a row, which is 1
    W̄ₗ = z̄ₗᵀ hₗ₋₁,    b̄ₗ = Σ z̄ₗ,    z̄ₗ = (z̄ₗ₊₁ Wₗ₊₁) · (1 - hₗ²)

44,458 parameters. The tutorial writes the loss as a sum; its code, and this one, take the mean.
"""

from typing import Any

import autograd.numpy as anp
import numpy as np
import torch

from reference_impls.computation import Array, Arrays, Computation, Vjp
from reference_impls.computations import linear, tanh
from reference_impls.datasets import digits

WIDTHS = (784, 32, 64, 128, 64, 10)
LAYERS = range(1, len(WIDTHS))


def sample(rng: np.random.Generator, size: int) -> Arrays:
    """``size`` digits; weights and biases as nn.Linear draws them.

    Digits are drawn without replacement while there are enough of them.
    """
    data = digits()
    available = data.labels.size
    chosen = rng.choice(available, size, replace=size > available)
    rows = {"x": data.images[chosen], "y": np.eye(WIDTHS[-1])[data.labels[chosen]]}
    return rows | linear.initial_layers(rng, WIDTHS)


def by_autograd(x: Any, y: Any, **parameters: Any) -> Any:
    """The formulas, traced."""
    logits = x
    for layer in LAYERS:
        hidden = tanh.by_autograd(logits) if layer > 1 else x
        logits = anp.dot(hidden, parameters[f"W{layer}"].T) + parameters[f"b{layer}"]
    shifted = logits - anp.max(logits, axis=1, keepdims=True)
    log_softmax = shifted - anp.log(anp.sum(anp.exp(shifted), axis=1, keepdims=True))
    return -anp.sum(y * log_softmax) / x.shape[0]


def by_torch(x: torch.Tensor, y: torch.Tensor, **parameters: torch.Tensor) -> torch.Tensor:
    """torch's layers and its cross-entropy with class probabilities."""
    logits = x
    for layer in LAYERS:
        hidden = torch.tanh(logits) if layer > 1 else x
        weight, bias = parameters[f"W{layer}"], parameters[f"b{layer}"]
        logits = torch.nn.functional.linear(hidden, weight, bias)
    return torch.nn.functional.cross_entropy(logits, y)


def by_hand(x: Array, y: Array, **parameters: Array) -> tuple[Array, Vjp]:
    """Keep every layer's input on the way up; on the way down, each gives its W̄ and b̄."""
    rows = x.shape[0]
    inputs = [x]
    for layer in LAYERS[:-1]:
        inputs.append(np.tanh(inputs[-1] @ parameters[f"W{layer}"].T + parameters[f"b{layer}"]))
    logits = inputs[-1] @ parameters[f"W{LAYERS[-1]}"].T + parameters[f"b{LAYERS[-1]}"]
    shifted = logits - np.real(logits).max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    totals = exponentials.sum(axis=1, keepdims=True)

    def vjp(g: Array) -> Arrays:
        cotangents = {}
        z_bar = (exponentials * (y.sum(axis=1, keepdims=True) / totals) - y) * (g / rows)
        for layer in reversed(LAYERS):
            h = inputs[layer - 1]
            cotangents[f"W{layer}"] = z_bar.T @ h
            cotangents[f"b{layer}"] = z_bar.sum(axis=0)
            if layer > 1:
                z_bar = (z_bar @ parameters[f"W{layer}"]) * (1 - h * h)
        return cotangents

    return (y * (np.log(totals) - shifted)).sum() / rows, vjp


COMPUTATION = Computation(
    name="mlp_classifier",
    origin="multilayer_perceptron, Part 2: N-layer MLP",
    sample=sample,
    wrt=tuple(f"{name}{layer}" for layer in LAYERS for name in "Wb"),
    sizes=(512, 4, 50, 5_000),
    by_autograd=by_autograd,
    by_torch=by_torch,
    by_hand=by_hand,
    shapes={"x": "N H0", "y": f"N H{LAYERS[-1]}"}
    | {f"W{layer}": f"H{layer} H{layer - 1}" for layer in LAYERS}
    | {f"b{layer}": f"H{layer}" for layer in LAYERS},
)
