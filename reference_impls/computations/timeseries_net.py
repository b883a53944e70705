"""Prediction of stock prices through an argmin layer, end to end.

    E = encode(x)                            Conv1d 1-4-8-16, ELU after each, length 30
    W = argmin_W mean((E_post Wᵀ - E_next)²) + λ mean(W²)     "postdiction": E_post the first 20
                                             days of E, E_next the last 10
    P = E_pred Wᵀ                            prediction: E_pred the last 20 days of E
    f = mean (decode(P) - y)²                Conv1d 16-8-4-1, ELU between layers

E is used three times, so its cotangent is a sum of three. By hand, each stage uses the derivation
in its own module, `conv_encoder` or `ridge_argmin`; for P it is

    Ē_pred = P̄ W,    W̄ = Σ P̄ᵀ E_pred.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from reference_impls.computation import Array, Arrays, Computation, Optimality, Vjp
from reference_impls.computations import ridge_argmin
from reference_impls.computations.conv_encoder import (
    BASE_DAYS,
    LAYERS,
    WIDTH,
    Layer,
    initial_convolutions,
    stack_by_autograd,
    stack_by_hand,
    stack_by_torch,
)
from reference_impls.datasets import stock_segments
from reference_impls.engines.hips.argmin import autograd_argmin
from reference_impls.engines.pytorch.argmin import torch_argmin

TARGET_DAYS = 10
LEARNING_DAYS = BASE_DAYS - TARGET_DAYS

CHANNELS = {8: (1, 4, 8, 16), 16: (1, 8, 16, 32), 32: (1, 16, 32, 64), 64: (1, 32, 64, 128)}
"""The encoder's, by batch size, the tutorial's first; the decoder has them in reverse."""


def sample(rng: np.random.Generator, size: int) -> Arrays:
    """``size`` segments of 30 closing prices and the 10 that follow; initial weights, λ = 1."""
    segments = stock_segments().prices
    chosen = segments[rng.choice(len(segments), size, replace=size > len(segments))]
    encoder = initial_convolutions(rng, CHANNELS[size])
    decoder = initial_convolutions(rng, CHANNELS[size][::-1])
    return {
        "x": chosen[:, None, :BASE_DAYS],
        "y": chosen[:, None, BASE_DAYS:],
        "lam": np.asarray(1.0),
        **{f"enc_{name}": array for name, array in encoder.items()},
        **{f"dec_{name}": array for name, array in decoder.items()},
    }


def by_autograd(
    x: Any, y: Any, lam: Any, *, solve: Callable[..., Any] = autograd_argmin, **parameters: Any
) -> Any:
    """The general argmin operator between two stacks of convolutions."""
    post, following, recent = _parts(stack_by_autograd(x, _layers(parameters, "enc")))
    W = ridge_argmin.by_autograd(post, following, lam, solve=solve)
    decoded = stack_by_autograd(recent @ W.T, _layers(parameters, "dec"), elu_last=False)
    return ((decoded - y) ** 2).sum() / y.size


def by_torch(
    x: torch.Tensor,
    y: torch.Tensor,
    lam: torch.Tensor,
    *,
    solve: Callable[..., Any] = torch_argmin,
    **parameters: torch.Tensor,
) -> torch.Tensor:
    """The general argmin operator between two stacks of convolutions."""
    post, following, recent = _parts(stack_by_torch(x, _layers(parameters, "enc")))
    W = ridge_argmin.by_torch(post, following, lam, solve=solve)
    decoded = stack_by_torch(recent @ W.T, _layers(parameters, "dec"), elu_last=False)
    return torch.nn.functional.mse_loss(decoded, y)


def by_hand(x: Array, y: Array, lam: Array, **parameters: Array) -> tuple[Array, Vjp]:
    """The stages in order, then their backward passes in reverse."""
    E, encoder_back = stack_by_hand(x, _layers(parameters, "enc"))
    post, following, recent = _parts(E)
    W, ridge_back = ridge_argmin.by_hand(post, following, lam)
    decoded, decoder_back = stack_by_hand(recent @ W.T, _layers(parameters, "dec"), elu_last=False)
    residual = decoded - y

    def vjp(g: Array) -> Arrays:
        P_bar, decoder = decoder_back(residual * (2 * g / y.size))
        flat = P_bar.reshape(-1, TARGET_DAYS)
        ridge = ridge_back(flat.T @ recent.reshape(flat.shape[0], -1))
        learnt = np.concatenate([ridge["x"], ridge["y"]], axis=-1)
        predicted = np.pad(P_bar @ W, ((0, 0), (0, 0), (TARGET_DAYS, 0)))
        x_bar, encoder = encoder_back(learnt + predicted)
        return {"x": x_bar, "lam": ridge["lam"]} | _named("enc", encoder) | _named("dec", decoder)

    return (residual * residual).sum() / y.size, vjp


def _parts(E: Any) -> tuple[Any, Any, Any]:
    """The days to learn from, the days that follow them, and the days to predict from."""
    return E[..., :LEARNING_DAYS], E[..., LEARNING_DAYS:], E[..., TARGET_DAYS:]


def _layers(parameters: dict[str, Any], part: str) -> list[Layer]:
    return [(parameters[f"{part}_W{n}"], parameters[f"{part}_b{n}"]) for n in LAYERS]


def _named(part: str, layers: list[Layer]) -> Arrays:
    return {
        f"{part}_{name}{n}": array
        for n, layer in zip(LAYERS, layers, strict=True)
        for name, array in zip("Wb", layer, strict=True)
    }


def condition(x: Array, y: Array, lam: Array, **parameters: Array) -> Callable[[Array], Array]:
    """That of ridge regression, on the embedding."""
    del y
    E, _ = stack_by_hand(x, _layers(parameters, "enc"))
    post, following, _ = _parts(E)
    return ridge_argmin.condition(post, following, lam)


def start(x: Array, y: Array, lam: Array, **parameters: Array) -> Array:
    """Zeros."""
    del x, y, lam, parameters
    return np.zeros(TARGET_DAYS * LEARNING_DAYS)


def outcome(w: Array, x: Array, y: Array, lam: Array, **parameters: Array) -> Array:
    """The loss of what W predicts."""
    del lam
    E, _ = stack_by_hand(x, _layers(parameters, "enc"))
    decoded = _decoded(E, w.reshape(TARGET_DAYS, LEARNING_DAYS), parameters)
    return np.asarray(((decoded - y) ** 2).sum() / y.size)


def predict(x: Array, lam: Array, **parameters: Array) -> Array:
    """The prices that the network says follow, (N, 1, 10); all rows of x are one batch."""
    E, _ = stack_by_hand(x, _layers(parameters, "enc"))
    post, following, _ = _parts(E)
    W, _ = ridge_argmin.by_hand(post, following, lam)
    return _decoded(E, W, parameters)


def _decoded(E: Array, W: Array, parameters: dict[str, Any]) -> Array:
    prediction = E[..., TARGET_DAYS:] @ W.T
    decoded, _ = stack_by_hand(prediction, _layers(parameters, "dec"), elu_last=False)
    return decoded


PARAMETERS = (
    "lam",
    *(f"{part}_{n}{k}" for part in ("enc", "dec") for k in LAYERS for n in "Wb"),
)
"""All that is trained; λ is."""

COMPUTATION = Computation(
    name="timeseries_net",
    origin="optimization, Example: time-series prediction",
    sample=sample,
    wrt=("x", *PARAMETERS),
    sizes=tuple(CHANNELS),
    by_autograd=by_autograd,
    by_torch=by_torch,
    by_hand=by_hand,
    shapes={"x": f"N C0 {BASE_DAYS}", "y": f"N C0 {TARGET_DAYS}", "lam": ""}
    | {f"enc_W{n}": f"C{n} C{n - 1} {WIDTH}" for n in LAYERS}
    | {f"enc_b{n}": f"C{n}" for n in LAYERS}
    | {f"dec_W{n}": f"C{len(LAYERS) - n} C{len(LAYERS) - n + 1} {WIDTH}" for n in LAYERS}
    | {f"dec_b{n}": f"C{len(LAYERS) - n}" for n in LAYERS},
    optimality=Optimality(condition, start, outcome),
)
