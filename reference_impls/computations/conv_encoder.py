"""The time-series encoder: three 1-D convolutions of width 5, padded to length, ELU(½) after each.

    z[n, o, l] = b[o] + Σ_{c,k} W[o, c, k] x̃[n, c, l + k],    x̃ = x with 2 zeros at either end

    W̄[o, c, k] = Σ_{n,l} z̄[n, o, l] x̃[n, c, l + k],    b̄[o] = Σ_{n,l} z̄[n, o, l]
    x̄[n, c, l] = Σ_{o,k} W[o, c, 4 - k] z̃̄[n, o, l + k]

The transpose of this correlation is the same correlation, with W reversed in time and its
channels exchanged: one routine serves forward and backward. With channels last, the window at l
is one run of 5 C numbers, and a convolution one matrix product.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import autograd.numpy as anp
import numpy as np
import torch

from reference_impls.computation import Array, Arrays, Computation, Vjp
from reference_impls.computations.elu import EluFunction, elu_and_slope, elu_node
from reference_impls.datasets import stock_segments

ALPHA = 0.5
CHANNELS = (1, 4, 8, 16)
LAYERS = range(1, len(CHANNELS))
WIDTH = 5
PADDING = WIDTH // 2
BASE_DAYS = 30

Layer = tuple[Any, Any]
"""A weight (O, C, 5) and a bias (O), of any of the three libraries."""


def sample(rng: np.random.Generator, size: int) -> Arrays:
    """``size`` segments of 30 closing prices, and initial weights and biases."""
    segments = stock_segments().prices
    chosen = rng.choice(len(segments), size, replace=size > len(segments))
    return {"x": segments[chosen, None, :BASE_DAYS]} | initial_convolutions(rng, CHANNELS)


def initial_convolutions(rng: np.random.Generator, channels: Sequence[int]) -> Arrays:
    """Weights W1, W2, ... and biases b1, b2, ... between these channels, as nn.Conv1d draws them.

    Uniform within 1/√(5 inputs); in the order W1, b1, W2, b2, ...
    """
    parameters = {}
    for layer, (inputs, outputs) in enumerate(pairwise(channels), start=1):
        bound = 1 / np.sqrt(inputs * WIDTH)
        parameters[f"W{layer}"] = rng.uniform(-bound, bound, (outputs, inputs, WIDTH))
        parameters[f"b{layer}"] = rng.uniform(-bound, bound, outputs)
    return parameters


def by_autograd(x: Any, **parameters: Any) -> Any:
    """Three layers, each followed by the custom ELU node."""
    return stack_by_autograd(x, _layers(parameters))


def by_torch(x: torch.Tensor, **parameters: torch.Tensor) -> torch.Tensor:
    """Three layers, each followed by the custom ELU function."""
    return stack_by_torch(x, _layers(parameters))


def by_hand(x: Array, **parameters: Array) -> tuple[Array, Vjp]:
    """Three layers, each followed by ELU."""
    value, back = stack_by_hand(x, _layers(parameters))

    def vjp(g: Array) -> Arrays:
        x_bar, layers = back(g)
        named = {
            f"{name}{n}": bar
            for n, pair in zip(LAYERS, layers, strict=True)
            for name, bar in zip("Wb", pair, strict=True)
        }
        return {"x": x_bar, **named}

    return value, vjp


def stack_by_autograd(x: Any, layers: Sequence[Layer], *, elu_last: bool = True) -> Any:
    """autograd's convolution reverses its kernel in time: reversed once more, it correlates."""
    from autograd.scipy.signal import convolve  # noqa: PLC0415 -- it loads half of SciPy

    for number, (weight, bias) in enumerate(layers, start=1):
        padded = anp.pad(x, ((0, 0), (0, 0), (PADDING, PADDING)), mode="constant")
        kernel = weight[:, :, ::-1]
        z = convolve(padded, kernel, axes=([2], [2]), dot_axes=([1], [1]), mode="valid")
        z = z + bias[:, None]
        x = elu_node(z, ALPHA) if elu_last or number < len(layers) else z
    return x


def stack_by_torch(
    x: torch.Tensor, layers: Sequence[Layer], *, elu_last: bool = True
) -> torch.Tensor:
    """torch's own convolution, and the custom ELU function."""
    for number, (weight, bias) in enumerate(layers, start=1):
        z = torch.nn.functional.conv1d(x, weight, bias, padding=PADDING)
        last = number == len(layers)
        x = EluFunction.apply(z, ALPHA) if elu_last or not last else z  # type: ignore[no-untyped-call]
    return x


def stack_by_hand(
    x: Array, layers: Sequence[Layer], *, elu_last: bool = True
) -> tuple[Array, Callable[[Array], tuple[Array, list[Layer]]]]:
    """Channels are the last axis inside, and the second of x, of the value and of cotangents.

    Returns:
        The value, and the map from its cotangent to that of x and those of the layers, (W̄, b̄).
    """
    hidden = np.swapaxes(x, 1, 2)
    windows, slopes = [], []
    for number, (weight, bias) in enumerate(layers, start=1):
        windows.append(_windows(hidden))
        hidden = windows[-1] @ _as_matrix(weight) + bias
        if elu_last or number < len(layers):
            hidden, slope = elu_and_slope(hidden, ALPHA)
            slopes.append(slope)

    def vjp(g: Array) -> tuple[Array, list[Layer]]:
        h_bar = np.swapaxes(g, 1, 2)
        bars: list[Layer] = []
        for number in reversed(range(len(layers))):
            z_bar = h_bar * slopes[number] if number < len(slopes) else h_bar
            bars.insert(0, _layer_bars(z_bar, windows[number]))
            reverse = np.swapaxes(layers[number][0][:, :, ::-1], 0, 1)
            h_bar = _windows(z_bar) @ _as_matrix(reverse)
        return np.swapaxes(h_bar, 1, 2), bars

    return np.swapaxes(hidden, 1, 2), vjp


def _layers(parameters: dict[str, Any]) -> list[Layer]:
    return [(parameters[f"W{layer}"], parameters[f"b{layer}"]) for layer in LAYERS]


def _layer_bars(z_bar: Array, windows: Array) -> Layer:
    flat = z_bar.reshape(-1, z_bar.shape[-1])
    products = flat.T @ windows.reshape(flat.shape[0], -1)
    return np.swapaxes(products.reshape(flat.shape[1], WIDTH, -1), 1, 2), flat.sum(axis=0)


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
