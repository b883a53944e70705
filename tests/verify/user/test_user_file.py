import re
import sys
from pathlib import Path

import numpy as np
import pytest

from verify.checks.report import Report
from verify.command.main import run
from verify.user.user_file import UserFileError, check_user_file, is_user_file

SINES = """
import numpy as np

def sines(x):
    return np.sum(np.sin(x)), lambda u: {"x": u * np.cos(x)}

"""
WRONG = SINES.replace("u * np.cos", "2 * u * np.cos")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mine.py"


def found(file: Path, text: str, name: str = "sines", seed: int = 0) -> Report:
    file.write_text(text)
    report = check_user_file(f"{file}:{name}", seed)
    assert report is not None
    return report


@pytest.mark.parametrize(
    ("argument", "is_file"),
    [
        ("mine.py:f", True),
        ("../there/mine.py:f", True),
        ("mine.py", True),
        ("relu", False),
        ("mine:f", False),
        ("mine.pyc", False),
    ],
)
def test_a_file_is_told_from_a_computation(argument: str, is_file: bool) -> None:  # noqa: FBT001 - of a table
    assert is_user_file(argument) == is_file


@pytest.mark.parametrize(
    "primals",
    [
        "{'x': np.ones((2, 3))}",
        "{'x': np.ones(3, np.float32)}",
        "lambda rng: {'x': rng.standard_normal(5)}",
    ],
)
def test_primals_stand_beside_the_function_or_are_drawn(file: Path, primals: str) -> None:
    assert found(file, f"{SINES}sines_primals = {primals}").verdict == "agree"


def test_primals_may_be_a_tuple_or_an_array(file: Path) -> None:
    function = "import numpy as np\ndef sines(x):\n    return np.sin(x), lambda u: u * np.cos(x)\n"
    for primals in ("np.ones(3)", "(np.ones(3),)"):
        assert found(file, f"{function}sines_primals = {primals}").verdict == "agree"


def test_primals_are_drawn_from_the_seed_that_is_reported(file: Path) -> None:
    text = f"{WRONG}sines_primals = lambda rng: {{'x': np.ones(rng.integers(1000))}}"
    first, again, other = (found(file, text, seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert first.seed == 3
    assert first.call != other.call


def test_a_disagreement_ends_with_the_command_that_shows_it_again(file: Path) -> None:
    report = found(file, f"{WRONG}sines_primals = {{'x': np.ones(3)}}", seed=3)
    assert str(report).endswith(f"  again: python -m verify {file}:sines --seed 3")


def test_a_function_may_make_its_own_report(file: Path) -> None:
    text = (
        f"{SINES}import verify\n"
        "def mine():\n"
        "    return verify.check(sines, {'x': np.ones(3)}, seed=5, probes=3)\n"
        "done = mine()\n"
    )
    for name in ("mine", "done"):
        report = found(file, text, name)
        assert report.verdict == "agree"
        assert report.again == "check(sines, primals, seed=5, probes=3)"


def test_a_file_may_import_what_lies_beside_it(file: Path) -> None:
    file.with_name("gradjury_neighbour.py").write_text("FACTOR = 2.0\n")
    text = f"from gradjury_neighbour import FACTOR\n{SINES}sines_primals = {{'x': np.ones(3)}}"
    assert found(file, text).verdict == "agree"


def test_dataclasses_in_a_file_find_their_module(file: Path) -> None:
    text = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        f"@dataclass\nclass Layer:\n    width: int\n{SINES}"
        "sines_primals = {'x': np.ones(Layer(3).width)}"
    )
    assert found(file, text).verdict == "agree"


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        (SINES, "sinus", r"FILE has no 'sinus'; did you mean 'sines'\?"),
        ("sines = 3", "sines", r"FILE:sines is an int, wanted a function"),
        ("def sines(:", "sines", r"FILE raised SyntaxError: .*line 1.*"),
        (
            "1 / 0",
            "sines",
            r"FILE raised ZeroDivisionError: division by zero \(mine.py:1, in <module>\)",
        ),
        ("import no_such_module", "sines", r"FILE raised ModuleNotFoundError: .*no_such_module.*"),
        ("raise SystemExit", "sines", r"FILE ended itself as it was read; a script needs `if .*"),
        (
            SINES,
            "sines",
            r"FILE:sines\(\) raised TypeError: .*missing 1 required.*; wanted sines_primals .*",
        ),
        (
            "def sines():\n    return 3",
            "sines",
            r"FILE:sines\(\) returned an int; .*, or a function that returns verify.check\(...\)",
        ),
        (
            f"{SINES}def sines_primals(rng):\n    raise OSError('no data\\nhere')",
            "sines",
            r"FILE:sines_primals raised OSError: no data \(mine.py:8, in sines_primals\)",
        ),
        (f"{SINES}sines_primals = {{}}", "sines", r"sines: got nothing, wanted at least one .*"),
        (
            f"{SINES}sines_primals = {{'x': np.array([np.nan])}}",
            "sines",
            r"sines: x\[0\] is NaN",
        ),
    ],
)
def test_what_is_not_there_is_told_in_one_line(file: Path, text: str, name: str, said: str) -> None:
    with pytest.raises((UserFileError, TypeError, ValueError)) as caught:
        found(file, text, name)
    assert re.fullmatch(said.replace("FILE", re.escape(str(file))), str(caught.value))


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("no_such.py:f", "cannot read no_such.py: no such file"),
        ("no_such.py", "got no_such.py, wanted FILE.py:NAME"),
        ("no_such.py:", "got no_such.py:, wanted FILE.py:NAME"),
        (":f", "got :f, wanted FILE.py:NAME"),
    ],
)
def test_an_argument_that_names_no_function_of_a_file_is_refused(argument: str, said: str) -> None:
    with pytest.raises(UserFileError) as caught:
        check_user_file(argument, 0)
    assert str(caught.value) == said


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.py:csv"
    np.savetxt(path, np.ones(3))
    with pytest.raises(UserFileError, match="it is no Python file"):
        check_user_file(f"{path}:x", 0)


def test_a_function_may_import_what_lies_beside_it_as_late_as_it_likes(file: Path) -> None:
    file.with_name("gradjury_late.py").write_text("FACTOR = 1.0\n")
    late = SINES.replace("    return", "    import gradjury_late\n    return")
    before = list(sys.path)
    assert found(file, f"{late}sines_primals = {{'x': np.ones(3)}}").verdict == "agree"
    assert sys.path == before


def test_no_other_entry_is_taken_off_the_path(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = list(sys.path)
    text = "import sys\nsys.path.insert(0, 'of its own')\n"
    assert found(file, f"{text}{SINES}sines_primals = {{'x': np.ones(3)}}").verdict == "agree"
    assert sys.path == ["of its own", *before]
    found(file, f"import sys\ndel sys.path[0]\n{SINES}sines_primals = {{'x': np.ones(3)}}")
    assert sys.path == ["of its own", *before]


TEST = "import verify\ndef test_sines():\n    verify.check(sines, {'x': np.ones(3)}, seed=5)"


def test_a_test_that_fails_has_its_report_shown(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(f"{WRONG}{TEST}.raise_for_verdict()\n")
    assert run([f"{file}:test_sines"]) == 1
    shown = capsys.readouterr().out
    assert shown.startswith("disagree: sines: ")
    assert "\n  sines(x: (3,) float64), seed 5\n" in shown
    assert shown.endswith("again: check(sines, primals, seed=5)\n")


def test_a_test_that_passes_is_not_against_it(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(f"{SINES}{TEST}.raise_for_verdict()\n")
    assert check_user_file(f"{file}:test_sines", 0) is None
    assert run([f"{file}:test_sines"]) == 0
    assert capsys.readouterr().out == f"{file}:test_sines: no verdict was against it\n"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("import sys\ndef sines():\n    sys.exit(3)", "sines"),
        (f"import sys\n{SINES}def sines_primals(rng):\n    sys.exit(3)", "sines_primals"),
    ],
)
def test_a_function_that_ends_the_process_is_told_in_one_line(
    file: Path, text: str, name: str
) -> None:
    with pytest.raises(UserFileError, match=rf"{name}(\(\))? raised SystemExit: 3") as caught:
        found(file, text)
    assert "\n" not in str(caught.value)
