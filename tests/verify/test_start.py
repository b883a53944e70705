"""What a fresh process has loaded, which is what it has waited for."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

ENGINES = {"torch", "autograd", "scipy"}
HEAVY = {*ENGINES, "mpmath", "pandas", "pydantic", "mlxtend", "threadpoolctl"}
COMPUTATIONS = "reference_impls.computations"

SQUARE = """
import numpy as np
from verify import check

def square(x):
    return np.sum(x * x), lambda u: {"x": FACTOR * u * x}

def square_primals(rng):
    return {"x": rng.standard_normal(5)}
"""
OWN = SQUARE.replace("FACTOR", "2")
WRONG = SQUARE.replace("FACTOR", "3")
CHECKED = 'report = check(square, {"x": np.arange(3.0)})\nprint(report, file=sys.stderr)\n'


def loaded_by(code: str) -> tuple[set[str], str]:
    """The modules that a fresh process has loaded after this code, and what it wrote to stderr."""
    done = subprocess.run(  # noqa: S603 -- the code is this file's
        [sys.executable, "-c", f"import sys\n{code}\nprint('\\nloaded', *sys.modules)"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return set(done.stdout.rpartition("\nloaded ")[2].split()), done.stderr


def test_importing_loads_no_engine_and_no_computation() -> None:
    loaded, _ = loaded_by("import verify")
    assert "verify" in loaded
    assert not loaded & {*HEAVY, COMPUTATIONS, "verify.user"}


@pytest.mark.parametrize(("own", "verdict"), [(OWN, "agree"), (WRONG, "disagree")])
def test_a_numpy_function_is_checked_from_start_to_report_without_an_engine(
    own: str, verdict: str
) -> None:
    loaded, report = loaded_by(own + CHECKED)
    assert report.startswith(f"{verdict}: square")
    assert "square(x: (3,) float64)" in report
    assert not loaded & {*HEAVY, COMPUTATIONS, "click", "rich"}


def test_from_numpy_needs_no_engine_and_the_other_adapters_only_their_own() -> None:
    assert not loaded_by("from verify import from_numpy, Report, WrongGradientError")[0] & HEAVY
    assert loaded_by("from verify import from_autograd")[0] & HEAVY == {"autograd"}
    loaded, _ = loaded_by("from verify import from_torch")
    assert "torch" in loaded
    assert "autograd" not in loaded


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--help"], 0),
        (["--list"], 0),
        (["rleu"], 2),
        (["--sed", "1"], 2),
        (["relu", "--size", "1025"], 2),
        (["relu", "--peers"], 2),
        (["no_such_file.py:f"], 2),
        (["{own}:cube"], 2),
        (["{own}:square"], 0),
    ],
)
def test_a_command_that_computes_with_no_engine_loads_none(
    arguments: list[str], status: int, tmp_path: Path
) -> None:
    own = tmp_path / "own.py"
    own.write_text(OWN)
    given = [argument.format(own=own) for argument in arguments]
    loaded, _ = loaded_by(f"from verify.command.main import run\nassert run({given}) == {status}")
    assert "click" in loaded
    assert not loaded & {*HEAVY, COMPUTATIONS}


@pytest.mark.parametrize("way", [["relu"], ["relu", "--seeds", "2"], ["--faults"]])
def test_a_file_that_cannot_be_written_is_refused_before_an_engine_is_loaded(
    way: list[str], tmp_path: Path
) -> None:
    given = [*way, "--csv", str(tmp_path)]
    loaded, said = loaded_by(f"from verify.command.main import run\nassert run({given}) == 2")
    assert said == f"verify: cannot write {tmp_path}: Is a directory\n"
    assert not loaded & {*ENGINES, COMPUTATIONS}


def test_one_computation_loads_no_other() -> None:
    run = "from verify.command.main import run\nassert run(['tanh', '--size', 'smallest']) == 0"
    loaded, _ = loaded_by(run)
    found = {name.rpartition(".")[2] for name in loaded if name.startswith(f"{COMPUTATIONS}.")}
    assert found == {"tanh"}
