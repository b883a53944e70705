"""Who may import whom, as pyproject.toml has it for import-linter, and how large rooms may be."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
LINTER = "from importlinter.cli import lint_imports_command as lint; lint(['--no-cache'])"


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the project that a test may spoil."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    only_python = shutil.ignore_patterns("__pycache__", "runs", "local")
    for package in CONTRACTS["root_packages"]:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=only_python)
    return tmp_path


def lint(house: Path) -> subprocess.CompletedProcess[str]:
    # A fresh process: in this one, the packages are already loaded from where they are.
    return subprocess.run(  # noqa: S603 -- our own command
        [sys.executable, "-c", LINTER], cwd=house, capture_output=True, text=True, check=False
    )


def test_the_project_imports_downward_only(house: Path) -> None:
    done = lint(house)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("module", "turned_round", "contract"),
    [
        ("results/tables.py", "import verify", "packages import downward only"),
        ("results/store.py", "import bench.gate", "packages import downward only"),
        ("verify/user/checker.py", "import bench.gate", "packages import downward only"),
        ("reference_impls/computation.py", "import results.tables", "packages import"),
        ("verify/error_model/arrays.py", "import verify.checks.case", "rooms of verify"),
        ("verify/checks/check.py", "import verify.user.checker", "rooms of verify"),
        ("verify/oracles/estimate.py", "import verify", "rooms of verify"),
        ("verify/checks/check.py", "import verify.checks.catalogue", "verify.checks"),
        ("reference_impls/implicit/errors.py", "import reference_impls.engines", "computations"),
        ("verify/oracles/estimate.py", "import verify.oracles.derivative", "in a circle"),
        ("results/errors.py", "import results.store", "in a circle"),
        ("verify/attic/__init__.py", '"""A room that nobody gave a floor."""', "rooms of verify"),
    ],
)
def test_an_import_turned_round_breaks_a_contract(
    house: Path, module: str, turned_round: str, contract: str
) -> None:
    file = house / module
    file.parent.mkdir(exist_ok=True)
    with file.open("a", encoding="utf-8") as opened:
        opened.write(f"\n{turned_round}\n")
    done = lint(house)
    assert done.returncode == 1, done.stdout + done.stderr
    broken = [line for line in done.stdout.splitlines() if line.endswith("BROKEN")]
    assert any(contract in line for line in broken)


def test_verify_has_at_most_eight_rooms() -> None:
    rooms = [file.parent for file in (ROOT / "verify").glob("*/__init__.py")]
    assert 0 < len(rooms) <= 8


def test_no_file_of_verify_is_longer_than_350_lines() -> None:
    lengths = {
        file.relative_to(ROOT / "verify").as_posix(): len(file.read_text("utf-8").splitlines())
        for file in (ROOT / "verify").rglob("*.py")
    }
    assert lengths
    assert not {name: length for name, length in lengths.items() if length > 350}
