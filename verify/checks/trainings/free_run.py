"""(b) A free run: an implementation runs on its own, beside the twins.

Whoever leaves the twins' envelope has parted. That is reported and convicts nobody: a chaotic run
parts by the last digit of a sum, and which of two sums is right cannot be told from where they led.
But a run is not chaotic while five twins stay together to the ninth digit. Who is then further away
by four digits more has done something else.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np

from reference_impls.computation import Array, Arrays
from reference_impls.descent import Rated, Rule, Trainer
from reference_impls.training import Course, Record, Step, Training, in_numpy, train
from verify.checks.trainings.by_hand import RunByHand, distances
from verify.checks.trainings.check import TrainingCheck
from verify.error_model.arrays import unit_roundoff
from verify.error_model.noise import SAFETY, Noise

PARTED = 1e-9
"""Two runs whose losses differ by so much, relatively, are told apart in every table."""

TIGHT, FAR = 1e-9, 1e4
"""An envelope is tight below the one, and is left for good by so many times its width.

Right implementations were seen within it, or just outside. In float32 none is tight.
"""

REPEATED = 50
"""Whatever does not repeat itself, such as a sum over threads, shows in the first steps."""


@dataclass
class FreeRun:
    """What an implementation did on its own.

    Attributes:
        course: its losses and where they led.
        repeated: the parameters before step `REPEATED`, if it came so far.
    """

    course: Course = field(default_factory=Course)
    repeated: Arrays = field(default_factory=dict)


Told = Callable[[Step, float], None]
"""``told(step, seconds)``, before each step: the seconds are those since the start."""


def run_freely(
    training: Training, record: Record, trainer: Trainer, dtype: str, told: Told
) -> FreeRun:
    """Run a training, and tell of every step as it comes.

    Raises:
        DivergedError: the loss became infinite or NaN.
    """
    run = FreeRun()
    start, watching = perf_counter(), 0.0

    def watch(step: Step) -> None:
        nonlocal watching
        seen = perf_counter()
        if step.number == REPEATED:
            run.repeated = in_numpy(step.parameters, trainer)
        told(step, seen - start - watching)
        watching += perf_counter() - seen

    run.course = train(training, record, trainer, dtype, watch)
    return run


def parting_check(
    name: str,
    rule: Rule,
    run: FreeRun,
    by_hand: RunByHand,
    envelope: Array,
    noise: Noise,
    dtype: str,
) -> TrainingCheck:
    """Did it stay as near the run by hand as the twins did?

    Args:
        name: of the implementation.
        rule: of descent; one that searches may take fewer steps, or more.
        run: its own.
        by_hand: the run by hand.
        envelope: of the twins.
        noise: at the first step: a loss may differ by its rounding, however near the parameters.
        dtype: of all arrays.
    """
    apart = distances(by_hand.course.losses, run.course.losses)
    sizes = np.abs(by_hand.course.losses[: len(apart)])
    rounding = 1 + noise.functional / np.where(sizes == 0, np.inf, sizes)
    allowed = envelope[: len(apart)] + SAFETY * unit_roundoff(np.dtype(dtype)) * rounding
    outside = np.flatnonzero(apart > allowed)
    steps = len(run.course.losses), len(by_hand.course.losses)
    if steps[0] != steps[1] and isinstance(rule, Rated):
        return TrainingCheck(
            implementation=name,
            kind="free run",
            verdict="disagree",
            detail=f"it has {steps[0]:,} steps, the run by hand {steps[1]:,}",
        )
    furthest = f"losses differ by {apart.max():.1e} at most, twins by {envelope.max():.1e}"
    detail = "; ".join(filter(None, (furthest, _onset(apart))))
    if not outside.size:
        return TrainingCheck(implementation=name, kind="free run", verdict="agree", detail=detail)
    # A search may decide otherwise by a rounding, and then goes another way at once.
    far = np.flatnonzero((allowed < TIGHT) & (apart > FAR * allowed) & isinstance(rule, Rated))
    step = int([*far, *outside][0])
    return TrainingCheck(
        implementation=name,
        kind="free run",
        verdict="disagree" if far.size else "parted",
        quantity="distance of the losses",
        step=step,
        got=float(apart[step]),
        expected=0.0,
        tolerance=float(allowed[step]),
        detail=detail,
        fault="left a tight envelope" if far.size else "",
    )


def _onset(apart: Array) -> str:
    """From which step on the losses can be told apart, and how fast that came about."""
    later = np.flatnonzero(apart > PARTED)
    if not later.size:
        return ""
    step = int(later[0])
    before = apart[: step + 1]
    first = int(np.flatnonzero(before)[0])
    growth = math.log2(before[step] / before[first])
    rate = f", doubling every {(step - first) / growth:.0f} steps" if step > first else ""
    return f"above {PARTED:g} from step {step} on{rate}"
