"""Trainings with a fault: what teacher forcing must convict, and name.

Each is one of the project's trainings, and a trainer, or a record, with one mistake in it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
import torch
from autograd.misc import optimizers

from reference_impls import BACKENDS, DTYPES
from reference_impls.computation import Native
from reference_impls.descent import BETA1, BETA2, Adam, Momentum, Natives, Objective, Rule, Trainer
from reference_impls.engines.hips.training import AutogradTrainer
from reference_impls.engines.manual.training import ManualTrainer, advance, begin
from reference_impls.engines.pytorch.training import TorchTrainer
from reference_impls.function import implementations
from reference_impls.training import Record, Training
from reference_impls.trainings import divergence, network
from results.environment import utc_now
from results.tables import OURS, Kill
from verify.checks.trainings.by_hand import RunByHand
from verify.checks.trainings.check import TrainingCheck
from verify.checks.trainings.forcing import Forced

STEPS = 30


class ScaledGradient(AutogradTrainer):
    """autograd's step_size is taken for the rate: its sgd scales the gradient by 1 - mass."""

    def descend(
        self, rule: Rule, parameters: Mapping[str, Native], objective: Objective, steps: int
    ) -> Natives:
        """See `Trainer.descend`."""
        if not isinstance(rule, Momentum):
            return super().descend(rule, parameters, objective, steps)
        found: Natives = optimizers.sgd(
            objective.gradient, dict(parameters), None, steps, rule.rate, rule.mass
        )
        return found


class BiasesDoNotDecay(TorchTrainer):
    """A group of parameters of its own for biases, without decay: common advice, another rule."""

    def descend(
        self, rule: Rule, parameters: Mapping[str, Native], objective: Objective, steps: int
    ) -> Natives:
        """See `Trainer.descend`."""
        if not isinstance(rule, Adam):
            return super().descend(rule, parameters, objective, steps)
        theta = {name: tensor.clone() for name, tensor in parameters.items()}
        matrices = [each for each in theta.values() if each.ndim > 1]
        biases = [each for each in theta.values() if each.ndim <= 1]
        groups: list[dict[str, Any]] = [
            {"params": matrices},
            {"params": biases, "weight_decay": 0.0},
        ]
        optimizer = torch.optim.Adam(
            groups,
            lr=rule.rate,
            betas=(BETA1, BETA2),
            weight_decay=rule.decay,
        )
        for step in range(steps):
            for name, found in objective.gradient(theta, step).items():
                theta[name].grad = found
            optimizer.step()
        return theta


class EpsilonInside(ManualTrainer):
    """Adam's epsilon under the root, where it counts for as much as a square."""

    def descend(
        self, rule: Rule, parameters: Mapping[str, Native], objective: Objective, steps: int
    ) -> Natives:
        """See `Trainer.descend`."""
        if not isinstance(rule, Adam):
            return super().descend(rule, parameters, objective, steps)
        state = begin(rule, parameters)
        for step in range(steps):
            after = advance(rule, state, objective.gradient(state.theta, step))
            first, second = after.memory
            theta = {
                name: array
                - rule.rate
                * (first[name] / (1 - BETA1**after.step))
                / np.sqrt(second[name] / (1 - BETA2**after.step) + rule.epsilon)
                for name, array in state.theta.items()
            }
            state = replace(after, theta=theta)
        return state.theta


@dataclass(frozen=True)
class PlantedTraining:
    """A training with a fault.

    Attributes:
        name: of the fault.
        wanted: what teacher forcing should call it.
        training: which.
        trainer: who runs it.
        swapped: the two batches that the trainer takes in the wrong order; empty for none.
    """

    name: str
    wanted: str
    training: Training
    trainer: Trainer
    swapped: tuple[int, ...] = ()

    def checks(self, seed: int, dtype: str) -> list[TrainingCheck]:
        """What teacher forcing makes of it."""
        record = self.training.record(seed)
        by_hand = RunByHand.of(self.training, record, dtype)
        backends = [each for each in BACKENDS if each.device == "cpu"]
        functions = implementations(self.training.loss, backends)
        forced = Forced(self.training, record, dtype, by_hand, functions)
        gradient = forced.gradient_check(self.trainer, self._given(record))
        update = forced.update_check(self.trainer)
        return [gradient, update] if update else [gradient]

    def _given(self, record: Record) -> Record:
        batches = list(record.batches)
        for place, other in zip(self.swapped, reversed(self.swapped), strict=True):
            batches[place] = record.batches[other]
        return replace(record, batches=batches)


SHORT_NETWORK = replace(network.TRAINING, steps=STEPS)
SHORT_DIVERGENCE = replace(divergence.TRAINING, steps=STEPS)
DECAYING = replace(SHORT_DIVERGENCE, rule=Adam(rate=1e-3, decay=0.01))

PLANTED_TRAININGS = (
    PlantedTraining(
        "training: momentum's convention",
        "gradient scaled by 1 - mass",
        SHORT_NETWORK,
        ScaledGradient(),
    ),
    PlantedTraining(
        "training: decay left off biases", "decay left off biases", DECAYING, BiasesDoNotDecay()
    ),
    PlantedTraining(
        "training: Adam's epsilon", "epsilon inside the root", SHORT_DIVERGENCE, EpsilonInside()
    ),
    PlantedTraining(
        "training: a batch out of order",
        "the batch of step 8 in place of its own",
        SHORT_DIVERGENCE,
        TorchTrainer(),
        swapped=(7, 8),
    ),
)
"""The trainings that are run with a mistake in them."""


def planted_training_rows(
    trainings: Iterable[PlantedTraining], seed: int, largest: int | None = None
) -> Iterator[Kill]:
    """Asks teacher forcing about every planted training, in both dtypes; a row for each.

    Args:
        trainings: to ask about.
        seed: of their records.
        largest: the most parameters; None for any number.
    """
    for planted in trainings:
        entries = sum(a.size for a in planted.training.record(seed).parameters.values())
        if largest is not None and entries > largest:
            continue
        for dtype in DTYPES:
            start = perf_counter()
            wrong = [each for each in planted.checks(seed, dtype) if each.verdict == "disagree"]
            yield Kill(
                measured_at=utc_now(),
                fault=planted.name,
                correct=False,
                size=planted.training.steps,
                entries=entries,
                dtype=dtype,
                seed=seed,
                checker=OURS,
                outcome="caught" if wrong else "missed",
                verdict="disagree" if wrong else "agree",
                wanted=planted.wanted,
                diagnosis=(wrong[0].fault or None) if wrong else None,
                time_s=perf_counter() - start,
                detail=wrong[0].detail if wrong else "",
            )
