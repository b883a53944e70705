"""The time-series encoder: three 1-D convolutions of width 5, padded to length, ELU(½) after each.

    z[n, o, l] = b[o] + Σ_{c,k} W[o, c, k] x̃[n, c, l + k],    x̃ = x with 2 zeros at either end

    W̄[o, c, k] = Σ_{n,l} z̄[n, o, l] x̃[n, c, l + k],    b̄[o] = Σ_{n,l} z̄[n, o, l]
    x̄[n, c, l] = Σ_{o,k} W[o, c, 4 - k] z̃̄[n, o, l + k]

The transpose of this correlation is the same correlation, with W reversed in time and its
channels exchanged: one routine serves forward and backward. With channels last, the window at l
is one run of 5 C numbers, and a convolution one matrix product.
"""

from itertools import pairwise
from typing import Any

import autograd.numpy as anp
import numpy as np
import torch
from autograd.scipy.signal import convolve

from reference_impls.computation import Array, Arrays, Computation, Vjp
from reference_impls.computations.elu import EluFunction, elu_and_slope, elu_node
from reference_impls.datasets import stock_segments

ALPHA = 0.5
CHANNELS = (1, 4, 8, 16)
LAYERS = range(1, len(CHANNELS))
WIDTH = 5
PADDING = WIDTH // 2
BASE_DAYS = 30


def sample(rng: np.random.Generator, size: int) -> Arrays:
    """``size`` segments of 30 closing prices; weights and biases as nn.Conv1d draws them."""
    segments = stock_segments().prices
    chosen = rng.choice(len(segments), size, replace=size > len(segments))
    primals = {"x": segments[chosen, None, :BASE_DAYS]}
    for layer, (inputs, outputs) in enumerate(pairwise(CHANNELS), start=1):
        bound = 1 / np.sqrt(inputs * WIDTH)
        primals[f"W{layer}"] = rng.uniform(-bound, bound, (outputs, inputs, WIDTH))
        primals[f"b{layer}"] = rng.uniform(-bound, bound, outputs)
    return primals


def by_autograd(x: Any, **parameters: Any) -> Any:
    """autograd's convolution reverses its kernel in time: reversed once more, it correlates."""
    hidden = x
    for layer in LAYERS:
        padded = anp.pad(hidden, ((0, 0), (0, 0), (PADDING, PADDING)), mode="constant")
        kernel = parameters[f"W{layer}"][:, :, ::-1]
        z = convolve(padded, kernel, axes=([2], [2]), dot_axes=([1], [1]), mode="valid")
        hidden = elu_node(z + parameters[f"b{layer}"][:, None], ALPHA)
    return hidden


def by_torch(x: torch.Tensor, **parameters: torch.Tensor) -> torch.Tensor:
    """torch's own convolution, and the custom ELU function."""
    hidden = x
    for layer in LAYERS:
        weight, bias = parameters[f"W{layer}"], parameters[f"b{layer}"]
        z = torch.nn.functional.conv1d(hidden, weight, bias, padding=PADDING)
        hidden = EluFunction.apply(z, ALPHA)  # type: ignore[no-untyped-call]
    return hidden


def by_hand(x: Array, **parameters: Array) -> tuple[Array, Vjp]:
    """Channels last inside; first at the boundary."""
    hidden = np.swapaxes(x, 1, 2)
    windows, slopes = [], []
    for layer in LAYERS:
        windows.append(_windows(hidden))
        z = windows[-1] @ _as_matrix(parameters[f"W{layer}"]) + parameters[f"b{layer}"]
        hidden, slope = elu_and_slope(z, ALPHA)
        slopes.append(slope)

    def vjp(g: Array) -> Arrays:
        cotangents = {}
        h_bar = np.swapaxes(g, 1, 2)
        for layer in reversed(LAYERS):
            W = parameters[f"W{layer}"]
            z_bar = h_bar * slopes[layer - 1]
            flat = z_bar.reshape(-1, z_bar.shape[-1])
            products = flat.T @ windows[layer - 1].reshape(flat.shape[0], -1)
            cotangents[f"W{layer}"] = np.swapaxes(products.reshape(W.shape[0], WIDTH, -1), 1, 2)
            cotangents[f"b{layer}"] = flat.sum(axis=0)
            h_bar = _windows(z_bar) @ _as_matrix(np.swapaxes(W[:, :, ::-1], 0, 1))
        return {"x": np.swapaxes(h_bar, 1, 2), **cotangents}

    return np.swapaxes(hidden, 1, 2), vjp


def _windows(x: Array) -> Array:
    """(N, L, C) → (N, L, 5 C): at each l the padded signal from l to l + 4, time before channel."""
    length = x.shape[1]
    padded = np.pad(x, ((0, 0), (PADDING, PADDING), (0, 0)))
    return np.concatenate([padded[:, k : k + length] for k in range(WIDTH)], axis=-1)


def _as_matrix(W: Array) -> Array:
    """(O, C, 5) → (5 C, O), in the order of `_windows`."""
    return np.transpose(W, (2, 1, 0)).reshape(-1, W.shape[0])


COMPUTATION = Computation(
    name="conv_encoder",
    origin="optimization, Example: time-series prediction",
    sample=sample,
    wrt=("x", *(f"{name}{layer}" for layer in LAYERS for name in "Wb")),
    sizes=(8, 1, 100, 1_000),
    by_autograd=by_autograd,
    by_torch=by_torch,
    by_hand=by_hand,
    shapes={"x": "N C0 L"}
    | {f"W{layer}": f"C{layer} C{layer - 1} {WIDTH}" for layer in LAYERS}
    | {f"b{layer}": f"C{layer}" for layer in LAYERS},
)
