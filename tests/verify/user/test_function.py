"""What is remembered of a function from call to call."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from reference_impls.computation import Array
from verify import check, from_torch

Native = Any

X = np.random.default_rng(13).standard_normal(16)


def short_time_fourier(x: torch.Tensor) -> torch.Tensor:
    """Of complex numbers, the frequencies are twice as many."""
    window = torch.ones(8, dtype=torch.float64)
    transformed = torch.stft(x, 8, window=window.to(x.real.dtype), return_complex=True)
    return transformed.real**2 + transformed.imag**2


def padded(x: torch.Tensor) -> torch.Tensor:
    return torch.cat([x, x]) if x.is_complex() else x.sin()


def unfolded(x: torch.Tensor) -> torch.Tensor:
    return torch.view_as_real(x * (1 + 0j)) if x.is_complex() else x**2


@pytest.mark.parametrize("function", [short_time_fourier, padded, unfolded])
@pytest.mark.parametrize("given", ["the gradient alone", "forward"])
def test_a_shape_of_complex_numbers_says_nothing_of_real_ones(
    function: Callable[[Native], Native], given: str
) -> None:
    adapter = from_torch(function)
    forward = adapter.forward if given == "forward" else None
    report = check(adapter, (X,), forward=forward)
    assert report.verdict == "agree", str(report)
    (oracle,) = [each for each in report.checks if each.kind == "oracle"]
    assert oracle.against == "Richardson"


def test_a_shape_that_changes_among_real_numbers_is_told() -> None:
    def changing(x: Array) -> Any:  # noqa: ANN401 -- an array, a tensor or a box
        value = np.sin(x) if x[0] == X[0] or x.dtype.kind == "c" else np.sin(x[1:])
        return value, lambda u: {"x": u * np.cos(x)}

    report = check(changing, {"x": X})
    assert report.verdict == "unsupported"
    assert "returned a value of shape (16,), and of (15,) before" in str(report)
