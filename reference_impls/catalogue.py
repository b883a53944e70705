"""The catalogue: what one wants to know of a computation before it, and an engine, is loaded.

A module of `reference_impls.computations` imports torch and autograd, which takes seconds. What a
list, a table of sizes or the answer to a mistyped name needs is therefore written down here a
second time; a test holds the two against each other.
"""

from dataclasses import dataclass
from importlib import import_module

from reference_impls.computation import Computation


@dataclass(frozen=True)
class Entry:
    """One computation of the catalogue, not loaded yet.

    Attributes:
        name: of the computation, and of its module in `reference_impls.computations`.
        origin: as in `Computation`.
        wrt: as in `Computation`.
        sizes: as in `Computation`: the tutorial's own size first.
        is_argmin: the computation has an `Optimality`: it is an argmin or a root, or is computed
            from one.
    """

    name: str
    origin: str
    wrt: tuple[str, ...]
    sizes: tuple[int, ...]
    is_argmin: bool = False

    @property
    def tutorial_size(self) -> int:
        """The size the tutorial itself uses."""
        return self.sizes[0]

    def load(self) -> Computation:
        """Imports the module, and with it the engines."""
        module = import_module(f"reference_impls.computations.{self.name}")
        computation: Computation = module.COMPUTATION
        return computation


CATALOGUE: tuple[Entry, ...] = (
    Entry(
        "relu",
        origin="multilayer_perceptron, Activation functions",
        wrt=("x",),
        sizes=(1_024, 32, 32_768, 1_048_576),
    ),
    Entry(
        "sigmoid",
        origin="hips_autograd, Manual gradients via staged computation",
        wrt=("x",),
        sizes=(1_024, 32, 32_768, 1_048_576),
    ),
    Entry(
        "tanh",
        origin="multilayer_perceptron, Activation functions",
        wrt=("x",),
        sizes=(1_024, 32, 32_768, 1_048_576),
    ),
    Entry(
        "elu",
        origin="optimization, Part 1: custom automatic differentiation",
        wrt=("z", "alpha"),
        sizes=(6, 1_000, 32_768, 1_048_576),
    ),
    Entry(
        "composite_elu",
        origin="optimization, Part 1: ELU from primitive operations",
        wrt=("z", "alpha"),
        sizes=(6, 1_000, 32_768, 1_048_576),
    ),
    Entry(
        "logsumexp",
        origin="hips_autograd, Modularity: implementing custom gradients",
        wrt=("x",),
        sizes=(10, 1_000, 32_768, 1_048_576),
    ),
    Entry(
        "exponential_loss",
        origin="training_the_neural_network, A simple implementation of gradient descent",
        wrt=("w",),
        sizes=(1, 100, 10_000, 1_000_000),
    ),
    Entry(
        "quadratic",
        origin="optimization, Drawbacks and mitigations: a ravine",
        wrt=("x",),
        sizes=(2, 20, 200, 1_000),
    ),
    Entry(
        "rosenbrock",
        origin="optimization, Newton's method",
        wrt=("x",),
        sizes=(2, 4, 1_000, 100_000),
    ),
    Entry(
        "linear",
        origin="multilayer_perceptron, Model implementation: nn.Linear",
        wrt=("x", "W", "b"),
        sizes=(1, 100, 10_000, 100_000),
    ),
    Entry(
        "scaled_linear",
        origin="multilayer_perceptron, Model implementation: a layer of our own",
        wrt=("x", "W", "b"),
        sizes=(1, 100, 10_000, 100_000),
    ),
    Entry(
        "perceptron",
        origin="multilayer_perceptron, Reminder: perceptrons and linear models",
        wrt=("x", "w", "b"),
        sizes=(100, 10, 10_000, 100_000),
    ),
    Entry(
        "linear_bce",
        origin="torch_autograd, Automatic differentiation with torch.autograd",
        wrt=("x", "W", "b"),
        sizes=(5, 50, 500, 50_000),
    ),
    Entry(
        "logistic_regression",
        origin="multilayer_perceptron, Reminder: perceptrons and linear models",
        wrt=("w",),
        sizes=(1_000, 10, 100, 10_000),
    ),
    Entry(
        "circles_classifier",
        origin="multilayer_perceptron, Visualization of hand-crafted features vs. MLP",
        wrt=("W1", "b1", "W2", "b2"),
        sizes=(500, 10, 100, 100_000),
    ),
    Entry(
        "linear_regression",
        origin="hips_autograd, Linear regression",
        wrt=("w", "b"),
        sizes=(100, 10, 10_000, 1_000_000),
    ),
    Entry(
        "polynomial_regression",
        origin="hips_autograd, Linear regression with a feature mapping",
        wrt=("w",),
        sizes=(100, 10, 1_000, 10_000),
    ),
    Entry(
        "mlp_regression",
        origin="hips_autograd, Neural net regression",
        wrt=("theta",),
        sizes=(1_000, 10, 100, 100_000),
    ),
    Entry(
        "relu_regression",
        origin="hips_autograd, Neural net regression: nonlinearity = relu",
        wrt=("theta",),
        sizes=(1_000, 10, 100, 100_000),
    ),
    Entry(
        "two_layer_mlp",
        origin="multilayer_perceptron, Part 1: two-layer MLP from scratch",
        wrt=("W1", "b1", "W2", "b2"),
        sizes=(64, 8, 800, 8_000),
    ),
    Entry(
        "mlp_classifier",
        origin="multilayer_perceptron, Part 2: N-layer MLP",
        wrt=("W1", "b1", "W2", "b2", "W3", "b3", "W4", "b4", "W5", "b5"),
        sizes=(512, 4, 50, 5_000),
    ),
    Entry(
        "mlp_log_probabilities",
        origin="multilayer_perceptron, Part 2: N-layer MLP",
        wrt=("W1", "b1", "W2", "b2", "W3", "b3", "W4", "b4", "W5", "b5"),
        sizes=(1, 10, 100, 1_000),
    ),
    Entry(
        "relu_classifier",
        origin="multilayer_perceptron, Part 2: the network that is trained",
        wrt=("W1", "b1", "W2", "b2", "W3", "b3", "W4", "b4"),
        sizes=(512, 4, 50, 4_000),
    ),
    Entry(
        "elu_mlp",
        origin="optimization, Part 1: custom automatic differentiation",
        wrt=("x", "W1", "b1", "W2", "b2", "W3", "b3"),
        sizes=(10, 1, 100, 1_000),
    ),
    Entry(
        "donsker_varadhan",
        origin="training_the_neural_network, A practical implementation",
        wrt=("W1", "b1", "W2", "b2", "W3", "b3"),
        sizes=(1_000, 10, 100, 10_000),
    ),
    Entry(
        "batch_norm",
        origin="optimization, Drawbacks and mitigations",
        wrt=("x", "gamma", "beta"),
        sizes=(64, 8, 512, 8_192),
    ),
    Entry(
        "conv_encoder",
        origin="optimization, Example: time-series prediction",
        wrt=("x", "W1", "b1", "W2", "b2", "W3", "b3"),
        sizes=(8, 1, 100, 1_000),
    ),
    Entry(
        "least_squares",
        origin="optimization, Implementation: solve_ls",
        wrt=("A", "b"),
        sizes=(1_000, 30, 300, 3_000),
    ),
    Entry(
        "clipped_least_squares",
        origin="optimization, Implementation: solve_ls",
        wrt=("A", "b"),
        sizes=(1_000, 30, 300, 3_000),
    ),
    Entry(
        "ridge_argmin",
        origin="optimization, Part 2: differentiable optimization",
        wrt=("x", "y", "lam"),
        sizes=(8, 1, 100, 1_000),
        is_argmin=True,
    ),
    Entry(
        "ridge_intercept_argmin",
        origin="optimization, Part 2: several variable tensors",
        wrt=("x", "y", "lam"),
        sizes=(128, 16, 1_600, 16_000),
        is_argmin=True,
    ),
    Entry(
        "elastic_net_argmin",
        origin="optimization, Part 2: differentiable optimization",
        wrt=("l1", "l2"),
        sizes=(1_000, 10, 100, 10_000),
        is_argmin=True,
    ),
    Entry(
        "printed_elastic_net_argmin",
        origin="optimization, Part 2: differentiable optimization",
        wrt=("l1", "l2"),
        sizes=(1_000, 10, 100, 10_000),
        is_argmin=True,
    ),
    Entry(
        "logistic_argmin",
        origin="optimization, Part 2: differentiable optimization",
        wrt=("X", "lam"),
        sizes=(1_000, 10, 100, 10_000),
        is_argmin=True,
    ),
    Entry(
        "equality_qp_argmin",
        origin="optimization, Part 2: the constrained case",
        wrt=("Q", "c", "A", "b"),
        sizes=(20, 2, 100, 400),
        is_argmin=True,
    ),
    Entry(
        "root_argmin",
        origin="optimization, Part 2: the optimality condition as an equation",
        wrt=("W", "x"),
        sizes=(20, 2, 60, 200),
        is_argmin=True,
    ),
    Entry(
        "timeseries_net",
        origin="optimization, Example: time-series prediction",
        wrt=(
            "x",
            "lam",
            "enc_W1",
            "enc_b1",
            "enc_W2",
            "enc_b2",
            "enc_W3",
            "enc_b3",
            "dec_W1",
            "dec_b1",
            "dec_W2",
            "dec_b2",
            "dec_W3",
            "dec_b3",
        ),
        sizes=(8, 16, 32, 64),
        is_argmin=True,
    ),
)
