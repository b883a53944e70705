"""Benchmarks run only when asked for, and a case becomes a row as soon as it is timed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from bench.directory import new_directory
from reference_impls.running.threads import one_thread
from results.environment import write_environment
from results.errors import ResultsError
from results.store import Appender
from results.tables import COSTS, LAYERS, MEMORY, TIMINGS, Cost, Layer, Memory, Row, Table, Timing

R = TypeVar("R", bound=Row)

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
def directory(pytestconfig: pytest.Config) -> Iterator[Path]:
    """Where the rows go; it is known to be writable before the first case is timed.

    The whole session computes on one thread.
    """
    chosen = pytestconfig.getoption("results") or new_directory()
    # A second thread halves a few of the times. On a busy machine, waiting for it multiplies all.
    with one_thread():
        with _explained():
            write_environment(chosen)
        pytestconfig.stash[DIRECTORY] = chosen
        yield chosen


@pytest.fixture(scope="session")
def timings(directory: Path) -> Iterator[Appender[Timing]]:
    """The file of the computations' times."""
    yield from _appender(directory, TIMINGS)


@pytest.fixture(scope="session")
def layers(directory: Path) -> Iterator[Appender[Layer]]:
    """The file of the argmin layers' times."""
    yield from _appender(directory, LAYERS)


@pytest.fixture(scope="session")
def memory(directory: Path) -> Iterator[Appender[Memory]]:
    """The file of the argmin layers' memory."""
    yield from _appender(directory, MEMORY)


@pytest.fixture(scope="session")
def costs(directory: Path) -> Iterator[Appender[Cost]]:
    """The file of what checks cost."""
    yield from _appender(directory, COSTS)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say where the rows are, even after Ctrl-C."""
    directory = config.stash.get(DIRECTORY, None)
    if directory:
        for path in sorted(directory.glob("*.csv")):
            terminalreporter.write_line(f"rows: {path}")
        terminalreporter.write_line(f"compare: python -m results report {directory}")


def pytest_benchmark_update_machine_info(machine_info: dict[str, object]) -> None:
    """Keep the host's name out of what ``--benchmark-json`` writes."""
    machine_info.pop("node", None)


def _appender(directory: Path, table: Table[R]) -> Iterator[Appender[R]]:
    with _explained():
        appender = Appender(directory / table.file_name, table)
    with appender:
        yield appender


@contextmanager
def _explained() -> Iterator[None]:
    """End the run in one line where its results cannot be written."""
    try:
        yield
    except ResultsError as error:
        pytest.exit(f"benchmarks: {error}", returncode=pytest.ExitCode.USAGE_ERROR)
