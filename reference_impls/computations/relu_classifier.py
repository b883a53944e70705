"""The network that the tutorial trains on handwritten digits: 784-[32, 32, 32]-10 with ReLU.

    h₀ = x,  zₗ = hₗ₋₁ Wₗᵀ + bₗ,  hₗ = max(zₗ, 0) for l = 1..3
    ŷ = z₄ - log Σ exp(z₄), row by row        f = -1/N Σ y ŷ        (y one-hot, N rows)

    ŷ̄ = -f̄ y/N        z̄₄ = ŷ̄ - softmax(z₄) Σŷ̄,  Σŷ̄ the sum of a row
    W̄ₗ = z̄ₗᵀ hₗ₋₁,    b̄ₗ = Σ z̄ₗ,    z̄ₗ = (z̄ₗ₊₁ Wₗ₊₁) · [zₗ > 0]

27,562 parameters. The tutorial describes the tanh network of `mlp_classifier` and then trains this
one, in batches of 512.
"""

from reference_impls.computation import Computation
from reference_impls.computations import relu
from reference_impls.computations.mlp_classifier import Classifier

NETWORK = Classifier(widths=(784, 32, 32, 32, 10), activation=relu.COMPUTATION)

COMPUTATION = Computation(
    name="relu_classifier",
    origin="multilayer_perceptron, Part 2: the network that is trained",
    sample=NETWORK.sample,
    wrt=NETWORK.parameters,
    sizes=(512, 4, 50, 4_000),
    by_autograd=NETWORK.loss_by_autograd,
    by_torch=NETWORK.loss_by_torch,
    by_hand=NETWORK.loss_by_hand,
    shapes=NETWORK.loss_shapes,
)
