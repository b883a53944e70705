"""What all tests share."""

import pytest


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Leave the tests out of a benchmark run, which would only skip them one by one."""
    return True if config.getoption("benchmark_only") else None
