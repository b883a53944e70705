import subprocess
import sys
from pathlib import Path

import pytest

from results.__main__ import run
from results.store import Appender
from results.tables import VERDICTS, column_dictionary

ROOT = Path(__file__).parents[2]


Captured = pytest.CaptureFixture[str]


def test_columns_prints_the_dictionary(capsys: Captured) -> None:
    assert run(["columns"]) == 0
    assert capsys.readouterr() == (column_dictionary() + "\n", "")


def test_report_says_what_it_wrote(tmp_path: Path, capsys: Captured) -> None:
    Appender(tmp_path / "verdicts.csv", VERDICTS).close()
    assert run(["report", str(tmp_path)]) == 0
    assert capsys.readouterr() == (f"wrote {tmp_path / 'report.md'}\n", "")
    assert (tmp_path / "report.md").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["report", "nowhere"], "cannot read nowhere: not a directory"),
        (["reprot"], "No such command 'reprot'. The commands are: columns, report."),
        (["report"], "Missing argument 'DIRECTORY'."),
        (["report", "--fast", "nowhere"], "No such option '--fast'."),
        (["report", "here", "there"], "Got unexpected extra argument (there)"),
    ],
)
def test_a_mistake_ends_with_one_line_and_status_2(
    arguments: list[str], said: str, capsys: Captured
) -> None:
    assert run(arguments) == 2
    assert capsys.readouterr() == ("", f"results: {said}\n")


def test_without_a_command_the_help_is_shown(capsys: Captured) -> None:
    assert run([]) == 2
    printed, complaint = capsys.readouterr()
    assert printed == ""
    assert "Write report.md from the CSV files in DIRECTORY." in complaint


def test_bad_input_is_one_line_without_a_traceback(tmp_path: Path) -> None:
    """Run it as a person does."""
    (tmp_path / "verdicts.csv").write_text("colour\nred\n")
    done = subprocess.run(  # noqa: S603 - the arguments are ours
        [sys.executable, "-m", "results", "report", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"results: {tmp_path / 'verdicts.csv'}, line 1: ")
    assert line.endswith("unknown 'colour'")


def test_it_imports_neither_what_it_reports_on_nor_torch() -> None:
    script = (
        "import results.__main__, results.report, sys;"
        "sys.exit(', '.join(sys.modules.keys() & {'bench', 'reference_impls', 'torch', 'verify'}))"
    )
    done = subprocess.run(  # noqa: S603 - the script above
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == ""


def test_to_append_a_row_no_pandas_is_imported() -> None:
    script = (
        "import results.__main__, results.environment, results.store, sys;"
        "sys.exit(', '.join(sys.modules.keys() & {'jinja2', 'pandas', 'scipy'}))"
    )
    done = subprocess.run(  # noqa: S603 - the script above
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == ""
