"""NaN among the primals, where the function allows it."""

from typing import Any

import autograd.numpy as anp
import numpy as np
import pytest
import torch

from reference_impls.computation import Array
from reference_impls.nested import Tree
from verify import check, from_autograd, from_torch

X = np.random.default_rng(5).standard_normal((3, 2))
HOLED = X.copy()
HOLED[1, 0] = np.nan


def by_hand(x: Array, gap: float = 0.0, factor: float = 1.0) -> Tree:
    """Σ sin x over what is no NaN; the gradient of what is one may be anything."""

    def vjp(u: Array) -> Tree:
        return np.where(np.isnan(x), gap, factor * u * np.cos(x))

    return np.nansum(np.sin(x)), vjp


RIGHT: dict[str, Any] = {
    "by hand": by_hand,
    "by hand, NaN there": lambda x: by_hand(x, np.nan),
    "by hand, a number there": lambda x: by_hand(x, 7.0),
    "nansum": from_torch(lambda x: torch.nansum(x * x)),
    "nanmean": from_torch(lambda x: torch.nanmean(x * x, 0)),
    "where": from_torch(lambda x: torch.where(torch.isnan(x), 0, x).sin()),
    "where, NaN behind": from_torch(lambda x: torch.where(torch.isnan(x), 0, x * x).sum()),
    "nan_to_num": from_torch(lambda x: torch.nan_to_num(x).exp()),
    "by index": from_torch(lambda x: x[0] * x[2]),
    "autograd, by index": from_autograd(lambda x: anp.sin(x[0]) * anp.exp(x[2])),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("function", RIGHT.values(), ids=RIGHT)
def test_a_right_gradient_of_what_the_function_takes_agrees(function: Any, dtype: str) -> None:  # noqa: ANN401 -- an array, a tensor or a box
    report = check(function, HOLED.astype(dtype))
    assert report.verdict == "agree", str(report)
    assert str(report).endswith("  not differentiated: x[1, 0] (NaN)")


@pytest.mark.parametrize("function", [RIGHT["nansum"], RIGHT["autograd, by index"]])
def test_second_derivatives_agree_too(function: Any) -> None:  # noqa: ANN401 -- an array, a tensor or a box
    report = check(function, HOLED, order=2)
    assert report.verdict == "agree", str(report)


def test_a_wrong_gradient_is_found_as_anywhere() -> None:
    for gap in (0.0, np.nan):
        report = check(lambda x, gap=gap: by_hand(x, gap, 2.0), HOLED)
        assert "gradient of x is 2 times what it should be" in str(report)

    def spreading(x: Array) -> Tree:
        return np.nansum(np.sin(x)), lambda u: u * np.cos(x) * np.sum(x) / np.sum(x)

    report = check(spreading, HOLED)
    assert report.verdict == "disagree", str(report)
    assert report.diagnosis
    assert report.diagnosis.fault == "not finite"


def test_a_function_that_does_not_take_it_has_no_value() -> None:
    for function in (from_torch(lambda x: x.sin().sum()), from_autograd(lambda x: anp.sin(x) * x)):
        report = check(function, HOLED)
        assert report.verdict == "unsupported"
        assert "is not finite" in report.checks[0].detail
        assert "not differentiated: x[1, 0] (NaN)" in str(report)


def test_expected_gradients_are_not_compared_there() -> None:
    assert check(by_hand, HOLED, expected=np.cos(HOLED)).verdict == "agree"
    assert check(by_hand, HOLED, expected=2 * np.cos(HOLED)).verdict == "disagree"


def test_constants_may_hold_as_much_as_they_like() -> None:
    def masked(x: Array, c: Array) -> Tree:
        keep = ~np.isnan(c)
        return np.sum(np.where(keep, np.sin(x), 0)), lambda u: (u * np.cos(x) * keep, 0 * x)

    for c in (HOLED, np.full_like(X, np.nan)):
        assert check(masked, (X, c)).verdict == "agree"
        assert check(masked, (X, c), wrt="x").verdict == "agree"
    assert check(masked, (X, c)).wrt == ("x",)  # c holds NaN alone
    with pytest.raises(ValueError, match=r"masked: c\[0, 0\] is NaN"):
        check(masked, (X, c), wrt=("x", "c"))


def test_many_are_counted_and_the_users_array_keeps_them() -> None:
    x = np.where(X > 0, np.nan, X)
    report = check(by_hand, x)
    assert report.verdict == "agree", str(report)
    assert report.undifferentiated == (f"{np.isnan(x).sum()} entries of x (NaN)",)
    assert np.array_equal(np.isnan(x), X > 0)
