"""The benchmark of trainings: on parts of them, with few rounds."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench import trainings
from bench.trainings import Clock, SpeedTrial, speeds
from reference_impls import Computation
from reference_impls.computation import Native
from reference_impls.descent import Momentum, Natives
from reference_impls.engines.manual.training import ManualTrainer
from reference_impls.engines.trainers import TRAINERS
from reference_impls.trainings.line import TRAINING as LINE
from results.store import read
from results.tables import SPEEDS

ROOT = Path(__file__).parents[2]
NAMES = [trainer.name for trainer in TRAINERS]


class Wrong(ManualTrainer):
    """Forgets a factor of two."""

    name = "wrong"

    def loss_and_gradient(
        self, loss: Computation, primals: Mapping[str, Native]
    ) -> tuple[Native, Natives]:
        value, gradient = super().loss_and_gradient(loss, primals)
        return value, {name: 2 * array for name, array in gradient.items()}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have turns end as soon as something was timed."""
    monkeypatch.setattr(trainings, "TURN_SECONDS", 1e-6)


ASKED_FOR = ("line", "two_layer", "classifier", "ravine_newton", "rosenbrock_lbfgs")
"""One of each kind: of one step, of many, in batches, by a rule of the library's own."""


def test_every_training_has_a_row_of_each_implementation_in_both_dtypes(tmp_path: Path) -> None:
    path = tmp_path / "speeds.csv"
    assert trainings.run([*ASKED_FOR, "--csv", str(path), "--repeats", "1"]) == 0
    rows = read(path, SPEEDS).rows
    assert [(row.run, row.dtype, row.implementation) for row in rows] == [
        (run, dtype, name)
        for run in ASKED_FOR
        for dtype in ("float64", "float32")
        for name in NAMES
    ]
    assert {row.reason for row in rows if row.status == "ok"} == {""}
    assert {row.reason for row in rows if row.status == "failed"} == set()
    assert (tmp_path / "environment.json").exists()


def test_a_speed_is_divided_by_that_by_hand() -> None:
    rows = speeds(LINE, LINE.record(0), "float64", repeats=1)
    *_, by_hand = rows
    assert by_hand.implementation == "manual"
    assert by_hand.over_manual == 1.0
    for row in rows:
        assert row.over_manual == pytest.approx(
            (row.steps_per_second or 0) / (by_hand.steps_per_second or 1)
        )


def test_the_first_step_starts_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([10.0, 10.5, 12.0])
    monkeypatch.setattr("bench.trainings.perf_counter", lambda: next(seconds))
    clock = Clock()
    for _ in range(3):
        clock()
    assert (clock.steps, clock.seconds) == (2, 2.0)


def test_what_computes_something_else_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainings, "TRAINERS", (Wrong(), ManualTrainer()))
    wrong, right = speeds(LINE, LINE.record(0), "float64", repeats=1)
    assert (wrong.status, right.status) == ("failed", "ok")
    assert wrong.reason.startswith("wrong losses: got [410.06")
    assert wrong.steps is wrong.steps_per_second is wrong.over_manual is None


def test_a_run_that_diverges_says_so() -> None:
    steep = replace(LINE, rule=Momentum(rate=1e200))
    with np.errstate(all="ignore"):
        rows = speeds(steep, LINE.record(0), "float64", repeats=1)
    assert {row.status for row in rows} == {"failed"}
    assert all("the loss is" in row.reason for row in rows)


def test_a_run_of_one_step_is_skipped() -> None:
    rows = speeds(replace(LINE, steps=1), LINE.record(0), "float64", repeats=1)
    assert {row.status for row in rows} == {"skipped"}
    assert "it has one step" in rows[0].reason


def test_a_run_is_never_longer_than_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainings, "TURN_SECONDS", 0.02)
    short = replace(LINE, steps=30)
    trial = SpeedTrial(short, LINE.record(0), ManualTrainer(), "float64")
    trial.prepare()
    assert trial.turn() > 0
    assert trial.steps == 29


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no_such_training"], "'no_such_training' is not one of"),
        (["--repeats", "0"], "0 is not in the range x>=1"),
        (["--csv", "/dev/null/speeds.csv"], "cannot write /dev/null/speeds.csv"),
    ],
)
def test_a_mistake_is_answered_in_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert trainings.run(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("bench.trainings: ")
    assert said in line


def test_help_names_the_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.trainings", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "python -m bench.trainings" in done.stdout
