"""One training at one seed and dtype, run and written down as it comes."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter
from typing import TypeVar

from reference_impls import BACKENDS
from reference_impls.engines.manual.training import ManualTrainer
from reference_impls.engines.trainers import TRAINERS
from reference_impls.function import implementations
from reference_impls.running.threads import one_thread
from reference_impls.trainings import load_training
from results.environment import utc_now
from results.errors import ResultsError
from results.store import Appender
from results.tables import (
    CURVES,
    TRAINING_CHECKS,
    TRAININGS,
    CurvePoint,
    Row,
    Table,
    TrainingStep,
    TrainingVerdict,
)
from verify.checks.trainings.check import TrainingCheck
from verify.checks.trainings.judge import Drawn, Event, Seen, judge
from verify.command.training_lines import RunKey, is_left_out, is_refusal, is_wrong

R = TypeVar("R", bound=Row)


def run_and_write(key: RunKey, path: Path | None) -> list[TrainingVerdict]:
    """Run a training, append what comes of it to its files, and return the checks.

    Args:
        key: which training, seed and dtype.
        path: of the steps; the other files lie beside it. None, or a device, for none.

    Raises:
        results.errors.ResultsError: somebody removed the file, or it cannot be written.
    """
    if path and not path.exists():
        raise ResultsError(f"cannot write {path}: it was removed after it was opened")
    training = load_training(key.name)
    functions = implementations(
        training.loss, [backend for backend in BACKENDS if backend.device == "cpu"]
    )
    start = perf_counter()
    with ExitStack() as files, one_thread():
        writer = _Writer(key, files, path if path and path.is_file() else None)
        judge(training, key.seed, key.dtype, TRAINERS, functions, writer.told)
        wrong = any(map(is_wrong, writer.checks))
        # It may be done again: with the file that numbers need, or by an implementation that can.
        left_out = any(is_left_out(row) or is_refusal(row) for row in writer.checks)
        writer.told(
            TrainingCheck(
                implementation=ManualTrainer.name,
                kind="finished",
                verdict="disagree" if wrong else "skipped" if left_out else "agree",
                quantity="seconds",
                got=perf_counter() - start,
            )
        )
    return writer.checks


class _Writer:
    """Writes the events of a run into its files, and keeps its checks."""

    def __init__(self, key: RunKey, files: ExitStack, path: Path | None) -> None:
        def opened(table: Table[R]) -> Callable[[list[R]], None]:
            if path is None:
                return lambda _: None
            beside = path if table is TRAININGS else path.with_name(table.file_name)
            return files.enter_context(Appender(beside, table)).append_all

        self.checks: list[TrainingVerdict] = []
        self._key = key
        self._steps, self._checks = opened(TRAININGS), opened(TRAINING_CHECKS)
        self._curves = opened(CURVES)

    def told(self, event: Event) -> None:
        match event:
            case Seen():
                self._steps([self._step_row(event)])
            case Drawn():
                self._curves(self._curve_rows(event))
            case TrainingCheck():
                self.checks.append(self._check_row(event))
                self._checks(self.checks[-1:])

    def _step_row(self, seen: Seen) -> TrainingStep:
        key = self._key
        return TrainingStep(run=key.name, seed=key.seed, dtype=key.dtype, **vars(seen))

    def _check_row(self, check: TrainingCheck) -> TrainingVerdict:
        key = self._key
        return TrainingVerdict(
            measured_at=utc_now(),
            run=key.name,
            seed=key.seed,
            dtype=key.dtype,
            implementation=check.implementation,
            check=check.kind,
            verdict=check.verdict,
            quantity=check.quantity or None,
            step=check.step,
            got=check.got,
            expected=check.expected,
            tolerance=check.tolerance,
            printed=check.printed,
            fault=check.fault or None,
            detail=check.detail,
        )

    def _curve_rows(self, drawn: Drawn) -> list[CurvePoint]:
        curve = drawn.curve
        values = [None] * curve.x.size if curve.value is None else curve.value.ravel().tolist()
        points = zip(curve.x.ravel().tolist(), curve.y.ravel().tolist(), values, strict=True)
        return [
            CurvePoint(
                run=self._key.name,
                seed=self._key.seed,
                implementation=drawn.implementation,
                series=curve.series,
                x=x,
                y=y,
                value=value,
            )
            for x, y, value in points
        ]
