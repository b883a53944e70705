"""The findings of the tutorial *training the neural network* about descent, and its network."""

from collections.abc import Callable
from itertools import count
from math import exp, log

import torch

from reference_impls.computations.donsker_varadhan import COMPUTATION
from verify.trust.findings.finding import Demonstration, Finding, Observation

TUTORIAL = "training_the_neural_network"

BATCHES = 10

WEIGHTS = (0.0, 3.0, 6.89, 6.907, 6.908, 6.92, 10.0)
"""On both sides of log 1000, near and far."""


def _loss_below(is_enough: Callable[[float], bool]) -> Observation:
    """Is e^{-w} below 0.001 where w is said to be enough, and nowhere else?"""
    wrong = [w for w in WEIGHTS if is_enough(w) != (exp(-w) < 1e-3)]
    if not wrong:
        between = f"{min(WEIGHTS):g} to {max(WEIGHTS):g}"
        return Observation(is_wrong=False, evidence=f"so it is, and not else, for w of {between}")
    said = "enough" if is_enough(wrong[0]) else "not enough"
    return Observation(
        is_wrong=True,
        evidence=f"w = {wrong[0]:g} is said to be {said}, and the loss is {exp(-wrong[0]):.6f}",
    )


def _steps_needed(claimed: int) -> Observation:
    """To get there from w = 0 by steps of 0.001."""
    w = 0.0
    needed = next(step for step in count() if (w := w + 1e-3 * exp(-w)) > log(1e3)) + 1
    return Observation(claimed < needed, f"{claimed:,} steps, where {needed:,} are needed")


def _changed_by_a_step(prepare: Callable[[torch.Tensor], object]) -> Observation:
    weights = torch.nn.Parameter(torch.ones(100))
    optimizer = torch.optim.Adam([weights], lr=1e-3)
    prepare(weights)
    optimizer.step()
    moved = int((weights != 1).sum())
    return Observation(moved == 0, f"{moved} of {weights.numel()} weights change")


def _with_gradients(weights: torch.Tensor) -> None:
    weights.square().sum().backward()  # type: ignore[no-untyped-call]


def _without_gradients(_: torch.Tensor) -> None:
    """What the tutorial does before its step: nothing."""


def _variance_of_weights(deviation: float) -> Observation:
    generator = torch.Generator().manual_seed(0)
    weights = torch.empty(100_000, dtype=torch.float64).normal_(std=deviation, generator=generator)
    variance = float(weights.var())
    return Observation(not 0.019 < variance < 0.021, f"the variance of weights is {variance:.2g}")


def _hidden_layers(claimed: int) -> Observation:
    hidden = len([name for name in COMPUTATION.wrt if name.startswith("W")]) - 1
    return Observation(claimed != hidden, f"{claimed} where there are {hidden}")


def _batch_of(size: Callable[[int, int], int]) -> Observation:
    taken = size(1_009, BATCHES)
    return Observation(taken != 101, f"1,009 points in ten: batches of {taken}")


TRAINING_FINDINGS = (
    Finding(
        key="D2",
        tutorial=TUTORIAL,
        place="A simple implementation, exercise",
        kind="text",
        says="For a loss below 0.001, w must be smaller than 6.9.",
        right="It must be larger than log 1000 = 6.9078.",
        matters="The loss falls as w grows: the answer has the inequality the wrong way.",
        proof=Demonstration[Callable[[float], bool]](
            published=lambda w: w < 6.9, corrected=lambda w: w > log(1e3), observe=_loss_below
        ),
    ),
    Finding(
        key="D2b",
        tutorial=TUTORIAL,
        place="A simple implementation, exercise",
        kind="text",
        says="Running the cell of 1,000 steps repeatedly gets there.",
        right="It takes 998,997 steps: the cell must be run 999 times.",
        matters="w grows like the logarithm of the steps; ten runs reach a loss of 0.09.",
        proof=Demonstration(published=10_000, corrected=998_997, observe=_steps_needed),
    ),
    Finding(
        key="D4",
        tutorial=TUTORIAL,
        place="A practical implementation, Adam",
        kind="behaviour",
        says="A new network, a new optimizer, and one step of descent.",
        right="No gradient has been computed, so that the step does nothing.",
        matters="It looks like a step, and neither raises nor warns.",
        proof=Demonstration(
            published=_without_gradients, corrected=_with_gradients, observe=_changed_by_a_step
        ),
    ),
    Finding(
        key="D6",
        tutorial=TUTORIAL,
        place="A practical implementation, exercise",
        kind="text",
        says="Weights are drawn with a variance of 0.02.",
        right="It is the standard deviation; the variance is 0.0004.",
        matters="Whoever draws them as the text says has weights seven times as large.",
        proof=Demonstration(published=0.02, corrected=0.02**0.5, observe=_variance_of_weights),
    ),
    Finding(
        key="D6b",
        tutorial=TUTORIAL,
        place="A practical implementation, the network",
        kind="text",
        says="The network has three hidden layers.",
        right="It has two, and an output layer.",
        matters="The figure beside it shows another network than the code.",
        proof=Demonstration(published=3, corrected=2, observe=_hidden_layers),
    ),
    Finding(
        key="D6c",
        tutorial=TUTORIAL,
        place="A practical implementation, batch_size",
        kind="value",
        says="Half is added before the division, to round the size of a batch.",
        right="It would have to be added after it; and the size is never used.",
        matters="int((n + ½)/k) rounds down, except by accident.",
        proof=Demonstration(
            published=lambda n, k: int((n + 0.5) / k),
            corrected=lambda n, k: int(n / k + 0.5),
            observe=_batch_of,
        ),
    ),
)
