"""An engine that no file of the project knows of is verified, timed and reported like any other."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import reference_impls
from reference_impls import COMPUTATIONS, Autograd, Computation, draw
from reference_impls.__main__ import support_matrix
from reference_impls.derivatives import second_vjp
from reference_impls.engines import Backend, SecondOrder, register, registered, unregister
from results.report import write_report
from results.store import read
from results.tables import TIMINGS, VERDICTS
from tests.reference_impls.engines.toy_engine import BODIES, Duals
from verify.command.main import run

ROOT = Path(__file__).parents[3]
DASH = "—"

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def duals() -> Iterator[Backend]:
    engine = Duals()
    register(engine)
    yield engine
    unregister(engine)


def named(name: str) -> Computation:
    return next(each for each in COMPUTATIONS if each.name == name)


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("| ").split("|")]


def cell(lines: list[str], row: str, column: str) -> str:
    """A cell of the first table that has this column."""
    start = next(i for i, line in enumerate(lines) if column in line and "|" in line)
    place = next(i for i, title in enumerate(cells(lines[start])) if column in title)
    found = next(line for line in lines[start:] if cells(line)[0] == row)
    return cells(found)[place]


def test_what_is_no_engine_is_refused_in_one_line() -> None:
    before = registered()
    for given, what in ((3, "an int, which lacks name, device"), (Duals, "the class Duals")):
        with pytest.raises(TypeError, match=rf"^register: got {what}.*; wanted an eng") as found:
            register(given)  # type: ignore[arg-type]
        assert "\n" not in str(found.value)
    with pytest.raises(ValueError, match=r"^an int: this engine was never registered$"):
        unregister(3)  # type: ignore[arg-type]
    assert registered() == before


@pytest.mark.parametrize("name", ["", "a b", "torch/cuda", "[/red]", "a\nb", 3])
def test_an_engine_has_a_name_that_no_table_takes_for_something_else(name: str) -> None:
    engine = Duals()
    engine.name = name
    with pytest.raises(ValueError, match=r"^register: got the name .*, wanted a word of letters"):
        register(engine)


def test_an_engine_is_for_a_device_that_there_is() -> None:
    engine = Duals()
    engine.device = "tpu"
    with pytest.raises(ValueError, match=r"^unknown device 'tpu': accepted are cpu, cuda"):
        register(engine)


def test_an_engine_is_registered_until_it_is_taken_back() -> None:
    before, engine = registered(), Duals()
    register(engine)
    assert registered() == (*before, engine)
    assert engine in registered("cpu")
    assert engine not in registered("cuda")
    assert registered("cpu") == reference_impls.BACKENDS
    unregister(engine)
    assert registered() == before
    assert registered("cpu") == reference_impls.BACKENDS


def test_one_name_is_registered_once(duals: Backend) -> None:
    with pytest.raises(ValueError, match="dual: an engine of this name is registered already"):
        register(Duals())
    assert registered().count(duals) == 1
    for stranger in (Duals(), Autograd()):
        with pytest.raises(ValueError, match=f"{stranger.name}: this engine was never registered"):
            unregister(stranger)


def test_an_engine_without_second_derivatives_says_so(duals: Backend) -> None:
    assert not isinstance(duals, SecondOrder)
    assert all(isinstance(each, SecondOrder) for each in registered() if each is not duals)
    computation = named("tanh")
    primals = draw(computation, 32, "float64")
    with pytest.raises(NotImplementedError, match="dual does not differentiate its derivatives"):
        second_vjp(duals, computation, primals, primals["x"], primals)


@pytest.mark.usefixtures("duals")
def test_the_support_matrix_has_a_dash_for_what_it_lacks() -> None:
    lines = support_matrix().splitlines()
    marks = {each.name: cell(lines, each.name, "dual") for each in COMPUTATIONS}
    assert {name for name, mark in marks.items() if mark == "✓"} == set(BODIES)
    assert {mark for name, mark in marks.items() if name not in BODIES} == {DASH}


@pytest.mark.usefixtures("duals")
def test_it_is_verified_timed_and_reported_with_a_dash_for_what_it_lacks(
    tmp_path: Path, capsys: Capture
) -> None:
    wanted = ("linear", "exponential_loss")
    assert run([*wanted, "--size", "smallest", "--csv", str(tmp_path / "verdicts.csv")]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert cell(shown, "linear", "dual") not in {"", DASH}
    assert cell(shown, "exponential_loss", "dual") == DASH
    verdicts = read(tmp_path / "verdicts.csv", VERDICTS).frame
    its = verdicts[verdicts["implementation"] == "dual"]
    assert set(its["computation"]) == {"linear"}
    assert set(its["verdict"]) == {"agree"}
    assert {"contract", "stability", "oracle", "precision"} <= set(its["check"])

    done = subprocess.run(  # noqa: S603 -- our own command
        [
            *(sys.executable, "-m", "pytest", "-q", "--benchmark-only", f"--results={tmp_path}"),
            *("-p", "tests.reference_impls.engines.toy_engine"),
            *("--benchmark-max-time=0.001", "--benchmark-min-rounds=1"),
            *("-k", "(linear- or exponential_loss) and not scaled and not 100"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    timings = read(tmp_path / "timings.csv", TIMINGS).frame
    its = timings[timings["implementation"] == "dual"]
    assert set(its["computation"]) == {"linear"}
    assert set(its["status"]) == {"ok"}
    assert len(its) == 2 * 2  # dtypes by operators
    assert set(timings["computation"]) == set(wanted)

    lines = write_report(tmp_path).read_text().splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith("| computation")]
    assert len(starts) == 1 * 2 + 4 * 2  # of verdicts and of times, for either dtype
    for start in starts:
        table = lines[start:]
        assert cell(table, "linear", "dual") not in {"", DASH}
        assert cell(table, "exponential_loss", "dual") == DASH
