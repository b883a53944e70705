"""The Donsker-Varadhan estimate of a divergence, trained for 100 epochs of ten batches with Adam.

The divergence of two unit Gaussians with correlation ρ from independent ones is -½ log(1 - ρ²). The
best t is the logarithm of the ratio of their densities, and any constant may be added to it:

    -½ log(1 - ρ²) - (x² - 2ρxy + y²) / (2 (1 - ρ²)) + (x² + y²) / 2

Trained longer, the estimate rises above the divergence: on the points that it is trained with, it
is no bound. The run does not magnify rounding, except in b3, which changes nothing: its gradient is
rounding alone, which Adam divides by its own size.
"""

from itertools import pairwise
from math import log

import numpy as np
import torch
from scipy.special import logsumexp

from reference_impls.computation import Array, Arrays
from reference_impls.computations.donsker_varadhan import ALPHA, COMPUTATION, WIDTHS
from reference_impls.computations.elu import elu_and_slope
from reference_impls.datasets import tutorial_gaussians
from reference_impls.descent import Adam
from reference_impls.training import Course, Curve, Expected, Indices, Record, Training

EPOCHS, BATCHES, DEVIATION = 100, 10, 0.02
STEPS = EPOCHS * BATCHES
KEPT = tuple(range(100, STEPS, 100))
"""After 10 epochs, 20, ...; after 100 the run is at its end."""

HELD_OUT, PORTION = 200_000, 10_000
GRID, EXTENT, CORE = 50, 5.0, 2.0


def record(seed: int) -> Record:
    """Data by NumPy's generator; weights and the order of the points by torch's, as there."""
    joint, reference, rho = tutorial_gaussians(seed)
    # Layers draw from torch's one generator for all; it is put back afterwards.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        parameters = _initial()
        batches = [batch for _ in range(EPOCHS) for batch in _epoch(len(joint))]
    apart = {"rho": np.asarray(rho)} | _held_out(seed, rho)
    return Record(parameters, {"Z": joint, "Z_ref": reference}, batches, apart)


def truth(rho: float) -> float:
    """The divergence, in nats."""
    return -0.5 * log(1 - rho**2)


def log_ratio(rho: float, x: Array, y: Array) -> Array:
    """What t should be, but for a constant."""
    joint = (x**2 - 2 * rho * x * y + y**2) / (2 * (1 - rho**2))
    ratio: Array = truth(rho) - joint + (x**2 + y**2) / 2
    return ratio


def measures(given: Record, course: Course) -> dict[str, float]:
    """The estimates on the way, what they estimate, and how good the last is on other points."""
    rho, end = float(given.apart["rho"]), course.parameters
    kept = {step // BATCHES: course.iterates[step] for step in KEPT} | {EPOCHS: end}
    return {
        **{
            f"estimate after {epochs} epochs": _estimate(given.data, parameters)
            for epochs, parameters in kept.items()
        },
        "truth": truth(rho),
        "estimate on points held out": _estimate(given.apart, end),
        "difference from the log-ratio": _difference(rho, end),
        "deviation of t at the start": float(_t(given.parameters, _both(given.data)).std()),
    }


def curves(given: Record, course: Course) -> list[Curve]:
    """t over the plane beside the log-ratio, and how it is spread over the points."""
    rho, (x, y) = float(given.apart["rho"]), _grid()
    points, ends = _both(given.data), {"before": given.parameters, "after": course.parameters}
    return [
        Curve("t", x, y, _t(course.parameters, np.stack([x, y], axis=1))),
        Curve("log-ratio", x, y, log_ratio(rho, x, y)),
        *(_density(f"density of t {when}", _t(end, points)) for when, end in ends.items()),
    ]


def _initial() -> Arrays:
    # The layers' own draws come first, and are thrown away: the generator has then moved on.
    layers = [torch.nn.Linear(*widths) for widths in pairwise(WIDTHS)]
    parameters: Arrays = {}
    for number, layer in enumerate(layers, start=1):
        torch.nn.init.normal_(layer.weight, std=DEVIATION)
        parameters[f"W{number}"] = layer.weight.detach().double().numpy()
        parameters[f"b{number}"] = np.zeros(layer.bias.shape)
    return parameters


def _epoch(points: int) -> list[dict[str, Indices]]:
    order, order_ref = (torch.randperm(points).numpy() for _ in range(2))
    return [{"Z": order[j::BATCHES], "Z_ref": order_ref[j::BATCHES]} for j in range(BATCHES)]


def _held_out(seed: int, rho: float) -> Arrays:
    # Not the generator of the points that are learnt.
    rng = np.random.default_rng([seed, 1])
    normal = rng.standard_normal((HELD_OUT, 2))
    x, rest = normal.T
    joint = np.stack([x, rho * x + np.sqrt(1 - rho**2) * rest], axis=1)
    return {"Z": joint, "Z_ref": rng.standard_normal((HELD_OUT, 2))}


def _estimate(points: Arrays, parameters: Arrays) -> float:
    reference = _t(parameters, points["Z_ref"])
    growth = logsumexp(reference) - log(reference.size)
    return float(_t(parameters, points["Z"]).mean() - growth)


def _difference(rho: float, parameters: Arrays) -> float:
    """Root mean square over the disc that most points lie in, but for the constant."""
    x, y = _grid()
    core = x**2 + y**2 < CORE**2
    x, y = x[core], y[core]
    return float((_t(parameters, np.stack([x, y], axis=1)) - log_ratio(rho, x, y)).std())


def _t(parameters: Arrays, points: Array) -> Array:
    # By portions: a hidden layer of all points at once would take hundreds of megabytes.
    portions = [points[k : k + PORTION] for k in range(0, len(points), PORTION)]
    return np.concatenate([_t_of_some(parameters, portion) for portion in portions])


def _t_of_some(parameters: Arrays, points: Array) -> Array:
    hidden = points
    for layer in (1, 2):
        affine = hidden @ parameters[f"W{layer}"].T + parameters[f"b{layer}"]
        hidden, _ = elu_and_slope(affine, ALPHA)
    t: Array = hidden @ parameters["W3"][0] + parameters["b3"]
    return t


def _both(data: Arrays) -> Array:
    return np.concatenate([data["Z"], data["Z_ref"]])


def _grid() -> tuple[Array, Array]:
    axis = np.linspace(-EXTENT, EXTENT, GRID)
    x, y = np.meshgrid(axis, axis, indexing="ij")
    return x.ravel(), y.ravel()


def _density(series: str, t: Array) -> Curve:
    density, edges = np.histogram(t, bins=50, density=True)
    return Curve(series, (edges[1:] + edges[:-1]) / 2, density)


ESTIMATES = (
    (10, 0.006797),
    (20, 0.101274),
    (30, 0.126220),
    (40, 0.260331),
    (50, 0.543840),
    (60, 0.693296),
    (70, 0.721028),
    (80, 0.735665),
    (90, 0.739772),
    (100, 0.737141),
)


TRAINING = Training(
    name="divergence",
    origin="training_the_neural_network, A practical implementation",
    loss=COMPUTATION,
    rule=Adam(rate=1e-3),
    steps=STEPS,
    record=record,
    maximizes=True,
    kept=KEPT,
    measures=measures,
    expected=(
        *(
            Expected(quantity=f"estimate after {epochs} epochs", value=estimate, tolerance=1e-5)
            for epochs, estimate in ESTIMATES
        ),
        Expected(quantity="truth", value=0.7405246745, tolerance=1e-10),
    ),
    curves=curves,
)
