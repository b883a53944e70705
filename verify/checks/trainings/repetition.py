"""(c) Repetition: the first steps of a free run, done once more."""

from dataclasses import replace

import numpy as np

from reference_impls.descent import Trainer
from reference_impls.training import Record, Training, train
from verify.checks.trainings.check import TrainingCheck
from verify.checks.trainings.free_run import REPEATED, FreeRun


def repetition_check(
    training: Training, record: Record, trainer: Trainer, dtype: str, run: FreeRun
) -> TrainingCheck:
    """Does it do the same again, to the last bit? So many steps are done twice: `REPEATED`."""
    again = train(replace(training, steps=min(training.steps, REPEATED)), record, trainer, dtype)
    count = len(again.losses)
    before = run.course.losses[:count]
    apart = [k for k, pair in enumerate(zip(before, again.losses, strict=True)) if len({*pair}) > 1]
    end = run.course.parameters if count == len(run.course.losses) else run.repeated
    same_end = all(np.array_equal(end[name], array) for name, array in again.parameters.items())
    if same_end and not apart:
        return TrainingCheck(
            implementation=trainer.name, kind="repetition", verdict="agree", detail=f"{count} steps"
        )
    return TrainingCheck(
        implementation=trainer.name,
        kind="repetition",
        verdict="disagree",
        step=apart[0] if apart else count,
        detail="the same run, done twice, is not the same to the last bit",
        fault="not repeatable",
    )
