"""A gradient that is NaN: wrong where the derivative is a number, however few digits show that."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from reference_impls.computation import Array
from reference_impls.nested import Tree
from verify import check, from_torch

X = np.random.default_rng(0).standard_normal(4)
ZERO = np.array([0.0, 1.0, 2.0])
Elementwise = Callable[[Array], Array]


def holed(value: Elementwise, slope: Elementwise, at: int) -> Callable[[Array], Tree]:
    """Whose gradient is NaN in one entry."""

    def make_vjp(x: Array) -> Tree:
        def vjp(u: Array) -> Array:
            gradient = np.array(u * slope(x), x.dtype)
            gradient[at] = np.nan
            return gradient

        return value(x), vjp

    return make_vjp


def in_float32(x: Array) -> Array:
    return np.asarray(np.sin(x.astype("f4")).astype(x.dtype))


FINITE: dict[str, tuple[Any, Array]] = {
    "float32 inside": (holed(in_float32, np.cos, 1), X),
    "sinc, both branches": (
        from_torch(lambda x: torch.where(x == 0, 1.0, torch.sin(x) / x)),
        ZERO,
    ),
    "expm1(x)/x": (from_torch(lambda x: torch.where(x == 0, 1.0, torch.expm1(x) / x)), ZERO),
    "the norm, squared": (from_torch(lambda x: (x**2).sum().sqrt() ** 2), np.zeros(3)),
    "between kinks": (holed(np.abs, np.sign, 7), np.random.default_rng(1).standard_normal(5000)),
    "float32 inside, a sum": (holed(lambda x: np.sum(in_float32(x)), np.cos, 2), X),
    "beside large terms": (holed(lambda x: 1e9 + np.sin(x), np.cos, 0), X),
}


@pytest.mark.parametrize(("function", "x"), FINITE.values(), ids=FINITE)
def test_it_is_wrong_where_the_derivative_is_a_number(function: Any, x: Array) -> None:  # noqa: ANN401 -- an array, a tensor or a box
    report = check(function, x)
    assert report.verdict == "disagree", str(report)
    assert report.diagnosis
    assert report.diagnosis.fault == "not finite"


NOT_FINITE: dict[str, tuple[Any, Array]] = {
    "a root": (from_torch(torch.sqrt), ZERO),
    "a cube root": (holed(np.cbrt, lambda x: 1 / (1e-9 + np.cbrt(x) ** 2) / 3, 0), ZERO),
    "nine tenths": (
        holed(lambda x: np.sign(x) * np.abs(x) ** 0.9, lambda x: 0.9 * np.abs(x + 1e-9) ** -0.1, 0),
        ZERO,
    ),
    "log": (
        holed(lambda x: x * np.log(np.abs(x) + (x == 0)), lambda x: 1 + np.log(x + 1e-9), 0),
        ZERO,
    ),
}


@pytest.mark.parametrize(("function", "x"), NOT_FINITE.values(), ids=NOT_FINITE)
def test_it_is_not_accused_where_the_derivative_is_none_either(function: Any, x: Array) -> None:  # noqa: ANN401 -- an array, a tensor or a box
    report = check(function, x)
    assert report.verdict == "inconclusive", str(report)
