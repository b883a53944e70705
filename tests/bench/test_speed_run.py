"""The benchmarks as a user runs them: in a process of their own, from the root."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from results.store import read
from results.tables import TIMINGS

ROOT = Path(__file__).parents[2]
QUICK = ["--benchmark-max-time=0.001", "--benchmark-min-rounds=1", "-q"]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pytest", *QUICK, *arguments]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 -- our own command
        command(*arguments), cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_every_case_is_a_row_and_cuda_says_why_it_is_skipped(tmp_path: Path) -> None:
    report = tmp_path / "pytest-benchmark.json"
    done = run(
        "--benchmark-only",
        f"--results={tmp_path}",
        f"--benchmark-json={report}",
        *("-k", "exponential_loss and not 1000000"),
    )
    assert done.returncode == 0, done.stdout
    assert f"python -m results report {tmp_path}" in done.stdout
    frame = read(tmp_path / "timings.csv", TIMINGS).frame
    # sizes by dtypes by operators, for three CPU backends and two on CUDA
    assert len(frame) == 3 * 2 * 2 * 5
    ok = frame[frame["status"] == "ok"]
    assert set(ok["implementation"]) == {"autograd", "torch", "manual"}
    assert (ok["median_s"] > 0).all()
    assert (ok["gate_error"] <= ok["gate_tolerance"]).all()
    assert set(frame.loc[frame["tutorial_size"], "size"]) == {1}
    skipped = frame[frame["status"] == "skipped"]
    assert (skipped["device"] == "cuda").all()
    assert skipped["reason"].str.len().min() > 0
    assert skipped["median_s"].isna().all()
    assert "commit" in json.loads((tmp_path / "environment.json").read_text())
    written = json.loads(report.read_text())
    assert len(written["benchmarks"]) == len(ok)
    assert "node" not in written["machine_info"]


def test_a_plain_run_collects_no_benchmark_and_a_benchmark_run_no_test() -> None:
    # Thousands of other tests would only take longer to collect.
    others = [f"--ignore=tests/{each}" for each in ("reference_impls", "results", "verify")]
    plain = run("--collect-only", *others).stdout
    assert "bench/test_speed.py" not in plain
    assert "tests/bench/test_gate.py" in plain
    timed = run("--collect-only", "--benchmark-only").stdout
    assert "bench/test_speed.py" in timed
    assert "tests/" not in timed


def test_an_unusable_directory_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run("--benchmark-only", f"--results={tmp_path / 'file' / 'below'}", "-k", "relu")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"benchmarks: cannot write {tmp_path / 'file'}" in done.stdout + done.stderr


def test_rows_survive_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "timings.csv"
    arguments = command("--benchmark-only", f"--results={tmp_path}", "-k", "linear")
    with subprocess.Popen(  # noqa: S603 -- our own command
        arguments, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + 120
        while not (path.exists() and path.read_bytes().count(b"\n") > 3):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        acknowledged = path.read_bytes().count(b"\n") - 1
        os.kill(process.pid, signal.SIGKILL)
    assert len(read(path, TIMINGS).rows) >= acknowledged
