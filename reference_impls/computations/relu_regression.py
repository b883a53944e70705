"""The regression of `mlp_regression` with ReLU, the tutorial's other activation, in place of tanh.

    h₁ = max(x W₁ + b₁, 0),  h₂ = max(h₁ W₂ + b₂, 0),  r = h₂ W₃ + b₃ - t,  f = 1/(2N) Σ r²

    r̄ = f̄ r/N      h̄ₗ₋₁ = z̄ₗ Wₗᵀ,    z̄ₗ = h̄ₗ · [hₗ > 0],    W̄ₗ = hₗ₋₁ᵀ z̄ₗ,    b̄ₗ = Σ z̄ₗ

θ holds the weights and biases as there. The tutorial writes ReLU as `maximum(0, x)`, for which
autograd splits the tie at 0; this takes the catalogue's `relu`, whose derivative there is 0.
"""

from reference_impls.computation import Computation
from reference_impls.computations import relu
from reference_impls.computations.mlp_regression import SHAPES, Regression, sample

NETWORK = Regression(activation=relu.COMPUTATION)

COMPUTATION = Computation(
    name="relu_regression",
    origin="hips_autograd, Neural net regression: nonlinearity = relu",
    sample=sample,
    wrt=("theta",),
    sizes=(1_000, 10, 100, 100_000),
    by_autograd=NETWORK.by_autograd,
    by_torch=NETWORK.by_torch,
    by_hand=NETWORK.by_hand,
    shapes=SHAPES,
)
