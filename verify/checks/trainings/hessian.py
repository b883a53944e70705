"""The Hessians that Newton's method, and an exact search, ask for: right ones at every point."""

import numpy as np

from reference_impls.descent import Exact, Newton, Rule, SteepestDescent, Trainer
from reference_impls.engines.manual.training import ManualTrainer
from reference_impls.training import Losses, Record, Training
from verify.checks.check import Worst
from verify.checks.compare import make_worst
from verify.checks.trainings.by_hand import RunByHand
from verify.checks.trainings.check import TrainingCheck, of_worst
from verify.error_model.arrays import index_of, largest, unit_roundoff


def hessian_check(
    training: Training, record: Record, trainer: Trainer, dtype: str, by_hand: RunByHand
) -> TrainingCheck | None:
    """The entry of a Hessian that is furthest off, at the iterates of the run by hand.

    Half of the digits must agree: a Hessian's rounding noise is not measured, and wrong ones differ
    in the first.

    Returns:
        None for a rule that asks for no Hessian.
    """
    if not asks_for_hessians(training.rule):
        return None
    theirs, ours = (Losses(training, record, each, dtype) for each in (trainer, ManualTrainer()))
    found: list[tuple[int, Worst]] = []
    for step in by_hand.looked_at():
        theta = {name: np.array(array, dtype) for name, array in by_hand.thetas[step].items()}
        native = {name: trainer.native(array.copy()) for name, array in theta.items()}
        got = trainer.to_numpy(theirs.hessian(native))
        found.append((step, _worst(got, np.asarray(ours.hessian(theta)))))
    step, worst = max(found, key=lambda each: each[1].in_tolerances)
    return of_worst(trainer.name, "Hessian", worst, step, f"the worst of {len(found)} steps")


def asks_for_hessians(rule: Rule) -> bool:
    """Does a rule take second derivatives?"""
    return isinstance(rule, Newton) or (
        isinstance(rule, SteepestDescent) and isinstance(rule.search, Exact)
    )


def _worst(got: np.ndarray, expected: np.ndarray) -> Worst:
    if got.shape != expected.shape:
        return make_worst("shape", "", float(got.size), float(expected.size), (0.0, 1.0, 0.0))
    errors = np.abs(got - expected)
    flat, unit = int(np.argmax(errors)), unit_roundoff(expected.dtype)
    size = max(largest(expected), float(np.finfo(expected.dtype).tiny))
    ends = float(got.flat[flat]), float(expected.flat[flat])
    return make_worst("H", index_of(flat, got.shape), *ends, (unit, size, size / np.sqrt(unit)))
