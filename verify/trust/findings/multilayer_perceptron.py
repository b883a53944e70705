"""The findings of the tutorial *multilayer perceptron* about networks, modules and losses."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch

from reference_impls.computation import Array, Arrays, Vjp
from reference_impls.computations import mlp_classifier, relu_classifier
from reference_impls.computations.two_layer_mlp import COMPUTATION as TWO_LAYERS
from reference_impls.computations.two_layer_mlp import by_hand as two_layers
from reference_impls.descent import Momentum
from reference_impls.engines.manual.training import ManualTrainer
from reference_impls.engines.pytorch.choice import from_torch
from reference_impls.training import Indices, Record, Training, train
from reference_impls.trainings import two_layer
from verify.trust.findings.finding import Demonstration, Finding, Observation, convicted
from verify.trust.planted import MakeVjp

TUTORIAL = "multilayer_perceptron"

Elementwise = Callable[[Array], Array]

ROWS, CLASSES = 512, 10
"""Of the tutorial's batches."""

TRAINED_ROWS, EPOCHS = 3_976, 10
"""Of the 5,000 digits; the others are kept aside. With 1,024 of them, as in its test set."""


def _two_layers_as_printed(**primals: Array) -> tuple[Array, Vjp]:
    """The mean square that is printed, with the gradient that is descended."""
    residual = _prediction(primals) - primals["y"]
    _, vjp = two_layers(**primals)
    return (residual * residual).sum() / residual.size, vjp


def _prediction(primals: Arrays) -> Array:
    hidden = np.maximum(primals["x"] @ primals["W1"].T + primals["b1"], 0)
    prediction: Array = hidden @ primals["W2"].T + primals["b2"]
    return prediction


def _start_of_the_run() -> Arrays:
    record = two_layer.record(0)
    return record.parameters | record.data


def _registered(attribute: Callable[[torch.Tensor], torch.Tensor]) -> Observation:
    module = torch.nn.Module()
    module.t = attribute(torch.ones(2))
    names = [name for name, _ in module.named_parameters()]
    return Observation(not names, f"the parameters are {names}")


def _gradient_asked_of(make: Callable[[], torch.nn.Parameter]) -> Observation:
    asked = make().requires_grad
    return Observation(asked, f"a parameter with requires_grad={asked}")


def _scores() -> Arrays:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(ROWS, CLASSES, generator=generator, dtype=torch.float64)
    return {"scores": scores.numpy()}


def _labels() -> torch.Tensor:
    return torch.arange(ROWS) % CLASSES


def _nll(reduction: str) -> MakeVjp:
    def loss(scores: torch.Tensor) -> torch.Tensor:
        log_probabilities = torch.log_softmax(scores, dim=1)
        return torch.nn.functional.nll_loss(log_probabilities, _labels(), reduction=reduction)

    return from_torch(loss)


def _mean_nll(scores: Array) -> Array:
    shifted = scores - np.real(scores).max(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return np.asarray(-log_probabilities[np.arange(ROWS), _labels().numpy()].sum() / ROWS)


def _sums_to_one(output: Callable[[Array], Array]) -> Observation:
    network = mlp_classifier.NETWORK
    primals = network.sample(np.random.default_rng(0), 4)
    inputs = {name: primals[name] for name in ("x", *network.parameters)}
    log_probabilities, _ = network.log_probabilities_by_hand(**inputs)
    total = float(output(log_probabilities)[0].sum())
    return Observation(abs(total - 1) > 1e-9, f"the outputs of a row add up to {total:.6g}")


def _samples_in(shape: tuple[int, int]) -> Observation:
    samples = len(torch.zeros(shape))
    return Observation(samples != 10, f"{samples} of {shape[1]} features")


def _nothing_to_learn(targets: Callable[[Array], Array]) -> Observation:
    """What inputs tell of targets that were not learnt from, and what training makes of them.

    Of targets that were learnt from, a fit explains a part even where they are noise.
    """
    record = two_layer.record(0)
    x = record.data["x"]
    y = targets(x)
    kept = record.data | {"y": y}
    course = train(two_layer.TRAINING, replace(record, data=kept), ManualTrainer())
    spread = _prediction(kept | course.parameters).std()
    share = 1 - float(np.mean((_least_squares_elsewhere(x, y) - y) ** 2) / np.var(y))
    return Observation(
        share < 0.01,
        f"of targets left out, a line explains {max(share, 0.0):.1%}; predictions of the trained "
        f"network spread by {spread:.4f}",
    )


def _least_squares_elsewhere(x: Array, y: Array) -> Array:
    """Each quarter, as predicted by the line through the other three."""
    X = np.column_stack([x, np.ones(len(x))])
    predicted = np.empty_like(y)
    for quarter in np.split(np.arange(len(x)), 4):
        others = np.setdiff1d(np.arange(len(x)), quarter)
        predicted[quarter] = X[quarter] @ np.linalg.lstsq(X[others], y[others])[0]
    return predicted


def _targets_of_the_run(_: Array) -> Array:
    return two_layer.record(0).data["y"]


def _sums(x: Array) -> Array:
    """Targets that have to do with the inputs."""
    sums: Array = x.sum(axis=1, keepdims=True)
    return sums


def _left_unsaid(reported: Sequence[str]) -> Observation:
    """What there is to say of the trained network, and is not said."""
    known = _measures_of_the_classifier()
    missing = [f"{name} {value:.3f}" for name, value in known.items() if name not in reported]
    return Observation(bool(missing), "not said: " + (", ".join(missing) or "nothing"))


def _measures_of_the_classifier() -> dict[str, float]:
    network = relu_classifier.NETWORK
    rng = np.random.default_rng(0)
    primals = network.sample(rng, 5_000)
    data = {name: primals[name] for name in ("x", "y")}
    batches: list[dict[str, Indices]] = []
    for _ in range(EPOCHS):
        order = rng.permutation(TRAINED_ROWS)
        batches += [
            {"x": rows, "y": rows} for rows in np.split(order, range(ROWS, order.size, ROWS))
        ]
    training = Training(
        name="classifier",
        origin="multilayer_perceptron, Training loop",
        loss=relu_classifier.COMPUTATION,
        rule=Momentum(rate=0.05, mass=0.9, decay=0.01),
        steps=len(batches),
        record=lambda _: record,
    )
    record = Record({name: primals[name] for name in network.parameters}, data, batches)
    course = train(training, record, ManualTrainer())
    found, _ = network.log_probabilities_by_hand(x=data["x"][TRAINED_ROWS:], **course.parameters)
    right = found.argmax(axis=1) == data["y"][TRAINED_ROWS:].argmax(axis=1)
    return {
        "training loss": float(np.mean(course.losses[-len(batches) // EPOCHS :])),
        "loss of new digits": float(-(data["y"][TRAINED_ROWS:] * found).sum() / right.size),
        "accuracy of new digits": float(right.mean()),
    }


PERCEPTRON_FINDINGS = (
    Finding(
        key="S5",
        tutorial=TUTORIAL,
        place="Part 1: two-layer MLP from scratch",
        kind="gradient",
        says="The loss that is plotted is the one whose gradient is descended.",
        right="It lacks the ½ and the decay of the weights.",
        matters="Who checks the gradient against the plotted loss finds it wrong.",
        proof=Demonstration[MakeVjp](
            published=_two_layers_as_printed,
            corrected=two_layers,
            observe=convicted(
                "oracle", "constant factor", at=_start_of_the_run, wrt=TWO_LAYERS.wrt
            ),
        ),
    ),
    Finding(
        key="D23",
        tutorial=TUTORIAL,
        place="Part 2: model implementation",
        kind="behaviour",
        says="A module registers every tensor that is set as a property.",
        right="Only an nn.Parameter is registered.",
        matters="A plain tensor is never trained, moved or saved.",
        proof=Demonstration(
            published=lambda tensor: tensor,
            corrected=torch.nn.Parameter,
            observe=_registered,
        ),
    ),
    Finding(
        key="D23b",
        tutorial=TUTORIAL,
        place="Part 2: model implementation",
        kind="behaviour",
        says="Weights come from a tensor with requires_grad=False.",
        right="nn.Parameter does not look at it: it has an argument of its own.",
        matters="Who means to freeze weights in this way trains them.",
        proof=Demonstration(
            published=lambda: torch.nn.Parameter(torch.ones(2, requires_grad=False)),
            corrected=lambda: torch.nn.Parameter(torch.ones(2), requires_grad=False),
            observe=_gradient_asked_of,
        ),
    ),
    Finding(
        key="D24",
        tutorial=TUTORIAL,
        place="Part 2: loss and optimizer",
        kind="value",
        says="NLLLoss is the sum over the samples.",
        right="It is their mean.",
        matters="A rate that suits the sum is 512 times too small for the mean.",
        proof=Demonstration(
            published=_nll("sum"),
            corrected=_nll("mean"),
            observe=convicted("value", at=_scores, forward=_mean_nll),
        ),
    ),
    Finding(
        key="D24b",
        tutorial=TUTORIAL,
        place="Part 2: loss and optimizer",
        kind="text",
        says="The model's outputs are probabilities.",
        right="They are their logarithms.",
        matters="NLLLoss of probabilities is a number without a meaning.",
        proof=Demonstration[Elementwise](
            published=lambda outputs: outputs, corrected=np.exp, observe=_sums_to_one
        ),
    ),
    Finding(
        key="D24c",
        tutorial=TUTORIAL,
        place="Part 2: model implementation",
        kind="text",
        says="The input of the layer has ten samples.",
        right="It has one, of three features.",
        matters="The printed output has one row where ten are announced.",
        proof=Demonstration(published=(1, 3), corrected=(10, 3), observe=_samples_in),
    ),
    Finding(
        key="D26",
        tutorial=TUTORIAL,
        place="Part 1: two-layer MLP from scratch",
        kind="text",
        says="After 250 steps the implementation works.",
        right="The targets are noise, and only their mean is learnt.",
        matters="A falling loss shows no more than that a bias moves.",
        proof=Demonstration(
            published=_targets_of_the_run, corrected=_sums, observe=_nothing_to_learn
        ),
    ),
    Finding(
        key="D28",
        tutorial=TUTORIAL,
        place="Part 2: training loop",
        kind="text",
        says="A test set is loaded, and the training loss alone is printed.",
        right="The test set is never used, and no accuracy is computed.",
        matters="Nothing tells how the network does on digits it has not seen.",
        proof=Demonstration(
            published=("training loss",),
            corrected=("training loss", "loss of new digits", "accuracy of new digits"),
            observe=_left_unsaid,
        ),
    ),
)
