"""The optimization tutorial's network 512-1024-1024-10: ELU(0.01) between layers, softmax rows.

    z₁ = x W₁ᵀ + b₁,  a₁ = elu(z₁),  z₂ = a₁ W₂ᵀ + b₂,  a₂ = elu(z₂),  z₃ = a₂ W₃ᵀ + b₃
    f = softmax(z₃), row by row

    z̄₃ = f · (f̄ - Σ f f̄)    (a row's probabilities sum to one, so their changes sum to zero)
    āₗ = z̄ₗ₊₁ Wₗ₊₁,  z̄ₗ = āₗ · elu'(zₗ),  W̄ₗ = z̄ₗᵀ aₗ₋₁,  b̄ₗ = Σ z̄ₗ,  x̄ = z̄₁ W₁

The value is the matrix f. The tutorial differentiates its sum, which is the constant N: that
gradient is exactly zero, and what it prints is rounding error.
"""

from typing import Any

import autograd.numpy as anp
import numpy as np
import torch

from reference_impls.computation import Array, Arrays, Computation, Vjp
from reference_impls.computations import linear
from reference_impls.computations.elu import EluFunction, elu_and_slope, elu_node

ALPHA = 0.01
WIDTHS = (512, 1024, 1024, 10)


def sample(rng: np.random.Generator, size: int) -> Arrays:
    """``size`` rows (the tutorial has 10); weights and biases as nn.Linear draws them."""
    return {"x": rng.standard_normal((size, WIDTHS[0]))} | linear.initial_layers(rng, WIDTHS)


def by_autograd(x: Any, W1: Any, b1: Any, W2: Any, b2: Any, W3: Any, b3: Any) -> Any:
    """The custom ELU node, and softmax from its definition."""
    a1 = elu_node(anp.dot(x, W1.T) + b1, ALPHA)
    a2 = elu_node(anp.dot(a1, W2.T) + b2, ALPHA)
    logits = anp.dot(a2, W3.T) + b3
    exponentials = anp.exp(logits - anp.max(logits, axis=1, keepdims=True))
    return exponentials / anp.sum(exponentials, axis=1, keepdims=True)


def by_torch(
    x: torch.Tensor,
    W1: torch.Tensor,
    b1: torch.Tensor,
    W2: torch.Tensor,
    b2: torch.Tensor,
    W3: torch.Tensor,
    b3: torch.Tensor,
) -> torch.Tensor:
    """The custom ELU function between torch's layers."""
    affine = torch.nn.functional.linear
    a1 = EluFunction.apply(affine(x, W1, b1), ALPHA)  # type: ignore[no-untyped-call]
    a2 = EluFunction.apply(affine(a1, W2, b2), ALPHA)  # type: ignore[no-untyped-call]
    return torch.softmax(affine(a2, W3, b3), dim=1)


def by_hand(
    x: Array, W1: Array, b1: Array, W2: Array, b2: Array, W3: Array, b3: Array
) -> tuple[Array, Vjp]:
    """The layers' own backward passes, last to first."""
    z1, back1 = linear.by_hand(x, W1, b1)
    a1, slope1 = elu_and_slope(z1, ALPHA)
    z2, back2 = linear.by_hand(a1, W2, b2)
    a2, slope2 = elu_and_slope(z2, ALPHA)
    z3, back3 = linear.by_hand(a2, W3, b3)
    exponentials = np.exp(z3 - np.real(z3).max(axis=1, keepdims=True))
    f = exponentials / exponentials.sum(axis=1, keepdims=True)

    def vjp(g: Array) -> Arrays:
        third = back3(f * (g - (f * g).sum(axis=1, keepdims=True)))
        second = back2(third["x"] * slope2)
        first = back1(second["x"] * slope1)
        layers = enumerate((first, second, third), start=1)
        parameters = {f"{name}{n}": layer[name] for n, layer in layers for name in "Wb"}
        return {"x": first["x"], **parameters}

    return f, vjp


COMPUTATION = Computation(
    name="elu_mlp",
    origin="optimization, Part 1: custom automatic differentiation",
    sample=sample,
    wrt=("x", "W1", "b1", "W2", "b2", "W3", "b3"),
    sizes=(10, 1, 100, 1_000),
    by_autograd=by_autograd,
    by_torch=by_torch,
    by_hand=by_hand,
    shapes={
        "x": "N D",
        "W1": "H1 D",
        "b1": "H1",
        "W2": "H2 H1",
        "b2": "H2",
        "W3": "O H2",
        "b3": "O",
    },
)
