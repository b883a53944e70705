"""Steps per second of trainings: `python -m bench.trainings [--csv PATH] [NAME]...`.

The implementations of a training take turns: each runs a part of it, from its start, with its own
library's optimizer. What is timed is that from the first step to the last, without drawing the
data and moving it into place.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from time import perf_counter

import click
import numpy as np

from bench import script
from bench.directory import new_directory
from bench.script import csv_option, repeats_option
from bench.turns import TURN_SECONDS, by_turns, median_ratio, spread
from reference_impls.descent import LBFGS, Trainer
from reference_impls.engines.manual.training import ManualTrainer
from reference_impls.engines.trainers import TRAINERS
from reference_impls.implicit.errors import SingularError
from reference_impls.running.threads import one_thread
from reference_impls.training import Course, DivergedError, Record, Training, train
from reference_impls.trainings import TRAINING_NAMES, load_training
from results.environment import utc_now, write_environment
from results.store import Appender
from results.tables import SPEEDS, Speed, Status

BESIDE = ManualTrainer.name
"""The implementation by whose speed those of the others are divided."""

TRIED = 20
"""Steps of the run that finds out how many last as long as a turn."""

COMPARED = 3
"""The losses of so many steps must be those by hand; later ones may magnify rounding."""


@dataclass
class Clock:
    """Watches a run.

    Attributes:
        times: when each step was seen, its loss and gradient known.
    """

    times: list[float] = field(default_factory=list)

    def __call__(self, *_: object) -> None:
        """See a step."""
        self.times.append(perf_counter())

    @property
    def steps(self) -> int:
        """How many were timed: the first only starts the clock."""
        return len(self.times) - 1

    @property
    def seconds(self) -> float:
        """What they took."""
        return self.times[-1] - self.times[0]


@dataclass
class SpeedTrial:
    """One implementation of a training, and what came of it so far.

    Attributes:
        training: what it runs.
        record: what it is given.
        trainer: whose gradients and optimizer.
        dtype: of all arrays.
        losses: of the first steps.
        steps: of one run that were timed.
        times: of a step, in seconds, by rounds; none if it is not timed.
        status: is it timed.
        reason: why it is not; empty if it is.
    """

    training: Training
    record: Record
    trainer: Trainer
    dtype: str
    losses: list[float] = field(default_factory=list)
    steps: int = 0
    times: list[float] = field(default_factory=list)
    status: Status = "ok"
    reason: str = ""

    def prepare(self) -> None:
        """Run it once, and find out how many steps last as long as a turn."""
        try:
            course, clock = self._run(min(self.training.steps, TRIED))
        except (DivergedError, SingularError) as error:
            self.stop("failed", str(error))
            return
        # torch has an L-BFGS of its own, whose first step is another: they share the start alone.
        compared = 1 if isinstance(self.training.rule, LBFGS) else COMPARED
        self.losses, self.steps = course.losses[:compared], clock.steps
        if clock.steps == 0:
            self.stop("skipped", "it has one step, and steps are timed from the first one on")
        elif self.training.steps > TRIED:
            wanted = round(TURN_SECONDS * clock.steps / clock.seconds)
            self.steps = min(self.training.steps - 1, max(wanted, TRIED))

    def hold_against(self, other: "SpeedTrial") -> None:
        """Time it only if its first losses are those of another one."""
        if other.status == "failed" and self.status == "ok":
            self.stop("skipped", "the run by hand failed, which it would be held against")
        elif self.status == other.status == "ok":
            tolerance = float(np.sqrt(np.finfo(self.dtype).eps))
            # Absolute, too: a loss that is a difference of two numbers can be close to 0.
            if not np.allclose(self.losses, other.losses, rtol=tolerance, atol=tolerance):
                self.stop("failed", f"wrong losses: got {self.losses}, expected {other.losses}")

    def stop(self, status: Status, reason: str) -> None:
        """Do not time it."""
        self.status, self.reason = status, reason

    def turn(self) -> float:
        """Run its steps, several times if they are few, and return the seconds of one."""
        seconds, steps = 0.0, 0
        while seconds < TURN_SECONDS / 2:
            _, clock = self._run(self.steps + 1)
            seconds, steps = seconds + clock.seconds, steps + clock.steps
            self.steps = clock.steps
        return seconds / steps

    def row(self, beside: Sequence[float]) -> Speed:
        """Its row in `speeds.csv`.

        Args:
            beside: the times of a step by hand, by rounds.
        """
        per_second = [1 / each for each in self.times]
        return Speed(
            measured_at=utc_now(),
            run=self.training.name,
            dtype=self.dtype,
            implementation=self.trainer.name,
            status=self.status,
            reason=self.reason,
            steps=self.steps if self.times else None,
            rounds=len(self.times) or None,
            steps_per_second=median(per_second) if per_second else None,
            spread=spread(per_second),
            over_manual=median_ratio(beside, self.times),
        )

    def _run(self, steps: int) -> tuple[Course, Clock]:
        clock = Clock()
        part = replace(self.training, steps=steps, kept=())
        return train(part, self.record, self.trainer, self.dtype, clock), clock


def speeds(training: Training, record: Record, dtype: str, repeats: int) -> list[Speed]:
    """Time all implementations of a training by turns; a row for each, whatever comes of it.

    Args:
        training: what is run.
        record: what they are given.
        dtype: of all arrays.
        repeats: how many rounds.
    """
    trials = {each.name: SpeedTrial(training, record, each, dtype) for each in TRAINERS}
    by_hand = trials[BESIDE]
    for trial in trials.values():
        trial.prepare()
    for trial in trials.values():
        trial.hold_against(by_hand)
    timed = {name: trial.turn for name, trial in trials.items() if trial.status == "ok"}
    for name, times in by_turns(timed, repeats).items():
        trials[name].times = times
    return [trial.row(by_hand.times) for trial in trials.values()]


@click.command
@click.argument("names", nargs=-1, type=click.Choice(TRAINING_NAMES), metavar="[NAME]...")
@csv_option(SPEEDS)
@repeats_option("each implementation of a training")
def main(names: tuple[str, ...], path: Path | None, repeats: int) -> None:
    """Time the steps of trainings; of all, if none is named."""
    path = path or new_directory() / SPEEDS.file_name
    with one_thread(), Appender(path, SPEEDS) as appender:
        if path.is_file():
            write_environment(path.parent)
        for name in names or TRAINING_NAMES:
            training = load_training(name)
            record = training.record(training.seeds[0])
            for dtype in training.dtypes:
                for row in speeds(training, record, dtype, repeats):
                    appender.append(row)
                click.echo(f"{name} {dtype}", err=True)
    click.echo(f"rows: {path}")


def run(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; a mistake in it is answered in one line.

    Returns:
        The exit status.
    """
    return script.run(main, arguments, name="bench.trainings", interrupted="its rows so far stand")


if __name__ == "__main__":
    sys.exit(run())
