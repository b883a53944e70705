"""torch's database of operators, as functions to check."""

from dataclasses import replace

import pytest
import torch

pytest.importorskip("expecttest", reason="torch's database of operators wants it")

from reference_impls.engines.pytorch.choice import from_torch
from verify.trust.field.subject import LeftOut, Subject
from verify.trust.field.torch_operators import functions, subjects
from verify.trust.field.trial import by_gradcheck, tried
from verify.user.checker import check


def checkable(name: str, dtype: str = "float64") -> list[Subject]:
    found = list(subjects(name, 0, dtype, 200))
    return [each for each in found if not isinstance(each, LeftOut)]


def test_there_are_hundreds_of_them() -> None:
    assert len(functions()) > 400


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "name", ["acos", "nn_functional_layer_norm", "fft_rfft", "logsumexp", "round_decimals_0"]
)
def test_a_right_one_agrees_at_all_its_points(name: str, dtype: str) -> None:
    found = checkable(name, dtype)
    assert found
    # In float32, rounding takes all digits of what layer_norm leaves of two numbers.
    wanted = {"agree"} if dtype == "float64" else {"agree", "inconclusive"}
    for subject in found:
        row = tried(subject, 1, 60)
        assert row.verdict in wanted, row.detail


@pytest.mark.parametrize(
    "name", ["nn_functional_hardsigmoid", "as_strided_scatter", "normal_number_mean"]
)
def test_what_is_known_to_be_wrong_is_convicted(name: str) -> None:
    rows = [tried(subject, 1, 60) for subject in checkable(name)]
    assert "disagree" in {row.verdict for row in rows}
    assert all(row.known for row in rows)


def test_the_same_seed_draws_the_same_points() -> None:
    one, other = (checkable("matmul")[0].primals for _ in range(2))
    assert all((a == b).all() for a, b in zip(one, other, strict=True))


def test_gradcheck_is_asked_of_the_same_function() -> None:
    assert by_gradcheck(checkable("acos")[0]) == "passes"
    assert by_gradcheck(checkable("normal_number_mean")[0]) == "fails"


def test_gradcheck_takes_empty_arrays_and_what_it_refuses_is_no_failure() -> None:
    empty = next(each for each in checkable("flip") if not each.entries)
    assert by_gradcheck(empty) == "passes"

    def refused(_: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("not this one")

    assert by_gradcheck(replace(empty, checkable=from_torch(refused))) is None


@pytest.mark.parametrize(("name", "sample"), [("quantile", 30), ("round_decimals_3", 0)])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_steps_that_double_end_with_the_domain_and_stairs_stay_zero(
    name: str, sample: int, dtype: str
) -> None:
    found = next(each for each in checkable(name, dtype) if each.sample == sample)
    assert tried(found, 1, 60).verdict == "agree"


@pytest.mark.parametrize("name", ["fmod", "remainder"])
def test_second_derivatives_between_jumps_are_not_accused_by_a_blunt_oracle(name: str) -> None:
    found = next(each for each in subjects(name, 0, "float64", 200) if each.sample == 6)
    assert isinstance(found, Subject)
    report = check(found.checkable, found.primals, seed=0, order=2)
    assert report.verdict == "inconclusive", str(report)
