"""One function of somebody else's, tried."""

import time
from typing import Any

import numpy as np
import torch

from reference_impls.engines.hips.function import from_autograd
from reference_impls.engines.pytorch.choice import from_torch
from verify.trust.field.autograd_primitives import subjects as of_autograd
from verify.trust.field.subject import LeftOut, Subject
from verify.trust.field.trial import tried


def subject(function: Any, name: str = "sin") -> Subject:  # noqa: ANN401 -- autograd's is untyped
    primals = (np.random.default_rng(0).standard_normal(3),)
    return Subject("autograd", name, 0, 0, "float64", from_autograd(function), primals)


def test_a_right_one_agrees() -> None:
    (*found,) = of_autograd("sin", 0, "float64", 200)
    rows = [tried(each, 1, 60) for each in found]
    assert [row.verdict for row in rows] == ["agree"] * 3
    assert all(row.evaluations and 10 < row.evaluations <= 40 for row in rows)


def test_what_is_known_to_be_wrong_is_said_in_the_row() -> None:
    (*found,) = of_autograd("log2", 0, "float32", 200)
    row = tried(found[1], 1, 60)
    assert (row.verdict, row.fault) == ("disagree", "dtype drift")
    assert row.known is not None


def test_too_many_entries_are_left_out_with_the_reason() -> None:
    (*found,) = of_autograd("sin", 0, "float64", 4)
    rows = [tried(each, 1, 60) for each in found]
    assert [row.verdict for row in rows] == ["agree", "left out", "left out"]
    assert rows[1].detail == "more than 4 entries"
    assert isinstance(found[1], LeftOut)


def test_what_its_engine_differentiates_only_once_is_left_out_at_order_two() -> None:
    def distances(x: torch.Tensor) -> torch.Tensor:
        return torch.cdist(x, x[:2] + 1)

    primals = (np.random.default_rng(0).standard_normal((4, 3)),)
    asked = Subject("torch", "cdist", 0, 0, "float64", from_torch(distances), primals)
    assert tried(asked, 1, 60).verdict == "agree"
    row = tried(asked, 2, 60)
    assert row.verdict == "left out"
    assert "no second derivative: raised NotImplementedError" in row.detail


def test_what_does_not_return_is_undecided_in_time() -> None:
    def endless(x: Any) -> Any:  # noqa: ANN401 -- autograd's box
        while True:
            time.sleep(0.01)
            x = x + 0.0

    started = time.monotonic()
    row = tried(subject(endless), 1, 0.3)
    assert (row.verdict, row.detail) == ("inconclusive", "not done within 0.3 seconds")
    assert row.evaluations is None
    assert time.monotonic() - started < 5
