"""The benchmark of the computations, in this process, with a planted fault."""

from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
import torch

from bench import test_speed as speed
from reference_impls import COMPUTATIONS, Torch
from results.store import Appender, read
from results.tables import TIMINGS

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from results.tables import Operator

NEVER_USED = cast("BenchmarkFixture", None)

TANH = next(c for c in COMPUTATIONS if c.name == "tanh")


def wrong_in_float32(x: torch.Tensor) -> torch.Tensor:
    """Tanh, with its value and its gradient off by 1.5 in float32 alone."""
    return torch.tanh(x) + (1.5 * (1 + x) if x.dtype == torch.float32 else 0)


@pytest.mark.parametrize("operator", ["value", "gradient"])
def test_what_is_wrong_in_float32_alone_is_not_timed(operator: "Operator", tmp_path: Path) -> None:
    backend = Torch()
    computation = backend.with_body(TANH, wrong_in_float32)
    case = speed.SpeedCase(computation, min(TANH.sizes), "float32", operator, backend)
    with (
        Appender(tmp_path / TIMINGS.file_name, TIMINGS) as appender,
        pytest.raises(pytest.fail.Exception, match="not timed, its result is wrong"),
    ):
        speed.test_speed(case, NEVER_USED, appender)
    (row,) = read(tmp_path / TIMINGS.file_name, TIMINGS).rows
    assert (row.status, row.median_s) == ("failed", None)
    assert row.gate_error is not None
    assert row.gate_tolerance is not None
    assert row.gate_error > 1.4
    assert row.gate_tolerance < np.sqrt(np.finfo(np.float32).eps)
