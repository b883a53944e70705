"""Donsker-Varadhan estimate of a divergence by a 2-100-100-1 ELU network t.

    f = mean t(Z) - (log Σ exp t(Z') - log n')        t(z) = W₃ elu(W₂ elu(W₁ z + b₁) + b₂) + b₃

    t̄(Z) = f̄/n,    t̄(Z') = -f̄ softmax(t(Z'))

and then back through the network, both samples at once. f is a lower bound of the divergence,
to be maximised. Adding a constant to t changes nothing, so b̄₃ is exactly zero.
"""

from itertools import pairwise
from math import log
from typing import Any

import autograd.numpy as anp
import numpy as np
import torch

from reference_impls.computation import Array, Arrays, Computation, Vjp
from reference_impls.computations import linear
from reference_impls.computations.elu import EluFunction, elu_and_slope, elu_node
from reference_impls.computations.logsumexp import logsumexp_node
from reference_impls.datasets import correlated_gaussians

ALPHA = 1.0
WIDTHS = (2, 100, 100, 1)


def sample(rng: np.random.Generator, size: int) -> Arrays:
    """``size`` correlated and as many independent pairs; biases zero as in the tutorial.

    The weights have He's standard deviation, √(2/inputs). With the tutorial's 0.02, t is almost
    linear and the two means nearly cancel: float32 keeps three digits of their difference.
    """
    joint, reference, _ = correlated_gaussians(rng, size)
    primals = {"Z": joint, "Z_ref": reference}
    for layer, (inputs, outputs) in enumerate(pairwise(WIDTHS), start=1):
        primals[f"W{layer}"] = rng.normal(0, np.sqrt(2 / inputs), (outputs, inputs))
        primals[f"b{layer}"] = np.zeros(outputs)
    return primals


def by_autograd(Z: Any, Z_ref: Any, **parameters: Any) -> Any:
    """The two samples one after the other, through the custom nodes."""

    def t(z: Any) -> Any:
        a1 = elu_node(anp.dot(z, parameters["W1"].T) + parameters["b1"], ALPHA)
        a2 = elu_node(anp.dot(a1, parameters["W2"].T) + parameters["b2"], ALPHA)
        return (anp.dot(a2, parameters["W3"].T) + parameters["b3"])[:, 0]

    return anp.sum(t(Z)) / Z.shape[0] - (logsumexp_node(t(Z_ref)) - log(Z_ref.shape[0]))


def by_torch(Z: torch.Tensor, Z_ref: torch.Tensor, **parameters: torch.Tensor) -> torch.Tensor:
    """The same, with torch's layers and log-sum-exp."""
    affine = torch.nn.functional.linear

    def t(z: torch.Tensor) -> torch.Tensor:
        a1 = EluFunction.apply(affine(z, parameters["W1"], parameters["b1"]), ALPHA)  # type: ignore[no-untyped-call]
        a2 = EluFunction.apply(affine(a1, parameters["W2"], parameters["b2"]), ALPHA)  # type: ignore[no-untyped-call]
        return affine(a2, parameters["W3"], parameters["b3"]).squeeze(1)

    return t(Z).mean() - (t(Z_ref).logsumexp(dim=0) - log(Z_ref.shape[0]))


def by_hand(Z: Array, Z_ref: Array, **parameters: Array) -> tuple[Array, Vjp]:
    """Both samples pass through the network as one batch; only its output is treated apart."""
    n, n_ref = Z.shape[0], Z_ref.shape[0]
    z1, back1 = linear.by_hand(np.concatenate([Z, Z_ref]), parameters["W1"], parameters["b1"])
    a1, slope1 = elu_and_slope(z1, ALPHA)
    z2, back2 = linear.by_hand(a1, parameters["W2"], parameters["b2"])
    a2, slope2 = elu_and_slope(z2, ALPHA)
    t, back3 = linear.by_hand(a2, parameters["W3"], parameters["b3"])
    shift = np.real(t[n:]).max()
    weights = np.exp(t[n:] - shift)
    total = weights.sum()

    def vjp(g: Array) -> Arrays:
        t_bar = np.concatenate([np.ones_like(t[:n]) * (g / n), weights * (-g / total)])
        third = back3(t_bar)
        second = back2(third["x"] * slope2)
        first = back1(second["x"] * slope1)
        layers = enumerate((first, second, third), start=1)
        return {f"{name}{k}": layer[name] for k, layer in layers for name in "Wb"}

    return t[:n].sum() / n - (shift + np.log(total) - log(n_ref)), vjp


COMPUTATION = Computation(
    name="donsker_varadhan",
    origin="training_the_neural_network, A practical implementation",
    sample=sample,
    wrt=("W1", "b1", "W2", "b2", "W3", "b3"),
    sizes=(1_000, 10, 100, 10_000),
    by_autograd=by_autograd,
    by_torch=by_torch,
    by_hand=by_hand,
    shapes={
        "Z": "N 2",
        "Z_ref": "M 2",
        "W1": "H1 2",
        "b1": "H1",
        "W2": "H2 H1",
        "b2": "H2",
        "W3": "1 H2",
        "b3": "1",
    },
)
