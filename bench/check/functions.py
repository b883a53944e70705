"""The functions that are checked, for any number n of entries, and a value and gradient of each.

All are a network of two layers and its loss, mean((act(x W + b) w - y)²), with constants x
(batch, d) and y (batch,). W (d, h), b (h,) and w (h,) are the n entries, with d four to ten times
h.

- In NumPy, its gradient by hand.
- In torch with tanh, which takes complex numbers, and with ReLU, which does not. The derivative of
  ReLU jumps at `batch` times h places, and a difference of values has to fit between them.

The batches give every n 0.3 to 0.5 million activations. So a value and gradient takes milliseconds
even at the smallest n, and arithmetic is measured rather than Python. A network by hand with more
tanh and less matrix product costs more to check: a check takes one complex tanh, and NumPy's is
many times as slow as its real one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import isqrt
from typing import Any

import numpy as np
import torch

from reference_impls.computation import Array, Arrays
from verify import from_torch

BATCHES = {1_000: 32_768, 3_000: 16_384, 10_000: 8_192, 100_000: 4_096, 1_000_000: 1_024}
FEW = 8
"""Rows, at any other n."""

Activation = Callable[[torch.Tensor], torch.Tensor]
Loss = Callable[..., torch.Tensor]


@dataclass(frozen=True)
class Subject:
    """A function to be checked, and the point where.

    Attributes:
        make_vjp: as `verify.check` takes it.
        primals: all of them differentiated, float64.
        unit: one value and gradient, by the function's own means.
        native: the torch function of the primals' tensors; None where it is NumPy's.
    """

    make_vjp: Any
    primals: Arrays
    unit: Callable[[], object]
    native: Loss | None = None

    @property
    def entries(self) -> int:
        """How many numbers it is differentiated with respect to."""
        return sum(array.size for array in self.primals.values())


def by_hand(n: int) -> Subject:
    """The network in NumPy, with tanh.

    Args:
        n: how many entries; a product of two numbers of about √n.
    """
    data = _drawn(n)

    def make_vjp(W: Array, b: Array, w: Array) -> tuple[Array, Callable[[Array], Arrays]]:
        inputs = data.x.astype(W.dtype, copy=False)
        targets = data.y.astype(W.dtype, copy=False)
        hidden = np.tanh(inputs @ W + b)
        residual = hidden @ w - targets

        def vjp(u: Array) -> Arrays:
            by_output = (2 * u / residual.size) * residual
            by_hidden = np.outer(by_output, w) * (1 - hidden * hidden)
            return {"W": inputs.T @ by_hidden, "b": by_hidden.sum(0), "w": hidden.T @ by_output}

        return np.mean(residual * residual), vjp

    def unit() -> object:
        value, vjp = make_vjp(**data.primals)
        return value, vjp(np.ones_like(value))

    return Subject(make_vjp, data.primals, unit)


def in_torch(n: int, activation: Activation) -> Subject:
    """The network in torch.

    Args:
        n: as in `by_hand`.
        activation: act.
    """
    data = _drawn(n)
    constants = {
        dtype: tuple(torch.tensor(array).to(dtype) for array in (data.x, data.y))
        for dtype in (torch.float32, torch.float64, torch.complex128)
    }

    def network(W: torch.Tensor, b: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        inputs, targets = constants[W.dtype]
        residual = activation(inputs @ W + b) @ w - targets
        return torch.mean(residual * residual)

    leaves = [torch.tensor(array, requires_grad=True) for array in data.primals.values()]

    def unit() -> object:
        value = network(*leaves)
        return value, torch.autograd.grad(value, leaves)

    return Subject(from_torch(network), data.primals, unit, network)


@dataclass(frozen=True)
class _Data:
    """The constants x (batch, d) and y (batch,), and the primals."""

    x: Array
    y: Array
    primals: Arrays


def _drawn(n: int) -> _Data:
    rng = np.random.default_rng(n)
    # h divides n, and n = (d + 2) h.
    hidden = next(h for h in range(isqrt(n // 4), 0, -1) if n % h == 0)
    inputs, batch = n // hidden - 2, BATCHES.get(n, FEW)
    x, y = rng.standard_normal((batch, inputs)), rng.standard_normal(batch)
    primals = {
        "W": rng.standard_normal((inputs, hidden)) / np.sqrt(inputs),
        "b": rng.standard_normal(hidden),
        "w": rng.standard_normal(hidden) / np.sqrt(hidden),
    }
    return _Data(x, y, primals)
