import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from results.__main__ import main
from results.store import Appender
from results.tables import VERDICTS, column_dictionary

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_columns_prints_the_dictionary() -> None:
    result = run("columns")
    assert (result.exit_code, result.stdout) == (0, column_dictionary() + "\n")


def test_report_says_what_it_wrote(tmp_path: Path) -> None:
    Appender(tmp_path / "verdicts.csv", VERDICTS).close()
    result = run("report", str(tmp_path))
    assert (result.exit_code, result.stdout) == (0, f"wrote {tmp_path / 'report.md'}\n")
    assert (tmp_path / "report.md").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["report", "nowhere"], "Error: cannot read nowhere: not a directory"),
        (["reprot"], "The commands are: columns, report."),
        (["report"], "Error: Missing argument 'DIRECTORY'."),
        (["report", "--fast", "nowhere"], "No such option"),
    ],
)
def test_a_mistake_ends_with_one_line_and_status_2(arguments: list[str], said: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert said in result.stderr.splitlines()[-1]


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
    assert line.startswith(f"Error: {tmp_path / 'verdicts.csv'}, line 1: ")
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
