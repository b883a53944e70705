"""`python -m verify --trainings`."""

import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import verify.command.training_run
from reference_impls.computations import timeseries_net
from reference_impls.engines.pytorch.training import TorchTrainer
from reference_impls.implicit.errors import SingularError
from reference_impls.trainings import exponential
from results.store import read
from results.tables import CURVES, TRAINING_CHECKS, TRAININGS, TrainingVerdict
from verify.checks.trainings.judge import judge
from verify.command.main import run
from verify.command.training_lines import RunKey

ROOT = Path(__file__).parents[3]
ALONE = ("--jobs", "1")
Capture = pytest.CaptureFixture[str]


def test_a_training_is_told_and_written(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "trainings.csv"
    asked = ["--trainings", "exponential", "--dtype", "float64", "--csv", str(path), *ALONE]
    assert run(asked) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "exponential, seed 0, float64"
    assert "  torch: gradient, update, free run, repetition, 2 numbers agree" in out
    assert any(line.split() == ["w", "0.69332054", "0.69332054", "±", "1e-14"] for line in out)
    assert out[-1] == "1 run, none wrong."
    steps = read(path, TRAININGS).rows
    assert {row.implementation for row in steps} == {"autograd", "torch", "manual"}
    assert len(steps) <= 3 * 500
    checks = read(tmp_path / TRAINING_CHECKS.file_name, TRAINING_CHECKS).rows
    assert checks[-1].check == "finished"
    (number,) = [row for row in checks if row.quantity == "w" and row.implementation == "torch"]
    assert number.expected == 0.6933205373644706
    assert {row.series for row in read(tmp_path / CURVES.file_name, CURVES).rows} == {
        "loss",
        "descent",
    }
    assert run(asked) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"1 of 1 runs are in {path} already, and not done again.",
        "0 runs, none wrong.",
    ]
    assert read(path, TRAININGS).rows == steps
    other = tmp_path / "other.csv"
    assert run([*asked[:-3], str(other), *ALONE]) == 0
    assert "already" not in capsys.readouterr().out
    assert len(read(other, TRAININGS).rows) == len(steps)


def test_a_number_that_is_not_met_fails_the_run_and_is_run_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capture
) -> None:
    right = exponential.TRAINING
    wrong = replace(right, expected=(replace(right.expected[0], value=0.5),))
    monkeypatch.setattr(verify.command.training_run, "load_training", lambda _: wrong)
    path = tmp_path / "trainings.csv"
    asked = ["--trainings", "exponential", "--dtype", "float64", "--csv", str(path), *ALONE]
    assert run(asked) == 1
    out = capsys.readouterr().out
    assert "  torch: number disagrees\n" in out
    assert "    w: got 0.69332" in out
    assert "  again: python -m verify --trainings exponential --dtype float64 --seed 0\n" in out
    assert out.splitlines()[-1] == "1 run, 1 wrong: exponential."
    monkeypatch.undo()
    assert run(asked) == 0


def test_what_should_be_at_least_so_much_is_told_so(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    right = exponential.TRAINING
    least = replace(right.expected[0], value=0.75, tolerance=None)
    wrong = replace(right, expected=(least,))
    monkeypatch.setattr(verify.command.training_run, "load_training", lambda _: wrong)
    assert run(["--trainings", "exponential", "--dtype", "float64", *ALONE]) == 1
    out = capsys.readouterr().out
    assert re.search(r"    w: got 0\.6933\d*, expected at least 0\.75; ", out)
    assert re.search(r"  w +0\.69332054 +at least 0\.75", out)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--trainings", "lin"], "unknown training 'lin': accepted are timeseries,"),
        (["--trainings", "line", "--seed", "4294967296"], "wanted at most 4294967295"),
        (["--trainings", "--size", "all"], "got --size with --trainings; it goes with"),
        (
            ["--trainings", "--csv", "curves.csv"],
            "--csv: got curves.csv, wanted another name: training_checks.csv, curves.csv",
        ),
        (["--trainings", "--csv", "environment.json"], "--csv: got environment.json, wanted"),
        (["--trainings", "--csv", "/proc/none/trainings.csv"], "cannot write"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], said: str, capsys: Capture) -> None:
    assert run(arguments) == 2
    told = capsys.readouterr().err
    assert said in told
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize(
    ("asked", "dtypes"),
    [
        ([], ["float64"]),
        (["float32"], ["float32"]),
        (["float64", "float32"], ["float64", "float32"]),
    ],
)
def test_every_dtype_that_is_named_is_run_and_else_those_worth_it(
    monkeypatch: pytest.MonkeyPatch, asked: list[str], dtypes: list[str]
) -> None:
    keys: list[RunKey] = []

    def run_and_write(key: RunKey, _: Path | None) -> list[TrainingVerdict]:
        keys.append(key)
        return []

    monkeypatch.setattr(verify.command.training_run, "run_and_write", run_and_write)
    options = [word for dtype in asked for word in ("--dtype", dtype)]
    assert run(["--trainings", "rosenbrock_armijo", *options, *ALONE]) == 0
    assert keys == [RunKey("rosenbrock_armijo", 0, dtype) for dtype in dtypes]


def test_a_killed_run_loses_no_row_and_goes_on(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "trainings.csv"
    asked = ["--trainings", "ravine_newton", "exponential", "--dtype", "float64"]
    asked += ["--csv", str(path), *ALONE]
    checks = path.with_name(TRAINING_CHECKS.file_name)
    command = [sys.executable, "-m", "verify", *asked]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:  # noqa: S603 -- ours
        deadline = time.monotonic() + 60
        while not _has(checks, "finished") and time.monotonic() < deadline:
            time.sleep(0.05)
        while not _has(path, "exponential") and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    before = read(path, TRAININGS).rows
    assert {row.run for row in before} == {"ravine_newton", "exponential"}
    assert run(asked) == 0
    assert "1 of 2 runs are in" in capsys.readouterr().out
    after = read(path, TRAININGS).rows
    assert after[: len(before)] == before
    finished = [row.run for row in read(checks, TRAINING_CHECKS).rows if row.check == "finished"]
    assert finished == ["ravine_newton", "exponential"]


def _has(path: Path, word: str) -> bool:
    return path.exists() and word in path.read_text()


def test_processes_write_what_one_does(tmp_path: Path) -> None:
    asked = ["--trainings", "ravine_newton", "logistic_newton", "--dtype", "float64"]
    found = []
    for jobs in ("1", "2"):
        path = tmp_path / jobs / "trainings.csv"
        assert run([*asked, "--csv", str(path), "--jobs", jobs]) == 0
        rows = [row.model_copy(update={"time_s": 0.0}) for row in read(path, TRAININGS).rows]
        found.append(sorted(rows, key=lambda row: (row.run, row.implementation, row.step)))
    assert found[0] == found[1]


def test_a_file_that_is_removed_between_two_trainings_ends_the_run_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "trainings.csv"

    def judge_and_remove(*given: Any) -> None:  # noqa: ANN401 -- judge's own
        judge(*given)
        path.unlink(missing_ok=True)

    monkeypatch.setattr(verify.command.training_run, "judge", judge_and_remove)
    asked = ["--trainings", "exponential", "--csv", str(path), *ALONE]
    assert run(asked) == 2
    told = f"verify: cannot write {path}: it was removed after it was opened\n"
    assert capsys.readouterr().err == told


def refusing(*_: object) -> None:
    raise SingularError("too few digits")


def test_a_refusal_is_no_agreement(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capture
) -> None:
    monkeypatch.setattr(TorchTrainer, "loss_and_gradient", refusing)
    right = exponential.TRAINING
    # Only who solves for something may refuse.
    solving = replace(right.loss, optimality=timeseries_net.COMPUTATION.optimality)
    as_if = replace(right, loss=solving)
    monkeypatch.setattr(verify.command.training_run, "load_training", lambda _: as_if)
    path = tmp_path / "trainings.csv"
    asked = ["--trainings", "exponential", "--dtype", "float32", "--csv", str(path), *ALONE]
    for _ in range(2):  # nor is it done with
        assert run(asked) == 0
        out = capsys.readouterr().out
        assert "  torch: free run refused: raised SingularError: too few digits\n" in out
        assert "Refused by an implementation, and not judged there: exponential.\n" in out
    environment = (tmp_path / "environment.json").read_text()
    monkeypatch.undo()
    assert run(asked) == 0
    assert (tmp_path / "environment.json").read_text() != environment
    environment = (tmp_path / "environment.json").read_text()
    assert run(asked) == 0
    assert "already" in capsys.readouterr().out
    assert (tmp_path / "environment.json").read_text() == environment
