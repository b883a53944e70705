"""The end of a rule that stops by itself: it must be as near a minimum as that of the run by hand.

How far such a rule goes in a step is its library's choice, and so no update is held against
another.
"""

from collections.abc import Mapping

import numpy as np

from reference_impls.engines.manual.training import ManualTrainer
from reference_impls.training import Losses, Record, Training, in_numpy
from verify.checks.trainings.by_hand import RunByHand
from verify.checks.trainings.check import TrainingCheck
from verify.error_model.arrays import largest
from verify.error_model.noise import INSTABILITY


def end_check(
    training: Training,
    record: Record,
    name: str,
    dtype: str,
    by_hand: RunByHand,
    end: Mapping[str, np.ndarray],
) -> TrainingCheck:
    """How large the gradient is at an end: no three digits more than where the run by hand ends.

    Args:
        training: whose rule searches.
        record: what it was given.
        name: of the implementation.
        dtype: of all arrays.
        by_hand: the run by hand.
        end: the parameters where the implementation stopped.
    """
    sizes = [
        _size_of_gradient(training, record, dtype, each)
        for each in (end, by_hand.course.parameters)
    ]
    allowed = INSTABILITY * max(sizes[1], getattr(training.rule, "tolerance", 0.0))
    start = _size_of_gradient(training, record, dtype, by_hand.thetas[0])
    is_near = sizes[0] <= min(allowed, start)
    return TrainingCheck(
        implementation=name,
        kind="end",
        verdict="agree" if is_near else "disagree",
        quantity="largest entry of the gradient",
        got=sizes[0],
        expected=sizes[1],
        tolerance=min(allowed, start),
        detail="" if is_near else "it stops where there is further to go",
    )


def _size_of_gradient(
    training: Training, record: Record, dtype: str, theta: Mapping[str, np.ndarray]
) -> float:
    losses = Losses(training, record, ManualTrainer(), dtype)
    _, gradient = losses.at({name: np.array(array, dtype) for name, array in theta.items()}, 0)
    return max(map(largest, in_numpy(gradient, ManualTrainer()).values()))
