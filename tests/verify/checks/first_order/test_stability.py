import re
from collections.abc import Callable

import numpy as np
import pytest

from reference_impls import Array, Vjp
from verify import check


def differenced(x: Array) -> tuple[Array, Vjp]:
    step = 1e-6
    slope = (np.sin(x + step) - np.sin(x - step)) / (2 * step)
    return np.sin(x), lambda u: {"x": (u * slope).astype(u.dtype)}


def cancelling(x: Array) -> tuple[Array, Vjp]:
    large = x.dtype.type(1e5)
    return x * x, lambda u: {"x": 2 * (x + large - large) * u}


def small_and_cancelling(x: Array) -> tuple[Array, Vjp]:
    value, vjp = cancelling(x)
    scale = x.dtype.type(1e-12)
    return scale * value, lambda u: {"x": scale * vjp(u)["x"]}


def with_a_value_that_cancels(x: Array) -> tuple[Array, Vjp]:
    large = x.dtype.type(1e5)
    return x + large - large, lambda u: {"x": u.copy()}


@pytest.mark.parametrize("function", [differenced, cancelling, small_and_cancelling])
def test_instability_is_told_as_a_multiple_of_what_is_usual(
    function: Callable[[Array], tuple[Array, Vjp]],
) -> None:
    report = check(function, {"x": np.random.default_rng(0).standard_normal(5)})
    (stability,) = [each for each in report.checks if each.kind == "stability"]
    assert stability.verdict == "disagree"
    number = r"[1-9]\.?\d*(e\+\d+)?"
    assert re.fullmatch(rf"rounding errors in x are {number} times what is usual", stability.detail)


def test_of_values_that_lose_digits_it_is_said_how_many_and_nobody_is_accused() -> None:
    primals = {"x": np.random.default_rng(0).standard_normal(5)}
    report = check(with_a_value_that_cancels, primals)
    (stability,) = [each for each in report.checks if each.kind == "stability"]
    assert report.verdict == "agree"
    assert re.fullmatch(r"its values lose [45] digits to rounding here", stability.detail)
