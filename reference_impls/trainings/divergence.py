"""The Donsker-Varadhan estimate of a divergence, trained for 100 epochs of ten batches with Adam.

The divergence of two unit Gaussians with correlation ρ from independent ones is -½ log(1 - ρ²).
Trained longer, the estimate rises above it: on the points it is trained with, it is no bound.
"""

from itertools import pairwise
from math import log

import numpy as np
import torch

from reference_impls.computation import Arrays
from reference_impls.computations.donsker_varadhan import COMPUTATION, WIDTHS
from reference_impls.datasets import tutorial_gaussians
from reference_impls.descent import Adam
from reference_impls.training import Indices, Record, Training

EPOCHS, BATCHES, DEVIATION = 100, 10, 0.02


def record(seed: int) -> Record:
    """Data by NumPy's generator; weights and the order of the points by torch's, as there."""
    joint, reference, _ = tutorial_gaussians(seed)
    # Layers draw from torch's one generator for all; it is put back afterwards.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        parameters = _initial()
        batches = [batch for _ in range(EPOCHS) for batch in _epoch(len(joint))]
    return Record(parameters, {"Z": joint, "Z_ref": reference}, batches)


def truth(rho: float) -> float:
    """The divergence, in nats."""
    return -0.5 * log(1 - rho**2)


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


TRAINING = Training(
    name="divergence",
    origin="training_the_neural_network, A practical implementation",
    loss=COMPUTATION,
    rule=Adam(rate=1e-3),
    steps=EPOCHS * BATCHES,
    record=record,
    maximizes=True,
)
