import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reference_impls.computation import Array
from reference_impls.nested import Tree
from verify import WrongGradientError, check, from_torch
from verify.user.raised import one_line_with_place


def line_of(text: str) -> int:
    """The line of this file that holds the text first."""
    lines = Path(__file__).read_text().splitlines()
    return next(number for number, line in enumerate(lines, start=1) if text in line)


def inner(x: Array) -> Tree:
    return x.reshape(7, 7)  # refused by NumPy


def outer(x: Array) -> Tree:
    return inner(x)


def in_a_library(x: Array) -> Tree:
    return json.loads(f"{x.shape}")  # raised in Python's own files


class Broken(torch.autograd.Function):
    @staticmethod
    def forward(_: Any, x: torch.Tensor) -> torch.Tensor:  # noqa: ANN401 - torch's
        return 2 * x

    @staticmethod
    def backward(_: Any, *u: torch.Tensor) -> torch.Tensor:  # noqa: ANN401 - torch's
        return u[0] @ torch.ones(5, 5)  # of another shape


apply: Any = Broken.apply


@pytest.mark.parametrize(
    ("function", "line", "where"),
    [
        (outer, "# refused by NumPy", "inner"),
        (in_a_library, "# raised in Python", "in_a_library"),
        (from_torch(lambda x: apply(x).sum()), "# of another shape", "backward"),
    ],
)
def test_the_innermost_line_of_the_users_own_is_named(
    function: Callable[..., Tree], line: str, where: str
) -> None:
    report = check(function, np.ones((2, 3)))
    assert report.verdict == "unsupported"
    place = f"({Path(__file__).name}:{line_of(line)}, in {where})"
    assert report.checks[0].detail.endswith(place)


def test_it_is_the_cause_of_the_assertion_that_fails() -> None:
    def late(x: Array) -> Tree:
        def vjp(_: Array) -> Tree:
            raise KeyError("weights")

        return np.sum(x), vjp

    for function in (outer, late):
        with pytest.raises(WrongGradientError) as caught:
            check(function, np.ones((2, 3))).raise_for_verdict()
        assert isinstance(caught.value.__cause__, ValueError | KeyError)
        assert caught.value.__cause__.__traceback__


def test_so_is_what_a_forward_or_another_right_answer_raises() -> None:
    def sines(x: Array) -> Tree:
        return np.sum(np.sin(x)), lambda u: u * np.cos(x)

    x = np.ones((2, 3))
    for report in (check(sines, x, forward=outer), check(sines, x, expected=outer)):
        assert isinstance(report.cause, ValueError)


def test_without_a_line_of_the_users_none_is_named() -> None:
    assert one_line_with_place(ValueError("x")) == "raised ValueError: x"
    report = check(from_torch(torch.linalg.inv), np.ones((2, 3)))
    assert report.checks[0].detail.endswith("they are 2 by 3 matrices")
