"""Handwritten digits, learnt by the ReLU network in ten epochs of ten batches with momentum.

The tutorial has the first 5,120 digits of MNIST, here there are the 5,000 of a package: what it
prints stands beside. It loads a test set and never asks it. Where `GRADJURY_DIGITS` has one, its
accuracy is measured here; otherwise see `split_classifier`. The run does not magnify rounding.
"""

import os

import numpy as np
import torch

from reference_impls.computation import Array, Arrays
from reference_impls.computations.linear import layers_by_torch
from reference_impls.computations.relu_classifier import COMPUTATION, NETWORK
from reference_impls.datasets import DIGITS_VARIABLE, Digits, digits, t10k_digits
from reference_impls.descent import Momentum
from reference_impls.training import Course, Curve, Expected, Indices, Record, Training

EPOCHS, BATCH = 10, 512
MOST, MOST_TESTED = 10 * BATCH, 2 * BATCH
SEED = 42
"""The tutorial's, and that of the record with seed 0."""


def record(seed: int) -> Record:
    """The first 5,120 digits, or as many as there are; and 1,024 for testing, if there are any."""
    tested = t10k_digits()
    apart = rows_of(tested, slice(MOST_TESTED)) if tested else {}
    return record_of(seed, rows_of(digits(), slice(MOST)), apart)


def record_of(seed: int, data: Arrays, apart: Arrays) -> Record:
    """What is learnt, and what is tested; layers and batches are drawn by torch's generators."""
    parameters = layers_by_torch(SEED + seed, NETWORK.widths)
    orders = torch.Generator().manual_seed(SEED + seed)
    batches = [batch for _ in range(EPOCHS) for batch in _epoch(len(data["x"]), orders)]
    return Record(parameters, data, batches, apart)


def rows_of(loaded: Digits, rows: slice | Indices) -> Arrays:
    """Images x and labels y, which are one-hot."""
    return {"x": loaded.images[rows], "y": np.eye(10)[loaded.labels[rows]]}


def _epoch(size: int, orders: torch.Generator) -> list[dict[str, Indices]]:
    order = torch.randperm(size, generator=orders).numpy()
    slices = [order[first : first + BATCH] for first in range(0, size, BATCH)]
    return [{"x": rows, "y": rows} for rows in slices]


def measures(given: Record, course: Course) -> dict[str, float]:
    """The mean loss of each epoch's batches, and how many digits are told right at the end."""
    found = {f"mean loss of epoch {k}": float(mean) for k, mean in enumerate(_epochs(course), 1)}
    found["accuracy"] = _accuracy(given.data, course.parameters)
    found["share of the commonest digit"] = float(given.data["y"].mean(axis=0).max())
    if given.apart:
        found["accuracy in the test"] = _accuracy(given.apart, course.parameters)
    return found


def curves(_: Record, course: Course) -> list[Curve]:
    """The loss by epochs, beside what the tutorial prints."""
    epochs = np.arange(1.0, EPOCHS + 1)
    return [
        Curve("mean loss", epochs, _epochs(course)),
        Curve("printed in the tutorial", epochs, np.asarray(PRINTED)),
    ]


def _epochs(course: Course) -> Array:
    means: Array = np.reshape(course.losses, (EPOCHS, -1)).mean(axis=1)
    return means


def _accuracy(digits_told: Arrays, parameters: Arrays) -> float:
    log_probabilities, _ = NETWORK.log_probabilities_by_hand(digits_told["x"], **parameters)
    told = log_probabilities.argmax(axis=1) == digits_told["y"].argmax(axis=1)
    return float(told.mean())


def other_digits() -> str:
    """Why the numbers below are not to be expected: the digits are not those of the package."""
    if os.environ.get(DIGITS_VARIABLE):
        return f"{DIGITS_VARIABLE} is set, and the numbers are those of the packaged digits"
    return ""


MEANS = (
    2.305734,
    2.290224,
    2.263914,
    2.200384,
    1.997927,
    1.519208,
    0.955500,
    0.673974,
    0.566395,
    0.503085,
)
PRINTED = (
    2.305134725570679,
    2.286450743675232,
    2.256749749183655,
    2.176987957954407,
    1.9311090946197509,
    1.4161057472229004,
    0.9191414415836334,
    0.6763368904590606,
    0.5613920748233795,
    0.5014606505632401,
)


TRAINING = Training(
    name="classifier",
    origin="multilayer_perceptron, Part 2: Training loop",
    loss=COMPUTATION,
    rule=Momentum(rate=0.05, mass=0.9, decay=0.01),
    steps=100,
    record=record,
    measures=measures,
    expected=(
        *(
            Expected(
                quantity=f"mean loss of epoch {epoch}", value=mean, tolerance=1e-6, printed=printed
            )
            for epoch, (mean, printed) in enumerate(zip(MEANS, PRINTED, strict=True), start=1)
        ),
        Expected(quantity="accuracy", value=0.8292, tolerance=1e-6),
    ),
    skipped=other_digits,
    curves=curves,
)
