"""A user's own files, which have the names of our packages, in the folder that they work in."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from gradjury.neighbours import check_not_hidden
from tests.gradjury.fresh import python

REMEDY = "rename it, or work in another folder"


def said_of(hiding: Path) -> str:
    package = hiding.parent.name if hiding.stem == "__init__" else hiding.stem
    return f"{hiding} hides gradjury's own package {package!r}: {REMEDY}"


@pytest.fixture(params=["{}.py", "{}/__init__.py"])
def foreign(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a user's module may be, with a gap for its name."""
    path = tmp_path / str(request.param)
    return str(path)


def written(foreign: str, name: str) -> Path:
    path = Path(foreign.format(name))
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine = 1\n")
    return path


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("verify", ["verify", "relu"]),
        ("results", ["verify", "relu"]),
        ("reference_impls", ["verify", "relu"]),
        ("results", ["report", "."]),
        ("reference_impls", ["verfy"]),
    ],
)
def test_the_command_says_in_one_line_which_file_hides_a_package_of_ours(
    foreign: str, name: str, command: list[str], tmp_path: Path
) -> None:
    path = written(foreign, name)
    done = python("-m", "gradjury", *command, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"gradjury: {said_of(path)}\n"


@pytest.mark.parametrize("name", ["verify", "reference_impls"])
@pytest.mark.parametrize("code", ["from gradjury import check", "import gradjury; gradjury.check"])
def test_an_import_raises_it(foreign: str, name: str, code: str, tmp_path: Path) -> None:
    path = written(foreign, name)
    done = python("-c", code, folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"ImportError: {said_of(path)}"


def test_what_is_imported_already_is_found_too(tmp_path: Path) -> None:
    path = written(str(tmp_path / "elsewhere" / "{}.py"), "verify")
    code = (
        f"import sys; sys.path.insert(0, {str(path.parent)!r}); import verify; sys.path.pop(0)\n"
        "from gradjury import check"
    )
    done = python("-c", code, folder=tmp_path)
    assert done.stderr.splitlines()[-1] == f"ImportError: {said_of(path)}"


@pytest.mark.parametrize("name", ["results", "bench"])
def test_a_file_that_hides_what_is_not_needed_does_no_harm(
    foreign: str, name: str, tmp_path: Path
) -> None:
    written(foreign, name)
    code = (
        "import numpy as np; from gradjury import check\n"
        "print(check(lambda x: (x @ x, lambda u: 2 * u * x), np.ones(2)).verdict)"
    )
    done = python("-c", code, folder=tmp_path)
    assert (done.stdout, done.stderr) == ("agree\n", "")


def test_a_folder_that_is_no_package_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "verify").mkdir()
    done = python("-m", "gradjury", "verify", "rleu", folder=tmp_path)
    assert done.stderr.startswith("verify: unknown computation 'rleu'")


def test_our_own_packages_hide_nothing() -> None:
    check_not_hidden("bench", "reference_impls", "results", "verify")


def test_a_module_made_on_the_spot_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bench", ModuleType("bench"))
    check_not_hidden("bench")
