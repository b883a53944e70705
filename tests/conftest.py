"""What all tests share."""

from collections.abc import Iterator

import pytest

from reference_impls.running.threads import one_thread


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Leave the tests out of a benchmark run, which would only skip them one by one."""
    return True if config.getoption("benchmark_only") else None


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(autouse=True, scope="session")
def _no_worker_of_xdist() -> Iterator[None]:
    """A benchmark run that a test starts would inherit this, and refuse to time anything."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTEST_XDIST_WORKER", raising=False)
        yield
