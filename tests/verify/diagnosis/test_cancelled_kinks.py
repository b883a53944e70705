from collections.abc import Callable

import numpy as np
import pytest
import torch

from tests.verify.diagnosis.shared import each_dtype
from verify import Report, check, from_torch

OfTensor = Callable[[torch.Tensor], torch.Tensor]

SMOOTH: dict[str, OfTensor] = {
    "x": lambda x: torch.relu(x) - torch.relu(-x),
    "x + 1": lambda x: torch.clamp(x, min=0) + torch.clamp(x, max=0) + 1,
    "x sum x": lambda x: (torch.relu(x) - torch.relu(-x)) * (3 + x.sum()),
    "x²": lambda x: (
        torch.where(x > 0, x, 0 * x) ** 2
        + x * torch.where(x > 0, 0 * x, x)
        + 2 * (torch.relu(x) - torch.relu(-x))
    ),
}


def at_zero(function: OfTensor, dtype: str) -> Report:
    return check(from_torch(function), np.array([0.0, 1.0, -2.0, 0.0], dtype))


@each_dtype
@pytest.mark.parametrize("function", SMOOTH.values(), ids=list(SMOOTH))
def test_kinks_that_cancel_are_told_where_they_are(function: OfTensor, dtype: str) -> None:
    report = at_zero(function, dtype)
    assert report.verdict == "disagree"
    assert report.diagnosis
    assert report.diagnosis.fault == "kinks cancel"
    assert "wrong at this very point, at x[0] and x[3], and right" in report.diagnosis.sentence


def test_a_single_number_has_kinks_that_cancel_too() -> None:
    report = check(from_torch(SMOOTH["x"]), np.array([0.0]))
    assert report.diagnosis
    assert report.diagnosis.fault == "kinks cancel"


def test_where_the_gradient_is_wrong_on_either_side_too_no_kink_is_blamed() -> None:
    function = from_torch(SMOOTH["x"])

    def doubled(x: np.ndarray) -> object:
        value, vjp = function(x)
        return value, lambda u: 2 * vjp(u)[0]

    report = check(doubled, np.array([0.0, 1.0, -2.0, 0.0]))
    assert report.diagnosis
    assert report.diagnosis.fault == "unknown"


def test_a_gradient_that_float32_gets_wrong_does_not_jump() -> None:
    def difference(x: np.ndarray) -> object:
        step = 1e-6
        slope = (np.sin(x + step) - np.sin(x - step)) / (2 * step)
        return np.sin(x), lambda u: (u * slope).astype(u.dtype)

    report = check(difference, np.linspace(0.1, 1, 7, dtype=np.float32))
    assert report.diagnosis
    assert report.diagnosis.fault == "depends on dtype or layout"
