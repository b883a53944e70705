"""Rules that search for their steps: what they ask for beside gradients, and where they stop.

How far they go is their library's choice, and so no update is held against another. But a Hessian
is what it is at every point, and whoever stops must have come as near a minimum as the run by hand.
"""

from collections.abc import Mapping

import numpy as np

from reference_impls.descent import Exact, Newton, SteepestDescent, Trainer
from reference_impls.engines.manual.training import ManualTrainer
from reference_impls.training import Losses, Record, Training, in_numpy
from verify.checks.check import Worst
from verify.checks.compare import make_worst
from verify.checks.trainings.check import TrainingCheck, of_worst
from verify.checks.trainings.path import Path
from verify.error_model.arrays import index_of, largest, unit_roundoff
from verify.error_model.noise import INSTABILITY


def hessian_check(
    training: Training, record: Record, trainer: Trainer, dtype: str, path: Path
) -> TrainingCheck | None:
    """The entry of a Hessian that is furthest off, at the iterates of the run by hand.

    Half of the digits must agree: a Hessian's rounding noise is not measured, and wrong ones differ
    in the first.

    Returns:
        None for a rule that asks for no Hessian.
    """
    if not _asks_for_hessians(training):
        return None
    theirs, by_hand = (Losses(training, record, each, dtype) for each in (trainer, ManualTrainer()))
    found: list[tuple[int, Worst]] = []
    for step in path.looked_at():
        theta = {name: np.array(array, dtype) for name, array in path.thetas[step].items()}
        native = {name: trainer.native(array.copy()) for name, array in theta.items()}
        got = trainer.to_numpy(theirs.hessian(native))
        found.append((step, _worst(got, np.asarray(by_hand.hessian(theta)))))
    step, worst = max(found, key=lambda each: each[1].in_tolerances)
    return of_worst(trainer.name, "Hessian", worst, step, f"the worst of {len(found)} steps")


def end_check(
    training: Training,
    record: Record,
    name: str,
    dtype: str,
    path: Path,
    end: Mapping[str, np.ndarray],
) -> TrainingCheck:
    """How large the gradient is at an end: no three digits more than where the run by hand ends.

    Args:
        training: whose rule searches.
        record: what it was given.
        name: of the implementation.
        dtype: of all arrays.
        path: the run by hand.
        end: the parameters where the implementation stopped.
    """
    sizes = [
        _size_of_gradient(training, record, dtype, each) for each in (end, path.course.parameters)
    ]
    allowed = INSTABILITY * max(sizes[1], getattr(training.rule, "tolerance", 0.0))
    start = _size_of_gradient(training, record, dtype, path.thetas[0])
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


def _asks_for_hessians(training: Training) -> bool:
    rule = training.rule
    return isinstance(rule, Newton) or (
        isinstance(rule, SteepestDescent) and isinstance(rule.search, Exact)
    )


def _size_of_gradient(
    training: Training, record: Record, dtype: str, theta: Mapping[str, np.ndarray]
) -> float:
    losses = Losses(training, record, ManualTrainer(), dtype)
    _, gradient = losses.at({name: np.array(array, dtype) for name, array in theta.items()}, 0)
    return max(map(largest, in_numpy(gradient, ManualTrainer()).values()))


def _worst(got: np.ndarray, expected: np.ndarray) -> Worst:
    if got.shape != expected.shape:
        return make_worst("shape", "", float(got.size), float(expected.size), (0.0, 1.0, 0.0))
    errors = np.abs(got - expected)
    flat, unit = int(np.argmax(errors)), unit_roundoff(expected.dtype)
    size = max(largest(expected), float(np.finfo(expected.dtype).tiny))
    ends = float(got.flat[flat]), float(expected.flat[flat])
    return make_worst("H", index_of(flat, got.shape), *ends, (unit, size, size / np.sqrt(unit)))
