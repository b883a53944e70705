"""The benchmarks of the argmin layers: in this process with planted faults, and as a user does."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import torch

from bench.argmin import test_layers as layers
from bench.argmin import test_memory as memory
from bench.argmin.closed_form import closed_form
from bench.argmin.formulations import CLOSED_FORM_TORCH, FULL_HESSIAN, RIVALS
from bench.argmin.memory import CrashedError, RidgeSize
from reference_impls.computations import ridge_argmin, timeseries_net
from results.report import write_report
from results.store import Appender, read
from results.tables import LAYERS, MEMORY, Layer, Phase

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

ROOT = Path(__file__).parents[3]

NEVER_USED = cast("BenchmarkFixture", None)


def half_a_layer(*arguments: Any) -> torch.Tensor:  # noqa: ANN401 -- as closed_form's
    """The right value, and half of its gradient."""
    W = closed_form(*arguments)
    return (W + W.detach()) / 2


WRONG = replace(CLOSED_FORM_TORCH, name="planted", solve=half_a_layer)
ABSENT = replace(RIVALS[0], package="no_such_package")


def rows(tmp_path: Path) -> tuple[Layer, ...]:
    return read(tmp_path / LAYERS.file_name, LAYERS).rows


class TestGate:
    @pytest.mark.parametrize("phase", layers.PHASES)
    def test_no_phase_of_a_wrong_layer_is_timed(self, phase: Phase, tmp_path: Path) -> None:
        case = layers.LayerCase(ridge_argmin.COMPUTATION, WRONG, phase)
        with (
            Appender(tmp_path / LAYERS.file_name, LAYERS) as appender,
            pytest.raises(pytest.fail.Exception, match="not timed, wrong result: gradient off"),
        ):
            layers.test_phase(case, NEVER_USED, appender)
        (row,) = rows(tmp_path)
        assert (row.status, row.formulation, row.phase) == ("failed", "planted", phase)
        assert row.median_s is None
        assert row.gradient_error == pytest.approx(0.5)

    def test_a_wrong_layer_is_not_timed_at_any_tolerance(self, tmp_path: Path) -> None:
        case = layers.LayerCase(ridge_argmin.COMPUTATION, WRONG, "forward and backward", 1e-3)
        with (
            Appender(tmp_path / LAYERS.file_name, LAYERS) as appender,
            pytest.raises(pytest.fail.Exception, match="wrong result"),
        ):
            layers.test_tolerance(case, NEVER_USED, appender)
        (row,) = rows(tmp_path)
        assert (row.status, row.tolerance) == ("failed", 1e-3)

    def test_a_training_step_through_a_wrong_layer_is_not_timed(self, tmp_path: Path) -> None:
        case = layers.LayerCase(timeseries_net.COMPUTATION, WRONG, "training step")
        with (
            Appender(tmp_path / LAYERS.file_name, LAYERS) as appender,
            pytest.raises(pytest.fail.Exception, match="wrong result"),
        ):
            layers.test_training_step(case, NEVER_USED, appender)
        (row,) = rows(tmp_path)
        assert row.status == "failed"


def test_a_rival_that_is_not_installed_is_a_skipped_row(tmp_path: Path) -> None:
    case = layers.LayerCase(ridge_argmin.COMPUTATION, ABSENT, "forward")
    with (
        Appender(tmp_path / LAYERS.file_name, LAYERS) as appender,
        pytest.raises(pytest.skip.Exception),
    ):
        layers.test_phase(case, NEVER_USED, appender)
    (row,) = rows(tmp_path)
    assert (row.status, row.reason) == ("skipped", "no_such_package is not installed")


class OneCall:
    """Stands in for the fixture: calls once, and times nothing."""

    def pedantic(self, function: Any, args: Any, rounds: int) -> Any:  # noqa: ANN401
        assert rounds == 1
        return function(*args)


def test_a_crash_fails_its_own_case_alone_and_leaves_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise CrashedError("exit status 1: MemoryError")

    monkeypatch.setattr(memory, "measure", crash)
    case = memory.MemoryCase(FULL_HESSIAN, RidgeSize(20, 10, 128))
    with (
        Appender(tmp_path / MEMORY.file_name, MEMORY) as appender,
        pytest.raises(pytest.fail.Exception, match="exit status 1"),
    ):
        memory.test_memory(case, cast("BenchmarkFixture", OneCall()), appender)
    found = read(tmp_path / MEMORY.file_name, MEMORY).rows
    assert [(row.status, row.phase, row.reason) for row in found] == [
        ("failed", phase, "exit status 1: MemoryError") for phase in ("forward", "backward")
    ]


def test_memory_that_is_not_there_is_a_skipped_row_for_each_pass(tmp_path: Path) -> None:
    case = memory.MemoryCase(FULL_HESSIAN, RidgeSize(20, 10, 1_280))
    with (
        Appender(tmp_path / MEMORY.file_name, MEMORY) as appender,
        pytest.raises(pytest.skip.Exception),
    ):
        memory.test_memory(case, cast("BenchmarkFixture", OneCall()), appender)
    found = read(tmp_path / MEMORY.file_name, MEMORY).rows
    assert [(row.status, row.phase) for row in found] == [
        ("skipped", "forward"),
        ("skipped", "backward"),
    ]
    assert "the limit is 4 GB" in found[0].reason


def test_a_run_appends_rows_and_makes_a_report(tmp_path: Path) -> None:
    quick = ["--benchmark-max-time=0.001", "--benchmark-min-rounds=1", "-q"]
    some = "closed_form or (general_operator-1e-02) or cvxpylayers"
    done = subprocess.run(  # noqa: S603 -- our own command
        [
            *(sys.executable, "-m", "pytest", *quick, "--benchmark-only"),
            *("bench/argmin/test_layers.py", f"--results={tmp_path}", "-k", some),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert f"rows: {tmp_path / 'layers.csv'}" in done.stdout
    frame = read(tmp_path / "layers.csv", LAYERS).frame
    timed = frame[frame["status"] == "ok"]
    assert set(timed["phase"]) == {*layers.PHASES, "training step"}
    assert (timed["median_s"] > 0).all()
    assert (timed["gradient_error"] < 1e-2).all()
    assert timed.loc[timed["tolerance"].notna(), "formulation"].tolist() == ["general operator"]
    assert (frame["formulation"] == "cvxpylayers").sum() == 3
    assert "closed form, torch" in write_report(tmp_path).read_text(encoding="utf-8")
