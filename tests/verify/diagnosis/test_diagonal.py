from collections.abc import Callable

import numpy as np
import pytest

from reference_impls import Array, Vjp
from tests.verify.diagnosis.shared import each_dtype
from verify import check
from verify.checks.check import Violation

MakeVjp = Callable[..., tuple[Array, Vjp]]

X = np.random.default_rng(5).standard_normal(9)


def found(function: MakeVjp, dtype: str, x: Array = X) -> Violation:
    report = check(function, {"x": x.astype(dtype)})
    assert report.verdict == "disagree"
    assert report.diagnosis
    return report.diagnosis


def probabilities(x: Array) -> Array:
    e = np.exp(x - x.real.max())
    return np.asarray(e / e.sum())


def softmax_value(x: Array) -> tuple[Array, Vjp]:
    p = probabilities(x)
    return p, lambda u: {"x": p * u}


def softmax_diagonal(x: Array) -> tuple[Array, Vjp]:
    p = probabilities(x)
    return p, lambda u: {"x": p * (1 - p) * u}


def log_softmax(x: Array) -> tuple[Array, Vjp]:
    p = probabilities(x)
    return np.log(p), lambda u: {"x": (1 - p) * u}


def normalised(x: Array) -> tuple[Array, Vjp]:
    length = np.sqrt((x * x).sum())
    return x / length, lambda u: {"x": u * (1 / length - x * x / length**3)}


def held_constant(x: Array) -> tuple[Array, Vjp]:
    total = np.exp(x).sum()
    return x / total, lambda u: {"x": u / total}


@each_dtype
@pytest.mark.parametrize("function", [softmax_diagonal, log_softmax, normalised])
def test_the_diagonal_alone_is_told(function: MakeVjp, dtype: str) -> None:
    seen = found(function, dtype)
    assert seen.fault == "diagonal of the Jacobian only"
    assert "is that of the Jacobian's diagonal alone, and every entry" in seen.sentence


@each_dtype
@pytest.mark.parametrize(
    ("function", "which"), [(softmax_value, "u times y, "), (held_constant, "")]
)
def test_so_is_another_diagonal_in_place_of_a_full_jacobian(
    function: MakeVjp, which: str, dtype: str
) -> None:
    seen = found(function, dtype)
    assert seen.fault == "diagonal of the Jacobian only"
    assert f"is {which}taken entry by entry, as if the Jacobian were diagonal" in seen.sentence


def tanh(x: Array) -> tuple[Array, Vjp]:
    y = np.tanh(x)
    return y, lambda u: {"x": u * (1 - y)}


def sigmoid_of_its_input(x: Array) -> tuple[Array, Vjp]:
    return 1 / (1 + np.exp(-x)), lambda u: {"x": u * x * (1 - x)}


def exponential(x: Array) -> tuple[Array, Vjp]:
    return np.exp(x), lambda u: {"x": u * x}


def tanh_of_its_input(x: Array) -> tuple[Array, Vjp]:
    return np.tanh(x), lambda u: {"x": u * (1 - x**2)}


@each_dtype
@pytest.mark.parametrize(
    ("function", "says"),
    [
        (tanh, "has the slope 1 - y in place of 1 - y², where y is the value"),
        (sigmoid_of_its_input, "has the slope x (1 - x) in place of y (1 - y), where y is the"),
        (exponential, "has the slope x in place of y, where y is the value"),
        (tanh_of_its_input, "has the slope 1 - x² in place of 1 - y², where y is the value"),
    ],
)
def test_a_slope_that_is_another_formula_is_told_with_the_right_one(
    function: MakeVjp, says: str, dtype: str
) -> None:
    seen = found(function, dtype)
    assert seen.fault == "wrong slope"
    assert says in seen.sentence


@each_dtype
def test_of_an_unknown_slope_nothing_is_claimed(dtype: str) -> None:
    def strange(x: Array) -> tuple[Array, Vjp]:
        return np.sin(x), lambda u: {"x": u * (np.cos(x) + 0.1 * x**3)}

    assert found(strange, dtype).fault == "unknown"


@each_dtype
def test_a_vjp_that_mixes_entries_is_no_diagonal(dtype: str) -> None:
    def mixing(x: Array) -> tuple[Array, Vjp]:
        p = probabilities(x)
        return p, lambda u: {"x": p * (u - 0.9 * np.sum(u * p))}

    assert found(mixing, dtype).fault == "unknown"


@pytest.mark.parametrize("share", [2e-8, 1e-7, 5e-7])
def test_a_slope_is_not_told_to_be_in_place_of_itself(share: float) -> None:
    def one_entry_off(x: Array) -> tuple[Array, Vjp]:
        y = np.exp(x)
        return y, lambda u: {"x": u * y * (1 + share * (np.arange(x.size) == 3))}

    seen = found(one_entry_off, "float64")
    assert seen.fault != "wrong slope"
    assert "in place of" not in seen.sentence
