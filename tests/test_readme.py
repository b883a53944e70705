"""What the READMEs say is true: their Python, their output, their commands, tables and links."""

import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from reference_impls.__main__ import support_matrix
from tests import documents
from tests.documents import CONTRIBUTING, DOCUMENTS, READMES, ROOT, Example, name_of

EXAMPLES = [
    pytest.param(example, id=f"{name_of(readme)}-{number}")
    for readme in READMES
    for number, example in enumerate(documents.examples(readme), start=1)
]
OUTPUTS = [each for readme in READMES for each in documents.outputs(readme)]
COMMANDS = dict.fromkeys(
    command for document in DOCUMENTS for command in documents.commands(document)
)


def without_errors(text: str) -> str:
    """Rounding errors are another machine's, and with them the widths of their columns.

    A number that is shown with all its digits is the same everywhere, but for the last of them.
    """
    measured = re.sub(r"-?\d+(\.\d+)?e[+-]\d+|-?\d+\.(?P<decimals>\d+)", _nine_digits, text)
    return re.sub(r"[ -]+", " ", measured).rstrip()


def _nine_digits(number: re.Match[str]) -> str:
    in_full = len(number["decimals"] or "") > 9
    return f"{float(number[0]):.9g}" if in_full else "~"


@pytest.mark.parametrize("example", EXAMPLES)
def test_python_runs_and_prints_what_is_shown_or_else_finds_nothing_wrong(
    example: Example, capsys: pytest.CaptureFixture[str]
) -> None:
    exec(compile(example.code, "README.md", "exec"), {})  # noqa: S102 -- our own text
    printed = capsys.readouterr().out
    assert printed
    if example.printed is None:
        assert "disagree" not in printed
    else:  # where long lines are folded
        assert without_errors(printed).split() == without_errors(example.printed).split()


def test_without_its_mistake_the_first_example_agrees(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = documents.examples(READMES[0])
    mended = example.code.replace("np.outer(x, delta)", "np.outer(delta, x)")
    assert mended != example.code
    exec(compile(mended, "README.md", "exec"), {})  # noqa: S102 -- our own text
    assert capsys.readouterr().out.startswith("agree")


@pytest.fixture
def status_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    """Runs `python -m MODULE ARGUMENTS` here, where PyTorch need not be loaded once more."""

    def run(module: str, *arguments: str) -> object:
        monkeypatch.setattr(sys, "argv", [module, *arguments])
        with pytest.raises(SystemExit) as stopped:
            runpy.run_module(module, run_name="__main__")
        return stopped.value.code

    return run


another_imported_it = pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")


@another_imported_it
@pytest.mark.parametrize(("command", "shown"), OUTPUTS)
def test_a_command_says_what_is_shown_but_for_rounding(
    command: str, shown: str, status_of: Callable[..., object], capfd: pytest.CaptureFixture[str]
) -> None:
    # Other processes would load PyTorch, too; they print the same (tests/verify/command).
    assert not status_of(*shlex.split(command.removeprefix("python -m ")), "--jobs", "1")
    printed, complaint = capfd.readouterr()
    assert complaint == ""
    assert [*map(without_errors, printed.splitlines())] == [
        *map(without_errors, shown.splitlines())
    ]


def test_there_is_python_to_run_and_output_to_compare() -> None:
    found = [*documents.examples(READMES[0])]
    assert len(found) == 1
    assert found[0].printed
    assert len(EXAMPLES) == 6
    assert len(OUTPUTS) == 1


@pytest.fixture(scope="module")
def options_of_pytest() -> set[str]:
    """Those of the plugins and of the benchmarks with them."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", done.stdout))


OUR_MODULES = (
    *("verify", "results", "reference_impls"),
    *("bench.start", "bench.trainings", "bench.claims"),
)


@another_imported_it
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_exists_with_the_options_it_is_given(
    command: str, status_of: Callable[..., object], request: pytest.FixtureRequest
) -> None:
    match shlex.split(command):
        case ["python", "-m", module, *arguments] if module in OUR_MODULES:
            # An unknown option is refused before --help is heard.
            assert not status_of(module, *arguments, "--help")
        case ["python", "-m", "pytest", *arguments] | ["pytest", *arguments]:
            known = request.getfixturevalue("options_of_pytest")
            assert {each.split("=")[0] for each in arguments if each.startswith("-")} <= known
        case ["tox", "-e", environments]:
            known = documents.tox_environments().sections()
            assert {f"testenv:{name}" for name in environments.split(",")} <= {*known}
        case ["python", "-m", "pip", "install", *arguments]:
            groups = [group for word, group in pairwise(arguments) if word == "--group"]
            assert {*groups} <= documents.dependency_groups()
        case [first, *_]:
            known_otherwise = {"git", "gradjury", "lint-imports", "pre-commit", "ruff"}
            assert first in known_otherwise, f"nobody looks after {command}"


def test_the_support_matrix_is_the_generated_one() -> None:
    start = "<!-- support matrix: generated by python -m reference_impls -->\n"
    _, _, rest = documents.read(ROOT / "reference_impls" / "README.md").partition(start)
    matrix, _, _ = rest.partition("\n<!-- /support matrix -->")
    assert matrix == support_matrix()


@pytest.mark.parametrize("readme", READMES[1:], ids=name_of)
def test_every_room_stands_in_the_table_of_its_readme(readme: Path) -> None:
    rows = [line for line in documents.read(readme).splitlines() if line.startswith("| `")]
    rooms = [file.parent.name for file in readme.parent.glob("*/__init__.py")]
    assert rooms
    assert [room for room in rooms if not any(row.startswith(f"| `{room}/`") for row in rows)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_its_links_lead_somewhere(document: Path) -> None:
    for link in documents.links(document):
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), link
        assert not anchor or anchor in documents.anchors(target), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_a_run_that_it_names_is_there(document: Path) -> None:
    for run in re.findall(r"[\w-]+core/\d{4}-\d\d-\d\d-[0-9a-f]{10}", documents.read(document)):
        assert (ROOT / "results" / "runs" / run / "report.md").is_file(), run


def test_ci_runs_the_test_command_of_the_readme() -> None:
    command = "python -m pip install tox && tox -e tests"
    assert command in documents.read(READMES[0])
    assert command in documents.read(ROOT / ".ci" / "run")


def test_contributing_is_one_page() -> None:
    assert len(documents.read(CONTRIBUTING).splitlines()) <= 90
