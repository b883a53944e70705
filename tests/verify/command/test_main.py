import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count, product
from pathlib import Path

import numpy as np
import pytest
import torch

import verify.checks.catalogue
import verify.command.catalogue
import verify.command.faults
import verify.command.files
import verify.command.options
import verify.trust.alarms
from reference_impls import CATALOGUE, DTYPES
from reference_impls.computation import Array, Vjp
from reference_impls.function import Function
from reference_impls.running.errors import ProcessDiedError
from reference_impls.running.late import LateError
from results.environment import utc_now
from results.store import read
from results.tables import ALARMS, ARGMIN, KILLS, VERDICTS, Alarms
from tests.verify.entries import catalogue_of
from verify.checks.case import Case
from verify.checks.check import Check, Verdict
from verify.checks.first_order.gradients import verify_case
from verify.checks.noises import Noises
from verify.checks.outcome import CaseId, Outcome
from verify.command.main import run
from verify.trust.peers.peer import Peer
from verify.trust.planted import Awkward, Fault, Plant, Planted, rounded

ROOT = Path(__file__).parents[3]
RELU = CATALOGUE[0]
SMALL = ("--size", "smallest")
KINDS = {"contract": 3, "stability": 3, "value": 3, "vjp": 3, "oracle": 3, "precision": 3}
"""Of three implementations: each by itself, or each pair."""
SECOND_ORDER = 2 * 7 + 1
"""Seven of either engine, and the two against each other."""
CHECKS = {dtype: KINDS | {"second order": SECOND_ORDER, "extremes": 3} for dtype in DTYPES}
CHECKS_OF_BOTH = sum(sum(kinds.values()) for kinds in CHECKS.values())
ESCAPE = "\x1b"

Capture = pytest.CaptureFixture[str]


def lines(captured: str) -> list[str]:
    return captured.splitlines()


@pytest.fixture
def broken_relu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalogue is one computation, and torch has it wrong."""
    relu = RELU.load()
    broken = replace(relu, by_torch=lambda x: 1.001 * relu.by_torch(x))
    catalogue_of(monkeypatch, verify.command.options, broken)


@pytest.fixture
def no_computing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        pytest.fail("computing has begun")

    computing = {
        verify.checks.catalogue: "outcomes",
        verify.command.faults: "run_matrix",
        verify.trust.alarms: "count_alarms",
    }
    for module, name in computing.items():
        # Not before the first is asked for.
        monkeypatch.setattr(module, name, lambda *_: map(fail, [None]))
    monkeypatch.setattr(verify.command.files, "check_user_file", fail)


def test_agreement_ends_with_status_0_and_a_summary(capsys: Capture) -> None:
    assert run(["relu", *SMALL]) == 0
    out, err = capsys.readouterr()
    assert lines(out)[-1] == f"{CHECKS_OF_BOTH} checks of 2 cases: {CHECKS_OF_BOTH} agree"
    assert err == ""


@pytest.mark.usefixtures("broken_relu")
def test_a_disagreement_ends_with_status_1_and_says_what_where_and_by_how_much(
    capsys: Capture,
) -> None:
    assert run(["relu", *SMALL, "--dtype", "float64"]) == 1
    out = capsys.readouterr().out
    assert "\nrelu float64: torch\n" in out
    (sentence,) = [line for line in lines(out) if "vjp: torch against manual" in line]
    for word in ("x[", "got ", "expected ", "error ", " > tolerance ", "scale ", "noise "):
        assert word in sentence


@pytest.mark.parametrize(("strict", "status"), [([], 0), (["--strict"], 3)])
def test_a_computation_that_hangs_is_a_line_and_a_row_and_the_run_goes_on(
    strict: list[str],
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    relu = RELU.load()

    def late(**_: torch.Tensor) -> torch.Tensor:
        raise LateError  # as its timer does

    hanging = replace(relu, name="hanging", by_torch=late)
    catalogue_of(monkeypatch, verify.command.options, hanging, relu)
    path = tmp_path / "verdicts.csv"
    options = ["--dtype", "float64", "--timeout", "600", "--csv", str(path), "--jobs", "1"]
    assert run([*SMALL, *options, *strict]) == status
    out = capsys.readouterr().out
    assert "\nhanging 32 float64: not done within 600 seconds\n" in out
    rows = read(path, VERDICTS).rows
    missing = [row for row in rows if row.computation == "hanging"]
    assert {(row.verdict, row.against) for row in missing} == {("inconclusive", "the clock")}
    assert {row.verdict for row in rows if row.computation == "relu"} == {"agree"}


@pytest.mark.usefixtures("broken_relu")
def test_the_printed_command_reproduces_the_disagreement(capsys: Capture) -> None:
    run(["relu", *SMALL, "--dtype", "float32", "--seed", "7"])
    out = capsys.readouterr().out
    (command,) = [line for line in lines(out) if "reproduce: " in line]
    python, dash_m, name, *arguments = shlex.split(command.partition("reproduce: ")[2])
    assert [python, dash_m, name] == ["python", "-m", "verify"]

    assert run(arguments) == 1
    assert capsys.readouterr().out == out


@pytest.mark.usefixtures("no_computing")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rleu"], ["unknown computation 'rleu'", "relu, sigmoid", "did you mean 'relu'?"]),
        (["relu", "xyz"], ["unknown computation 'xyz'", "relu, sigmoid"]),
        (["--dtype", "float23"], ["unknown dtype 'float23'", "float64, float32", "did you mean"]),
        (["relu", "--size", "1025"], ["relu", "'1025'", "32, 1024, 32768", "did you mean '1024'?"]),
        (["relu", "--size", "tiny"], ["relu", "'tiny'", "tutorial, smallest, largest, all"]),
        (["relu", "--size", "smalest"], ["did you mean 'smallest'?"]),
        (["--sed", "1"], ["unknown option '--sed'", "--seed", "did you mean '--seed'?"]),
        (["--seed", "-1"], ["'--seed'", "-1", "0<=x<="]),
        (["--seed", str(2**63)], ["'--seed'", str(2**63), str(2**63 - 1)]),
        (["--seed", "one"], ["'--seed'", "'one'"]),
        (["--seed"], ["'--seed' requires an argument"]),
        (["relu", "--csv", "{file}/verdicts.csv"], ["cannot write {file}/verdicts.csv"]),
        (["relu", "--csv", "{directory}"], ["cannot write {directory}"]),
        (["relu", "--csv", "/dev/full"], ["cannot write /dev/full", "No space left"]),
        (["relu", "--csv", "{directory}/argmin.csv"], ["{directory}/argmin.csv", "another name"]),
        (["relu", "--csv", "{file}"], ["{file}, line 1", "unknown 'colour'", "missing"]),
        (["--faults", "--csv", "{file}"], ["{file}, line 1", "unknown 'colour'", "missing"]),
        (["--seeds", "1", "--csv", "{file}"], ["{file}, line 1", "unknown 'colour'", "missing"]),
        (["--faults", "--csv", "{file}/kills.csv"], ["cannot write {file}/kills.csv"]),
        (["relu", "--timeout", "0"], ["'--timeout'", "0", "x>0"]),
        (["--faults", "--timeout", "9"], ["got --timeout with --faults; it goes with FILE.py:NAM"]),
        (["--seeds", "0"], ["'--seeds'", "0", "x>=1"]),
        (["--seeds", "2", "--jobs", "0"], ["'--jobs'", "0", "x>=1"]),
        (["--peers"], ["got --peers with the checks of the catalogue; it goes with --faults"]),
        (["--peers", "--seeds", "2"], ["got --peers with --seeds; it goes with --faults"]),
        (["--faults", "--seeds", "2"], ["got --seeds with --faults; it goes with nothing else"]),
        (["relu", "--faults"], ["got a NAME with --faults; it goes with --list, FILE.py:NAME, "]),
        (["--faults", "--dtype", "float32"], ["got --dtype with --faults; it goes with --seeds, "]),
        (["--faults", "--size", "all"], ["got --size with --faults; it goes with --seeds, the ch"]),
        (["relu", "--seeds", "2", "--size", "5"], ["unknown size for relu: '5'", "32, 1024"]),
        (["--list", "--seed", "2"], ["got --seed with --list; it goes with FILE.py:NAME, "]),
        (["m.py:f", "--csv", "{file}"], ["{file}, line 1", "unknown 'colour'", "missing"]),
        (["m.py:f", "--jobs", "2"], ["got --jobs with FILE.py:NAME; it goes with --seeds, "]),
        (["m.py:f", "--order", "3"], ["'--order'", "3", "1<=x<=2"]),
        (["m.py:f", "--timeout", "0"], ["'--timeout'", "0", "x>0"]),
        (["m.py:f", "--budget", "0"], ["'--budget'", "0", "x>=1"]),
        (["relu", "--budget", "9"], ["got --budget with the checks of the catalogue; it goes wi"]),
        (["relu", "--wrt", "x"], ["got --wrt with the checks of the catalogue; it goes with FILE"]),
        (["--faults", "--strict"], ["got --strict with --faults; it goes with FILE.py:NAME, "]),
        (["m.py:f", "--faults"], ["got --faults with FILE.py:NAME; it goes with nothing else"]),
        (["m.py:f", "--list"], ["got m.py:f with --list; a function of a file goes without it"]),
        (["m.py:f", "relu"], ["got relu and m.py:f, wanted computations or files alone"]),
        (["m.py:f", "rleu"], ["unknown computation 'rleu'", "did you mean 'relu'?"]),
    ],
)
def test_a_mistake_is_answered_in_one_line_before_any_computing(
    arguments: list[str], said: list[str], tmp_path: Path, capsys: Capture
) -> None:
    paths = {"file": tmp_path / "file", "directory": tmp_path}
    paths["file"].write_text("colour\nred\n")
    assert run([argument.format_map(paths) for argument in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = lines(err)
    assert line.startswith("verify: ")
    for words in said:
        assert words.format_map(paths) in line
    assert paths["file"].read_text() == "colour\nred\n"


@pytest.mark.usefixtures("no_computing")
def test_list_shows_every_computation_with_its_sizes(capsys: Capture) -> None:
    assert run(["--list"]) == 0
    out = capsys.readouterr().out
    for entry in CATALOGUE:
        (line,) = [each for each in lines(out) if f"| {entry.name} " in each]
        assert ", ".join(map(str, entry.sizes)) in line
        assert entry.origin in line


@pytest.mark.usefixtures("no_computing")
def test_help_ends_with_status_0(capsys: Capture) -> None:
    assert run(["--help"]) == 0
    assert "Usage: python -m verify [OPTIONS] [NAME]..." in capsys.readouterr().out


def test_csv_keeps_every_check_and_the_environment_and_appends(tmp_path: Path) -> None:
    path = tmp_path / "new" / "verdicts.csv"
    assert run(["relu", "tanh", *SMALL, "--seed", "3", "--csv", str(path)]) == 0
    rows = read(path, VERDICTS).rows
    assert len(rows) == 2 * CHECKS_OF_BOTH
    assert {(row.computation, row.dtype) for row in rows} == {
        (name, dtype) for name in ("relu", "tanh") for dtype in ("float64", "float32")
    }
    assert {(row.seed, row.size, row.tutorial_size, row.device) for row in rows} == {
        (3, 32, False, "cpu")
    }
    assert {row.implementation for row in rows} == {"autograd", "torch", "manual"}
    assert {row.verdict for row in rows} == {"agree"}
    for name, (dtype, kinds) in product(("relu", "tanh"), CHECKS.items()):
        found = Counter(r.check for r in rows if (r.computation, r.dtype) == (name, dtype))
        assert found == kinds
    assert json.loads((path.parent / "environment.json").read_text())

    assert run(["relu", *SMALL, "--csv", str(path)]) == 0
    again = read(path, VERDICTS).rows
    assert again[: len(rows)] == rows
    assert len(again) == 3 * CHECKS_OF_BOTH


def test_a_file_that_is_removed_in_the_midst_of_a_run_ends_it_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "new" / "verdicts.csv"

    def remove_and_check(case: Case, functions: Sequence[Function], noises: Noises) -> list[Check]:
        path.unlink(missing_ok=True)
        return verify_case(case, functions, noises)

    monkeypatch.setattr("verify.checks.catalogue.verify_case", remove_and_check)
    assert run(["relu", *SMALL, "--csv", str(path)]) == 2
    (line,) = lines(capsys.readouterr().err)
    assert line == f"verify: cannot write {path}: it was removed after it was opened"


def test_argmins_have_a_table_and_a_file_of_their_own(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "verdicts.csv"
    assert run(["root_argmin", "relu", *SMALL, "--csv", str(path)]) == 0
    out = capsys.readouterr().out
    assert "Argmin and root layers, float64" in out
    rows = read(tmp_path / "argmin.csv", ARGMIN).rows
    assert [(row.computation, row.implementation) for row in rows] == [
        ("root_argmin", "autograd"),
        ("root_argmin", "torch"),
        ("root_argmin", "manual"),
    ]
    for row in rows:
        assert row.verdict == "agree"
        assert row.rank == row.unknowns == 2
        assert row.implicit_function is not None
        assert row.implicit_function < 1e-12
        assert row.plateau.startswith("within")
    held = [row.against for row in read(path, VERDICTS).rows if row.check == "argmin"]
    assert held.count("K J + R") == held.count("unrolled") == 3


def test_without_argmins_there_is_neither(tmp_path: Path, capsys: Capture) -> None:
    assert run(["relu", *SMALL, "--csv", str(tmp_path / "verdicts.csv")]) == 0
    assert "Argmin" not in capsys.readouterr().out
    assert not (tmp_path / "argmin.csv").exists()


def test_float32_has_no_evidence_to_keep(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.csv"
    assert run(["root_argmin", *SMALL, "--dtype", "float32", "--csv", str(path)]) == 0
    assert not (tmp_path / "argmin.csv").exists()


@pytest.mark.usefixtures("no_computing")
@pytest.mark.parametrize("kind", ["directory", "foreign"])
def test_what_is_no_argmin_file_is_refused_before_any_computing(
    kind: str, tmp_path: Path, capsys: Capture
) -> None:
    taken = tmp_path / "argmin.csv"
    taken.mkdir() if kind == "directory" else taken.write_text("colour\nred\n")
    assert run(["root_argmin", *SMALL, "--csv", str(tmp_path / "verdicts.csv")]) == 2
    (line,) = lines(capsys.readouterr().err)
    assert str(taken) in line


def test_an_optimality_that_is_none_is_answered_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    computation = next(each for each in CATALOGUE if each.name == "root_argmin").load()
    assert computation.optimality
    scalar = replace(computation.optimality, condition=lambda W, x: lambda y: (W @ y + x).sum())
    broken = replace(computation, optimality=scalar)
    catalogue_of(monkeypatch, verify.command.options, broken)
    assert run(["root_argmin", *SMALL]) == 2
    (line,) = lines(capsys.readouterr().err)
    assert line == (
        "verify: root_argmin: optimality.condition: got shape (), wanted (2,), that of the start"
    )


@pytest.mark.usefixtures("broken_relu")
def test_csv_keeps_the_numbers_of_a_disagreement(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.csv"
    assert run(["relu", *SMALL, "--dtype", "float64", "--csv", str(path)]) == 1
    for row in read(path, VERDICTS).rows:
        if row.check == "precision":
            assert (row.verdict == "disagree") == (row.implementation == "torch")
            assert row.argument in {"x", "value"}
            assert row.error is not None
            assert row.tolerance is not None
            assert (row.error > row.tolerance) == (row.verdict == "disagree")


def test_a_seed_says_everything(capsys: Capture) -> None:
    tables = []
    for seed in ("5", "5", "6"):
        run(["tanh", *SMALL, "--seed", seed])
        tables.append(capsys.readouterr().out)
    assert tables[0] == tables[1] != tables[2]


def test_a_computation_named_twice_is_checked_once(capsys: Capture) -> None:
    run(["relu", "relu", *SMALL])
    assert " of 2 cases: " in capsys.readouterr().out


def test_processes_show_and_write_what_one_does(tmp_path: Path, capsys: Capture) -> None:
    found = []
    for jobs in ("1", "2"):
        path = tmp_path / jobs / "verdicts.csv"
        path.parent.mkdir()
        names = ["logistic_argmin", "relu", "tanh"]
        assert run([*names, *SMALL, "--jobs", jobs, "--csv", str(path)]) == 0
        verdicts = sorted(map(repr, read(path, VERDICTS).rows))
        argmins = sorted(map(repr, read(path.with_name("argmin.csv"), ARGMIN).rows))
        found.append((capsys.readouterr().out, verdicts, argmins))
    assert found[0] == found[1]


def test_what_ends_a_process_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def die(*_: object) -> Iterator[None]:
        yield from ()
        raise ProcessDiedError("a process ended before its work was done")

    monkeypatch.setattr(verify.command.catalogue, "_in_processes", die)
    assert run(["relu", "--size", "all", "--jobs", "2"]) == 4
    (line,) = lines(capsys.readouterr().err)
    assert line == "verify: a process ended before its work was done"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError("Unable to allocate 8 TiB"), "too little memory: MemoryError: Unable to all"),
        (
            ZeroDivisionError("of\nours"),
            "a failure of gradjury's own: ZeroDivisionError: of ours (",
        ),
    ],
)
def test_a_failure_that_nothing_foresees_ends_with_status_4_in_one_line(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def fail(*_: object) -> Iterator[None]:
        yield from ()
        raise error

    monkeypatch.setattr(verify.checks.catalogue, "outcomes", fail)
    assert run(["relu", *SMALL]) == 4
    (line,) = lines(capsys.readouterr().err)
    assert line.startswith(f"verify: {said}")


@pytest.mark.parametrize("verdict", ["inconclusive", "unsupported"])
def test_what_could_not_be_decided_ends_with_status_3_where_that_is_asked_for(
    verdict: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    def undecided(*_: object) -> Iterator[Outcome]:
        case = CaseId("relu", 32, 0, "float64", tutorial_size=True)
        yield Outcome(case, [Check("torch", "vjp", "manual", verdict)], [])

    monkeypatch.setattr(verify.checks.catalogue, "outcomes", undecided)
    assert run(["relu", *SMALL]) == 0
    assert run(["relu", *SMALL, "--strict"]) == 3


@pytest.mark.usefixtures("broken_relu")
def test_a_disagreement_comes_before_what_could_not_be_decided() -> None:
    assert run(["relu", *SMALL, "--dtype", "float64", "--strict"]) == 1


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_sign_that_the_terminal_lacks_is_a_question_mark(encoding: str, own_file: Path) -> None:
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    command = [sys.executable, "-m", "verify", f"{own_file}:tilted"]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)  # noqa: S603 - of ours
    assert done.returncode == 1
    assert "constant factor: gradient of x is 7 times" in done.stdout.decode(encoding)
    assert "?J?u, v?: got " in done.stdout.decode(encoding)
    assert done.stderr == b""


def test_a_price_file_with_one_stock_is_answered_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    rows = [f"2006-01-{day:02},1,1,1,{day},9,AAPL" for day in range(1, 29)]
    path = tmp_path / "prices.csv"
    path.write_text("\n".join(["Date,Open,High,Low,Close,Volume,Name", *rows]))
    monkeypatch.setenv("GRADJURY_PRICES", str(path))
    assert run(["timeseries_net", "--jobs", "1"]) == 2
    (line,) = lines(capsys.readouterr().err)
    assert line == f"verify: {path}: expected closes of AAPL, GOOGL, MSFT, AMZN, found AAPL"


def test_all_sizes_are_checked_on_request(capsys: Capture) -> None:
    run(["polynomial_regression", "--size", "all", "--dtype", "float32"])
    out = capsys.readouterr().out
    for size in ("10", "100", "1,000", "10,000"):
        assert f" {size} | float32 |" in out


@pytest.mark.usefixtures("broken_relu")
def test_without_a_terminal_the_output_is_plain_and_uncut(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    run(["relu", *SMALL])
    out = capsys.readouterr().out
    assert ESCAPE not in out
    assert "…" not in out
    table = [line for line in lines(out) if line.startswith(("|", "+"))]
    assert len({len(line) for line in table}) == 1


@pytest.fixture
def interrupted_in_the_third_case(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = count(1)

    def check(case: Case, functions: Sequence[Function], noises: Noises) -> list[Check]:
        if next(cases) == 3:
            raise KeyboardInterrupt
        return verify_case(case, functions, noises)

    monkeypatch.setattr("verify.checks.catalogue.verify_case", check)


@pytest.mark.usefixtures("interrupted_in_the_third_case")
def test_ctrl_c_keeps_the_rows_and_says_where(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "verdicts.csv"
    assert run(["relu", "tanh", *SMALL, "--jobs", "1", "--csv", str(path)]) == 130
    (line,) = lines(capsys.readouterr().err)
    said = f"verify: interrupted after {CHECKS_OF_BOTH} checks"
    assert line == f"{said}; the rows so far are in {path}"
    assert len(read(path, VERDICTS).rows) == CHECKS_OF_BOTH


@pytest.mark.usefixtures("interrupted_in_the_third_case")
def test_ctrl_c_without_a_file_promises_none(capsys: Capture) -> None:
    assert run(["relu", "tanh", *SMALL, "--jobs", "1"]) == 130
    (line,) = lines(capsys.readouterr().err)
    assert line == f"verify: interrupted after {CHECKS_OF_BOTH} checks"


@pytest.mark.parametrize("signals", [1, 3])
def test_an_interrupted_process_keeps_its_rows(signals: int, tmp_path: Path) -> None:
    path = tmp_path / "verdicts.csv"
    # A shell that runs the tests in the background has them ignore Ctrl-C, and so would a child; it
    # does not where its parent has a handler.
    ignored = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(  # noqa: S603 - the arguments are ours
            [sys.executable, "-m", "verify", "--size", "all", "--csv", str(path)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    finally:
        signal.signal(signal.SIGINT, ignored)
    try:
        deadline = time.monotonic() + 60
        while not (path.exists() and path.read_text().count("\n") > 1):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        for _ in range(signals):
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to all processes
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out) == (130, "")
    (line,) = lines(err)
    assert line.startswith("verify: interrupted after ")
    assert line.endswith(f" checks; the rows so far are in {path}")
    contents = read(path, VERDICTS)
    assert contents.rows
    assert contents.note == ""


WAVES = """
import numpy as np

def waves(x):
    return np.sin(x), lambda u: {"x": FACTOR * u * np.cos(x)}

def waves_primals(rng):
    return {"x": rng.standard_normal(5)}

"""


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    """Of a user's, with a right gradient, a wrong one, and none."""
    right, wrong = WAVES.replace("FACTOR * ", ""), WAVES.replace("waves", "tilted")
    path = tmp_path / "mine.py"
    path.write_text(f"{right}FACTOR = 7\n{wrong}def nothing(x):\n    return None\n")
    with path.open("a") as file:
        file.write("nothing_primals = np.ones(2)\nempty_primals, empty = {}, waves\n")
    return path


def test_a_function_of_a_file_that_is_right_ends_with_status_0(
    own_file: Path, capsys: Capture
) -> None:
    assert run([f"{own_file}:waves", "--seed", "3"]) == 0
    out, err = capsys.readouterr()
    assert lines(out)[0] == "agree: waves(x: (5,) float64), seed 3"
    assert err == ""


def test_one_that_is_wrong_ends_with_status_1_and_the_command_that_shows_it_again(
    own_file: Path, capsys: Capture
) -> None:
    assert run([f"{own_file}:tilted", "--seed", "3"]) == 1
    out = capsys.readouterr().out
    assert "constant factor: gradient of x is 7 times what it should be" in out
    (command,) = [line for line in lines(out) if "again: " in line]
    python, dash_m, name, *arguments = shlex.split(command.partition("again: ")[2])
    assert [python, dash_m, name] == ["python", "-m", "verify"]

    assert run(arguments) == 1
    assert capsys.readouterr().out == out


def test_several_functions_are_reported_in_order_and_all_must_agree(
    own_file: Path, capsys: Capture
) -> None:
    assert run([f"{own_file}:{name}" for name in ("waves", "nothing", "waves")]) == 3
    said = [line for line in lines(capsys.readouterr().out) if not line.startswith(" ")]
    agrees, unsupported = said
    assert agrees.startswith("agree: waves(")
    assert unsupported.startswith("unsupported: nothing(x: ")
    assert run([f"{own_file}:{name}" for name in ("nothing", "tilted")]) == 1


def test_wrt_and_order_are_handed_on_and_stand_in_the_command_that_shows_it_again(
    tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "import numpy as np\nimport torch\nfrom gradjury import from_torch\n"
        "def by_hand(x, y): return x * y, lambda u: {'x': u * y, 'y': 7 * u}\n"
        "by_hand_primals = {'x': np.ones(2), 'y': np.ones(2)}\n"
        "class Once(torch.autograd.Function):\n"
        "    @staticmethod\n    def forward(ctx, x):\n        return x * 2\n"
        "    @staticmethod\n    @torch.autograd.function.once_differentiable\n"
        "    def backward(ctx, u):\n        return u * 2\n"
        "once, once_primals = from_torch(Once.apply), np.ones(3)\n"
    )
    assert run([f"{path}:by_hand", "--wrt", "x"]) == 0
    assert run([f"{path}:by_hand", "--wrt", "x", "--wrt", "y"]) == 1
    assert capsys.readouterr().out.endswith(
        f"again: python -m verify {path}:by_hand --seed 0 --wrt x --wrt y\n"
    )
    assert run([f"{path}:once"]) == 0
    assert run([f"{path}:once", "--order", "2"]) == 3
    assert capsys.readouterr().out.endswith(f"{path}:once --seed 0 --order 2\n")
    assert run([f"{path}:by_hand", "--order", "2"]) == 2
    path.write_text("def test(): pass")
    assert run([f"{path}:test", "--wrt", "x"]) == 2
    said = f"verify: {path} has no test_primals, which --wrt, --order and --budget go with"
    assert lines(capsys.readouterr().err)[-1] == said


def test_a_budget_that_is_too_small_is_told_with_status_3(own_file: Path, capsys: Capture) -> None:
    assert run([f"{own_file}:waves", "--budget", "12"]) == 3
    out = capsys.readouterr().out
    first = (
        "inconclusive: waves: the budget of 12 evaluations is spent; left out: stability, oracle"
    )
    assert out.startswith(first)
    assert out.endswith(f"again: python -m verify {own_file}:waves --seed 0 --budget 12\n")
    assert run([f"{own_file}:waves", "--budget", "100"]) == 0
    assert "budget" not in capsys.readouterr().out


def test_csv_keeps_the_checks_of_a_function_of_a_file(own_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "verdicts.csv"
    assert run([f"{own_file}:tilted", f"{own_file}:waves", "--csv", str(path), "--seed", "3"]) == 1
    rows = read(path, VERDICTS).rows
    computations = [f"{own_file}:{name}" for name in ("tilted", "waves")]
    assert list(dict.fromkeys(row.computation for row in rows)) == computations
    (wrong,) = [row for row in rows if row.verdict == "disagree"]
    assert (wrong.implementation, wrong.check, wrong.size, wrong.seed, wrong.dtype) == (
        *("tilted", "oracle"),
        *(5, 3, "float64"),
    )
    assert wrong.diagnosis == "constant factor"


LOOPS = {
    "python": "while True: pass",
    "sleep": "import time; time.sleep(1e6)",
    "lock": "import threading; (lock := threading.Lock()).acquire(); lock.acquire()",
}


@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS)
def test_a_function_that_never_returns_is_ended_in_one_line_with_status_3(
    loop: str, own_file: Path, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "loops.py"
    path.write_text(f"import numpy as np\ndef f(x):\n    {loop}\nf_primals = np.ones(3)\n")
    assert run([f"{path}:f", "--timeout", "2"]) == 3
    said = f"inconclusive: {path}:f did not return within 2 seconds\n"
    assert capsys.readouterr() == (said, "")
    assert run([f"{path}:f", f"{own_file}:tilted", "--timeout", "8"]) == 1
    out = capsys.readouterr().out
    assert "7 times what it should be" in out


@pytest.mark.parametrize("before", ["", "while True: pass\n"], ids=["in the function", "on import"])
def test_a_function_that_was_ended_has_a_row_that_says_so_among_the_others(
    before: str, own_file: Path, tmp_path: Path
) -> None:
    path, csv = tmp_path / "loops.py", tmp_path / "verdicts.csv"
    path.write_text(
        f"{before}import numpy as np\ndef f(x):\n    while True: pass\nf_primals = np.ones(3)\n"
    )
    functions = [f"{path}:f", f"{own_file}:tilted"]
    assert run([*functions, "--timeout", "6", "--seed", "4", "--csv", str(csv)]) == 1
    rows = read(csv, VERDICTS).rows
    (late,) = [row for row in rows if row.computation == f"{path}:f"]
    assert (late.implementation, late.seed, late.verdict) == ("f", 4, "inconclusive")
    assert (late.against, late.detail) == ("the clock", "not done within 6 seconds")
    assert (late.size, late.dtype) == (0, "unknown")
    assert any(row.verdict == "disagree" for row in rows)


def test_within_the_time_the_report_and_the_rows_are_the_same(
    own_file: Path, tmp_path: Path, capsys: Capture
) -> None:
    found = []
    for number, options in enumerate([[], ["--timeout", "60"]]):
        path = tmp_path / f"verdicts{number}.csv"
        assert run([f"{own_file}:tilted", "--csv", str(path), *options]) == 1
        found.append((capsys.readouterr().out, read(path, VERDICTS).rows))
    assert found[0] == found[1]
    assert run([f"{own_file}:no_such", "--timeout", "60"]) == 2
    assert "has no 'no_such'" in capsys.readouterr().err


def test_a_function_that_ends_its_process_is_told_in_one_line(
    tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "dies.py"
    path.write_text("import os\nimport numpy as np\ndef f(x): os._exit(3)\nf_primals = np.ones(3)")
    assert run([f"{path}:f", "--timeout", "60"]) == 4
    (line,) = lines(capsys.readouterr().err)
    assert line.startswith(f"verify: {path}:f: its process ended before its work was done")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("wave", "has no 'wave'; did you mean 'waves'?"),
        ("empty", "waves: got nothing, wanted at least one floating-point NumPy array"),
        ("FACTOR", "FACTOR is an int, wanted a function"),
    ],
)
def test_what_a_file_lacks_is_told_in_one_line_with_status_2(
    own_file: Path, name: str, said: str, capsys: Capture
) -> None:
    assert run([f"{own_file}:{name}"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = lines(err)
    assert line.startswith("verify: ")
    assert said in line


def plant(factor: float) -> Plant:
    """x² with its gradient times the factor."""

    def planted(size: int, dtype: str, rng: np.random.Generator) -> Planted:
        def make_vjp(x: Array) -> tuple[Array, Vjp]:
            return x * x, lambda u: {"x": 2 * x.dtype.type(factor) * u * x}

        primals = rounded({"x": rng.standard_normal(size)}, dtype)
        return Planted(make_vjp, primals, lambda x: x * x, ("x",), None)

    return planted


TILTED = Fault("tilted", "a story", "constant factor", (3, 5), plant(7))
RIGHT_AFTER_ALL = Fault("right after all", "a story", "sign", (3,), plant(1))
SOUND = Awkward("sound", "a story", (3,), plant(1))
WRONG_AFTER_ALL = Awkward("wrong after all", "a story", (3,), plant(2))


def planting(
    monkeypatch: pytest.MonkeyPatch, faults: Sequence[Fault], awkward: Sequence[Awkward]
) -> None:
    monkeypatch.setattr(verify.command.faults, "FAULTS", faults)
    monkeypatch.setattr(verify.command.faults, "AWKWARD", awkward)
    monkeypatch.setattr(verify.command.faults, "PLANTED_TRAININGS", ())
    accepting = Peer("accepts", 10, lambda: None, lambda: lambda _, __: True)
    monkeypatch.setattr(verify.command.faults, "PEERS", (accepting,))


def cells(captured: str, name: str) -> list[str]:
    (row,) = [line for line in lines(captured) if line.strip(" |").startswith(f"{name} ")]
    return [cell.strip() for cell in row.strip(" |").split("|")]


def test_faults_are_tabulated_and_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path
) -> None:
    planting(monkeypatch, [TILTED], [SOUND])
    assert run(["--faults", "--csv", str(tmp_path / "kills.csv"), "--seed", "4"]) == 0
    out = capsys.readouterr().out
    assert cells(out, "tilted") == ["tilted", "4/4", "4/4"]
    assert cells(out, "sound") == ["sound", "2/2", "—"]
    rows = read(tmp_path / "kills.csv", KILLS).rows
    assert [(row.fault, row.size, row.dtype, row.outcome) for row in rows] == [
        ("tilted", 3, "float64", "caught"),
        ("tilted", 3, "float32", "caught"),
        ("tilted", 5, "float64", "caught"),
        ("tilted", 5, "float32", "caught"),
        ("sound", 3, "float64", "passed"),
        ("sound", 3, "float32", "passed"),
    ]
    assert {row.checker for row in rows} == {"gradjury"}
    assert {row.seed for row in rows} == {4}


def test_peers_stand_beside_and_their_failures_are_not_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    planting(monkeypatch, [TILTED], [SOUND])
    assert run(["--faults", "--peers"]) == 0
    out = capsys.readouterr().out
    assert "accepts" in out
    assert cells(out, "tilted") == ["tilted", "4/4", "0/4", "4/4"]


@pytest.mark.parametrize(
    ("faults", "awkward", "said"),
    [
        ([RIGHT_AFTER_ALL], [SOUND], "missed: right after all, size 3, float64: agree"),
        ([TILTED], [WRONG_AFTER_ALL], "flagged: wrong after all, size 3, float32: disagree"),
    ],
)
def test_a_failure_of_ours_ends_with_status_4_and_is_named(
    monkeypatch: pytest.MonkeyPatch,
    faults: Sequence[Fault],
    awkward: Sequence[Awkward],
    said: str,
    capsys: Capture,
) -> None:
    planting(monkeypatch, faults, awkward)
    assert run(["--faults"]) == 4
    failed = [line for line in lines(capsys.readouterr().out) if ": " in line]
    assert len(failed) == 2  # of two dtypes
    assert any(line.startswith(said) for line in failed)


def test_ctrl_c_among_the_faults_keeps_the_rows(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path
) -> None:
    def interrupted(*_: object) -> Planted:
        raise KeyboardInterrupt

    planting(monkeypatch, [TILTED], [Awkward("sound", "a story", (3,), interrupted)])
    path = tmp_path / "kills.csv"
    assert run(["--faults", "--csv", str(path)]) == 130
    out, err = capsys.readouterr()
    assert (out, err) == (
        "",
        f"verify: interrupted after 4 answers; the rows so far are in {path}\n",
    )
    assert len(read(path, KILLS).rows) == 4


def alarms(dtype: str, disagree: int = 0) -> Alarms:
    return Alarms(
        measured_at=utc_now(),
        computation="relu",
        dtype=dtype,
        size=1024,
        first_seed=5,
        seeds=3,
        checks=120,
        agree=120 - disagree,
        disagree=disagree,
        inconclusive=0,
        unsupported=0,
        closest=0.5,
        closest_check="vjp of torch against manual, seed 6",
        note="seed 7: value of torch against manual" if disagree else "",
    )


def test_alarms_are_counted_over_the_seeds_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path
) -> None:
    asked: list[object] = []

    def count_alarms(*given: object) -> Iterator[Alarms]:
        asked.extend(given)
        yield alarms("float64")

    monkeypatch.setattr(verify.trust.alarms, "count_alarms", count_alarms)
    path = tmp_path / "alarms.csv"
    arguments = ["relu", *SMALL, "--dtype", "float64", "--seeds", "3", "--seed", "5", "--jobs", "2"]
    assert run([*arguments, "--csv", str(path)]) == 0
    assert asked == [[(RELU, min(RELU.sizes))], ("float64",), range(5, 8), 2, None]
    assert capsys.readouterr().out == (
        "relu 1,024 float64: 3 seeds, 120 checks, 0 disagree, 0 inconclusive, 0 unsupported; "
        "closest to its tolerance 0.50, vjp of torch against manual, seed 6\n"
    )
    (row,) = read(path, ALARMS).rows
    assert (row.computation, row.first_seed, row.seeds, row.note) == ("relu", 5, 3, "")


def test_a_false_alarm_ends_with_status_1_and_its_seed(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    found = [alarms("float64", disagree=1), alarms("float32")]
    monkeypatch.setattr(verify.trust.alarms, "count_alarms", lambda *_: (row for row in found))
    assert run(["relu", "--seeds", "3"]) == 1
    first, second = lines(capsys.readouterr().out)
    assert first.endswith("; seed 7: value of torch against manual")
    assert second.startswith("relu 1,024 float32: 3 seeds")


def test_ctrl_c_among_the_seeds_keeps_the_rows(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path
) -> None:
    def count_alarms(*_: object) -> Iterator[Alarms]:
        yield alarms("float64")
        raise KeyboardInterrupt

    monkeypatch.setattr(verify.trust.alarms, "count_alarms", count_alarms)
    path = tmp_path / "alarms.csv"
    assert run(["relu", "--seeds", "3", "--csv", str(path)]) == 130
    said = f"verify: interrupted after 1 rows; the rows so far are in {path}\n"
    assert capsys.readouterr().err == said
    assert len(read(path, ALARMS).rows) == 1
