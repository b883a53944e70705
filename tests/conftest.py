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
