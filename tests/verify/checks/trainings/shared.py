"""A short training, and everything that is told of one."""

from dataclasses import replace

from reference_impls import BACKENDS
from reference_impls.descent import Trainer
from reference_impls.engines.trainers import TRAINERS
from reference_impls.function import implementations
from reference_impls.training import Training
from reference_impls.trainings import line, load_training
from verify.checks.trainings.check import TrainingCheck
from verify.checks.trainings.judge import Event, judge

SHORT = replace(line.TRAINING, steps=40, expected=())


def events_of(
    training: Training, dtype: str = "float64", trainers: tuple[Trainer, ...] = TRAINERS
) -> list[Event]:
    """All that is told of a training, by default with every trainer."""
    backends = [each for each in BACKENDS if each.device == "cpu"]
    found: list[Event] = []
    judge(training, 0, dtype, trainers, implementations(training.loss, backends), found.append)
    return found


def checks_of(
    training: Training, dtype: str = "float64", trainers: tuple[Trainer, ...] = TRAINERS
) -> list[TrainingCheck]:
    """The checks alone."""
    return [
        each for each in events_of(training, dtype, trainers) if isinstance(each, TrainingCheck)
    ]


def kinds_of(name: str, dtype: str, trainer: Trainer) -> dict[str, TrainingCheck]:
    """The checks of one trainer, by kind."""
    found: list[Event] = []
    judge(load_training(name), 5, dtype, (trainer,), (), found.append)
    return {each.kind: each for each in found if isinstance(each, TrainingCheck)}
