"""The benchmark of start-up times: on stub commands, and as a user runs it."""

import subprocess
import sys
from pathlib import Path
from time import perf_counter

import pytest

from bench import start
from bench.start import Checkout, Command, Duration, FailedError, StartTrial
from results.store import read
from results.tables import NUMPY_IMPORT, STARTS, TORCH_IMPORT, Start

ROOT = Path(__file__).parents[2]


def stub(name: str, code: str = "pass", status: int = 0, package: str | None = None) -> Command:
    return Command(name, ("-c", code), status, package)


STUB_IMPORTS = (stub(NUMPY_IMPORT), stub(TORCH_IMPORT))


@pytest.fixture
def stubs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have commands that start at once in place of those that import torch, and a known commit."""

    def known(file: Path) -> tuple[str | None, bool | None]:
        return ("c0ffee", True) if ROOT in file.parents else (None, None)

    commands = (
        stub("good", package="verify"),
        stub("bad", "raise SystemExit('no\\nsuch thing')", package="verify"),
        stub("absent", package="no_such_package"),
    )
    monkeypatch.setattr(start, "BARE_IMPORTS", STUB_IMPORTS)
    monkeypatch.setattr(start, "COMMANDS", commands)
    monkeypatch.setattr(start, "git_state", known)


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """Make a checkout outside git."""
    (tmp_path / "older" / "verify").mkdir(parents=True)
    (tmp_path / "older" / "verify" / "__init__.py").touch()
    return tmp_path / "older"


def rows(path: Path) -> dict[tuple[str, bool], Start]:
    """Find the rows by command and whether they name a commit."""
    return {(row.command, row.commit is not None): row for row in read(path, STARTS).rows}


@pytest.mark.usefixtures("stubs")
class TestRun:
    def test_every_command_in_every_checkout_is_a_row(self, tmp_path: Path, older: Path) -> None:
        path = tmp_path / "starts.csv"
        assert start.run(["--csv", str(path), "--repeats", "1", "--checkout", str(older)]) == 0
        found = rows(path)
        assert list(found) == [
            *((NUMPY_IMPORT, False), (TORCH_IMPORT, False)),
            *((name, commit) for name in ("good", "bad", "absent") for commit in (True, False)),
        ]
        good = found["good", True]
        assert good.status == "ok"
        assert good.median_s
        assert good.rounds == 1
        assert good.over_numpy == good.median_s / (found[NUMPY_IMPORT, False].median_s or 0)
        assert good.over_torch == good.median_s / (found[TORCH_IMPORT, False].median_s or 0)
        assert (tmp_path / "environment.json").exists()

    def test_a_row_names_the_commit_of_its_checkout(self, tmp_path: Path) -> None:
        path = tmp_path / "starts.csv"
        start.run(["--csv", str(path), "--repeats", "1"])
        row = rows(path)["good", True]
        assert (row.commit, row.dirty) == ("c0ffee", True)

    def test_a_failure_and_an_absent_package_are_rows_with_a_reason(self, tmp_path: Path) -> None:
        path = tmp_path / "starts.csv"
        assert start.run(["--csv", str(path), "--repeats", "1"]) == 0
        bad, absent = rows(path)["bad", True], rows(path)["absent", True]
        assert (bad.status, bad.reason) == ("failed", "exit status 1, wanted 0: such thing")
        assert (absent.status, absent.reason) == (
            "skipped",
            "this checkout has no no_such_package/",
        )
        for row in (bad, absent):
            assert row.median_s is row.rounds is row.over_torch is None

    def test_rows_are_appended(self, tmp_path: Path) -> None:
        path = tmp_path / "starts.csv"
        for _ in range(2):
            start.run(["--csv", str(path), "--repeats", "1"])
        assert len(read(path, STARTS).rows) == 2 * 5

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--repeats", "0"], "0 is not in the range x>=1"),
            (["--repeats", "many"], "'many' is not a valid integer"),
            (["--checkout", "tests"], "got tests, wanted a folder that has verify/"),
            (["--checkout", "no_such_folder"], "got no_such_folder, wanted a folder"),
            (["--csv", "tests"], "is a directory"),
            (["--csv", "/dev/null/starts.csv"], "cannot write /dev/null/starts.csv"),
            (["--no-such-option"], "--no-such-option"),
            (["extra"], "unexpected extra argument"),
        ],
    )
    def test_a_mistake_is_answered_in_one_line(
        self,
        arguments: list[str],
        said: str,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(ROOT)
        monkeypatch.setattr(start, "start_once", None)  # nothing may be started
        assert start.run(arguments) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("bench.start: ")
        assert said in line


class TestMeasure:
    def test_all_commands_take_turns_to_and_fro_after_a_start_that_does_not_count(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        started: list[str] = []

        def noted(command: Command, _directory: Path) -> Duration:
            started.append(command.name)
            return Duration(float(len(started)), 0.0)

        monkeypatch.setattr(start, "start_once", noted)
        trials = [StartTrial(stub(name), Checkout(ROOT)) for name in "abc"]
        assert len(list(start.measure(trials, 2))) == 3
        assert "".join(started) == "abc" + "abc" + "cba"
        assert [each.seconds for each in trials[0].durations] == [4.0, 9.0]

    def test_a_ratio_is_taken_round_by_round(self) -> None:
        def trial(*seconds: float) -> StartTrial:
            return StartTrial(
                stub("any"), Checkout(ROOT), [Duration(each, 0.5) for each in seconds]
            )

        slowing_down = trial(2.0, 4.0, 80.0)
        row = slowing_down.row([trial(1.0, 2.0, 40.0), trial(2.0, 1.0, 16.0)])
        assert (row.over_numpy, row.over_torch) == (2.0, 4.0)
        assert (row.median_s, row.min_s, row.iqr_s, row.cpu_s) == (4.0, 2.0, 39.0, 0.5)

    def test_a_command_that_fails_later_loses_its_times(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answers = iter([Duration(1.0, 1.0), Duration(1.0, 1.0), None])

        def flaky(_command: Command, _directory: Path) -> Duration:
            answer = next(answers)
            if answer is None:
                raise FailedError("no more")
            return answer

        monkeypatch.setattr(start, "start_once", flaky)
        trial = StartTrial(stub("any"), Checkout(ROOT))
        list(start.measure([trial], 3))
        assert (trial.status, trial.reason, trial.durations) == ("failed", "no more", [])


class TestStartOnce:
    def test_the_time_is_that_of_the_process(self) -> None:
        started = perf_counter()
        spin = "import time\nwhile time.process_time() < 0.3: pass\ntime.sleep(0.2)"
        duration = start.start_once(stub("spin", spin), ROOT)
        # Some systems count processor time in ticks of 10 ms, one of which may be missed.
        assert 0.28 <= duration.cpu_seconds < duration.seconds <= perf_counter() - started

    def test_it_runs_in_the_checkout_whatever_python_was_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "only_here.py").touch()
        monkeypatch.setenv("PYTHONSAFEPATH", "1")
        assert start.start_once(stub("here", "import only_here"), tmp_path).seconds > 0

    def test_an_expected_exit_status_is_no_failure(self) -> None:
        assert start.start_once(stub("two", "raise SystemExit(2)", status=2), ROOT).seconds > 0
        with pytest.raises(FailedError, match=r"^exit status 0, wanted 2$"):
            start.start_once(stub("two", status=2), ROOT)

    def test_too_long_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(start, "MOST_SECONDS", 0.05)
        with pytest.raises(FailedError, match=r"took more than 0\.05 s"):
            start.start_once(stub("slow", "import time; time.sleep(9)"), ROOT)


def test_help_says_what_it_does() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.start", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "--checkout" in done.stdout


@pytest.mark.parametrize("command", start.COMMANDS, ids=lambda command: command.name)
def test_a_real_command_starts_in_this_checkout(command: Command) -> None:
    (trial,) = start.trials_of([command], [Checkout(ROOT)])
    if trial.status == "ok":
        assert start.start_once(command, ROOT).seconds > 0
