"""The log-probabilities that the tutorial's 784-[32, 64, 128, 64]-10 tanh network gives digits.

    h₀ = x,  zₗ = hₗ₋₁ Wₗᵀ + bₗ,  hₗ = tanh(zₗ) for l = 1..4
    f = z₅ - log Σ exp(z₅), row by row

    z̄₅ = f̄ - softmax(z₅) Σf̄,  Σf̄ the sum of a row
    W̄ₗ = z̄ₗᵀ hₗ₋₁,    b̄ₗ = Σ z̄ₗ,    z̄ₗ = (z̄ₗ₊₁ Wₗ₊₁) · (1 - hₗ²)

The value is the matrix f of N rows; the exponentials of a row sum to one. The tutorial says that
the network's outputs are probabilities; they are these, their logarithms. It prints those of one
digit before any training.
"""

import numpy as np

from reference_impls.computation import Arrays, Computation
from reference_impls.computations.mlp_classifier import NETWORK


def sample(rng: np.random.Generator, size: int) -> Arrays:
    """``size`` digits (the tutorial has one), without their labels, and initial parameters."""
    primals = NETWORK.sample(rng, size)
    del primals["y"]
    return primals


COMPUTATION = Computation(
    name="mlp_log_probabilities",
    origin="multilayer_perceptron, Part 2: N-layer MLP",
    sample=sample,
    wrt=NETWORK.parameters,
    sizes=(1, 10, 100, 1_000),
    by_autograd=NETWORK.log_probabilities_by_autograd,
    by_torch=NETWORK.log_probabilities_by_torch,
    by_hand=NETWORK.log_probabilities_by_hand,
    shapes=NETWORK.shapes,
)
