"""Classification of handwritten digits by the tutorial's 784-[32, 64, 128, 64]-10 tanh network.

    h₀ = x,  zₗ = hₗ₋₁ Wₗᵀ + bₗ,  hₗ = tanh(zₗ) for l = 1..4
    ŷ = z₅ - log Σ exp(z₅), row by row        f = -1/N Σ y ŷ        (y one-hot, N rows)

    ŷ̄ = -f̄ y/N        z̄₅ = ŷ̄ - softmax(z₅) Σŷ̄,  Σŷ̄ the sum of a row
    W̄ₗ = z̄ₗᵀ hₗ₋₁,    b̄ₗ = Σ z̄ₗ,    z̄ₗ = (z̄ₗ₊₁ Wₗ₊₁) · (1 - hₗ²)

44,458 parameters. The tutorial writes the loss as a sum; its code, and this one, take the mean. Its
class of networks takes the widths and the activation; `Classifier` does, for all that are made of
it. The log-probabilities ŷ are a computation of their own, `mlp_log_probabilities`.
"""

from dataclasses import dataclass
from typing import Any

import autograd.numpy as anp
import numpy as np
import torch

from reference_impls.computation import Array, Arrays, Computation, Vjp
from reference_impls.computations import linear, tanh
from reference_impls.datasets import digits


@dataclass(frozen=True)
class Classifier:
    """A network of fully connected layers: its log-probabilities, and their mean loss.

    Attributes:
        widths: of the input, of each hidden layer and of the output.
        activation: between the layers, elementwise.
    """

    widths: tuple[int, ...]
    activation: Computation

    @property
    def layers(self) -> range:
        """Their numbers, from 1."""
        return range(1, len(self.widths))

    @property
    def parameters(self) -> tuple[str, ...]:
        """W1, b1, W2, b2, ..."""
        return tuple(f"{name}{layer}" for layer in self.layers for name in "Wb")

    @property
    def shapes(self) -> dict[str, str]:
        """Of the rows x and of the parameters, as in `Computation`."""
        weights = {f"W{layer}": f"H{layer} H{layer - 1}" for layer in self.layers}
        return {"x": "N H0"} | weights | {f"b{layer}": f"H{layer}" for layer in self.layers}

    @property
    def loss_shapes(self) -> dict[str, str]:
        """The same with the labels y."""
        return self.shapes | {"y": f"N H{self.layers[-1]}"}

    def sample(self, rng: np.random.Generator, size: int) -> Arrays:
        """``size`` digits x and their labels y; weights and biases as nn.Linear draws them.

        Digits are drawn without replacement while there are enough of them.
        """
        data = digits()
        available = data.labels.size
        chosen = rng.choice(available, size, replace=size > available)
        rows = {"x": data.images[chosen], "y": np.eye(self.widths[-1])[data.labels[chosen]]}
        return rows | linear.initial_layers(rng, self.widths)

    def log_probabilities_by_autograd(self, x: Any, **parameters: Any) -> Any:
        """ŷ, traced."""
        logits = x
        for layer in self.layers:
            hidden = self.activation.by_autograd(logits) if layer > 1 else x
            logits = anp.dot(hidden, parameters[f"W{layer}"].T) + parameters[f"b{layer}"]
        shifted = logits - anp.max(logits, axis=1, keepdims=True)
        return shifted - anp.log(anp.sum(anp.exp(shifted), axis=1, keepdims=True))

    def loss_by_autograd(self, x: Any, y: Any, **parameters: Any) -> Any:
        """f, traced."""
        return -anp.sum(y * self.log_probabilities_by_autograd(x, **parameters)) / x.shape[0]

    def logits_by_torch(self, x: torch.Tensor, **parameters: torch.Tensor) -> torch.Tensor:
        """The last z, by torch's layers."""
        logits = x
        for layer in self.layers:
            hidden = self.activation.by_torch(logits) if layer > 1 else x
            weight, bias = parameters[f"W{layer}"], parameters[f"b{layer}"]
            logits = torch.nn.functional.linear(hidden, weight, bias)
        return logits

    def log_probabilities_by_torch(
        self, x: torch.Tensor, **parameters: torch.Tensor
    ) -> torch.Tensor:
        """torch's log-softmax of the logits."""
        return torch.log_softmax(self.logits_by_torch(x, **parameters), dim=1)

    def loss_by_torch(
        self, x: torch.Tensor, y: torch.Tensor, **parameters: torch.Tensor
    ) -> torch.Tensor:
        """torch's cross-entropy with class probabilities."""
        return torch.nn.functional.cross_entropy(self.logits_by_torch(x, **parameters), y)

    def log_probabilities_by_hand(self, x: Array, **parameters: Array) -> tuple[Array, Vjp]:
        """Keep every layer's input on the way up; on the way down, each gives its W̄ and b̄."""
        inputs, backs, logits = [x], [], x
        for layer in self.layers:
            if layer > 1:
                hidden, back = self.activation.by_hand(logits)
                inputs.append(hidden)
                backs.append(back)
            logits = inputs[-1] @ parameters[f"W{layer}"].T + parameters[f"b{layer}"]
        shifted = logits - np.real(logits).max(axis=1, keepdims=True)
        exponentials = np.exp(shifted)
        totals = exponentials.sum(axis=1, keepdims=True)

        def vjp(g: Array) -> Arrays:
            cotangents = {}
            z_bar = g - exponentials * (g.sum(axis=1, keepdims=True) / totals)
            for layer in reversed(self.layers):
                cotangents[f"W{layer}"] = z_bar.T @ inputs[layer - 1]
                cotangents[f"b{layer}"] = z_bar.sum(axis=0)
                if layer > 1:  # the rows have no cotangent
                    z_bar = backs[layer - 2](z_bar @ parameters[f"W{layer}"])["x"]
            return cotangents

        return shifted - np.log(totals), vjp

    def loss_by_hand(self, x: Array, y: Array, **parameters: Array) -> tuple[Array, Vjp]:
        """The labels weigh the log-probabilities, and their cotangents."""
        rows = x.shape[0]
        log_probabilities, back = self.log_probabilities_by_hand(x, **parameters)

        def vjp(g: Array) -> Arrays:
            return back(y * (-g / rows))

        return -(y * log_probabilities).sum() / rows, vjp


NETWORK = Classifier(widths=(784, 32, 64, 128, 64, 10), activation=tanh.COMPUTATION)

COMPUTATION = Computation(
    name="mlp_classifier",
    origin="multilayer_perceptron, Part 2: N-layer MLP",
    sample=NETWORK.sample,
    wrt=NETWORK.parameters,
    sizes=(512, 4, 50, 5_000),
    by_autograd=NETWORK.loss_by_autograd,
    by_torch=NETWORK.loss_by_torch,
    by_hand=NETWORK.loss_by_hand,
    shapes=NETWORK.loss_shapes,
)
