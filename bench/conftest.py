"""Benchmarks run on request, `pytest --benchmark-only`; every case becomes a row as it is timed."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from results.environment import git_state, write_environment
from results.errors import ResultsError
from results.store import Appender
from results.tables import TIMINGS, Timing
from verify.threads import one_thread

HERE = Path(__file__).parent
DIRECTORY = pytest.StashKey[Path]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--results``."""
    parser.addoption(
        "--results",
        type=Path,
        metavar="DIR",  # written --results=DIR: pytest would take DIR alone for a test path
        help="where benchmarks write timings.csv and environment.json "
        "(default: a new folder in results/local)",
    )


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Leave the benchmarks out of a plain test run."""
    named = any(HERE.name in Path(argument).parts for argument in config.invocation_params.args)
    return None if config.getoption("benchmark_only") or named else True


@pytest.fixture(scope="session")
def timings(pytestconfig: pytest.Config) -> Iterator[Appender[Timing]]:
    """The file that rows are appended to, opened before the first case is timed, on one thread."""
    directory = pytestconfig.getoption("results") or _new_directory()
    try:
        # A thread more halves a few of the times; waiting for it on a busy machine multiplies them.
        with Appender(directory / TIMINGS.file_name, TIMINGS) as appender, one_thread():
            write_environment(directory)
            pytestconfig.stash[DIRECTORY] = directory
            yield appender
    except ResultsError as error:
        pytest.exit(f"benchmarks: {error}", returncode=pytest.ExitCode.USAGE_ERROR)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say where the rows are, also after Ctrl-C."""
    directory = config.stash.get(DIRECTORY, None)
    if directory:
        terminalreporter.write_line(f"timings: {directory / TIMINGS.file_name}")
        terminalreporter.write_line(f"compare: python -m results report {directory}")


def pytest_benchmark_update_machine_info(machine_info: dict[str, object]) -> None:
    """Keep the host's name out of what ``--benchmark-json`` writes."""
    machine_info.pop("node", None)


def _new_directory() -> Path:
    commit, _ = git_state(HERE / "__init__.py")
    started = datetime.now(UTC).strftime("%Y-%m-%dT%H%M%SZ")
    return HERE.parent / "results" / "local" / f"{started}-{(commit or 'no-commit')[:10]}"
