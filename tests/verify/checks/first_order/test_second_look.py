"""Is what one dtype shows its rounding? The other dtype tells."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from reference_impls import DTYPES, Array
from reference_impls.computation import Vjp
from tests.verify.checks.first_order.shared import MakeVjp, by_slope, call_of
from verify import check, from_torch
from verify.checks.check import NOT_LINEAR
from verify.checks.first_order.linearity import _discrepancies as discrepancies_for_ones
from verify.checks.first_order.linearity import is_not_linear
from verify.checks.first_order.observation import Call
from verify.checks.first_order.second_look import Discrepancy, shrinks_as_rounding_does
from verify.error_model.arrays import unit_roundoff
from verify.error_model.noise import INSTABILITY, SAFETY

SEEDS = range(3)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)

X = np.random.default_rng(0).standard_normal(6)


def of_units(
    double: float, single: float, size: float = 1.0
) -> Callable[[Call], dict[str, Discrepancy]]:
    """Discrepancies of so many roundings of each dtype, between terms of a size."""

    def measure(call: Call) -> dict[str, Discrepancy]:
        units = double if call.case.dtype == "float64" else single
        return {"x": Discrepancy(units * unit_roundoff(call.case.dtype), size)}

    return measure


def excused(double: float, single: float, dtype: str) -> bool:
    call = call_of(by_slope(np.sin, np.cos), X, dtype)
    return shrinks_as_rounding_does(call, of_units(double, single))


@each_dtype
@pytest.mark.parametrize("units", [0.0, 1.0, 30.0, 500.0])
def test_as_many_roundings_of_either_dtype_are_rounding(units: float, dtype: str) -> None:
    assert excused(units, units, dtype)


@each_dtype
@pytest.mark.parametrize("error", [1e-12, 1e-8, 1e-4])
def test_an_error_that_is_as_large_in_float64_is_not(error: float, dtype: str) -> None:
    assert not excused(error * 2**53, 1.0, dtype)
    assert not excused(error * 2**53, error * 2**24, dtype)


@each_dtype
def test_an_error_of_float32_alone_is_not(dtype: str) -> None:
    assert not excused(0.0, 1e-3 * 2**24, dtype)
    assert not excused(1.0, 1e-3 * 2**24, dtype)


@each_dtype
def test_few_roundings_of_float32_excuse_few_of_float64(dtype: str) -> None:
    assert excused(0.9 * SAFETY, 0.0, dtype)
    assert not excused(1.1 * SAFETY, 0.0, dtype)
    assert excused(SAFETY * 90, 100.0, dtype)
    assert not excused(SAFETY * 110, 100.0, dtype)


@each_dtype
def test_so_many_that_no_sum_explains_them_are_none(dtype: str) -> None:
    """The terms are of size 1, and so, about, are the value's and the conditioning."""
    call = call_of(by_slope(lambda x: 1e-3 * np.sin(x), lambda x: 1e-3 * np.cos(x)), X, dtype)
    assert shrinks_as_rounding_does(call, of_units(0.9 * INSTABILITY, 0.9 * INSTABILITY))
    assert not shrinks_as_rounding_does(call, of_units(1.1 * INSTABILITY, 1.1 * INSTABILITY))


@each_dtype
def test_terms_that_cancel_may_be_of_the_size_of_the_value(dtype: str) -> None:
    sine = call_of(by_slope(np.sin, np.cos), X, dtype)
    assert shrinks_as_rounding_does(sine, of_units(50.0, 50.0, size=1e-6))
    weak = call_of(by_slope(lambda x: 1e-6 * np.sin(x), lambda x: 1e-6 * np.cos(x)), X, dtype)
    assert not shrinks_as_rounding_does(weak, of_units(50.0, 50.0, size=1e-6))


def test_one_argument_that_is_wrong_is_not_excused_by_another() -> None:
    call = call_of(by_slope(np.sin, np.cos), X)

    def measure(call: Call) -> dict[str, Discrepancy]:
        rounding = unit_roundoff(call.case.dtype)
        return {"a": Discrepancy(rounding, 1.0), "b": Discrepancy(1e-6, 1.0)}

    assert not shrinks_as_rounding_does(call, measure)


def in_one_dtype_alone(dtype: str) -> MakeVjp:
    def make_vjp(x: Array) -> tuple[Array, Vjp]:
        if x.dtype != dtype:
            raise TypeError(f"not in {x.dtype}")
        return np.sin(x), lambda u: u * np.cos(x)

    return make_vjp


@each_dtype
def test_without_the_other_dtype_nothing_is_excused(dtype: str) -> None:
    call = call_of(in_one_dtype_alone(dtype), X, dtype)
    assert not shrinks_as_rounding_does(call, of_units(1.0, 1.0))


@each_dtype
def test_nor_where_the_contract_is_broken_in_it(dtype: str) -> None:
    def make_vjp(x: Array) -> tuple[Array, Vjp]:
        rows = 1 if x.dtype == dtype else 2
        return np.sin(x), lambda u: np.tile(u * np.cos(x), (rows, 1)).reshape(-1)  # type: ignore[return-value]

    call = call_of(make_vjp, X, dtype)
    assert not shrinks_as_rounding_does(call, of_units(1.0, 1.0))


MANY = 100_000


def in_a_row(a: Array) -> Any:  # noqa: ANN401 - a number of the array's dtype
    """Added up one after the other, as no library does that sums pairwise."""
    return np.cumsum(a)[-1]


def mean(x: Array) -> tuple[Array, Vjp]:
    """x times a weight, whose gradient is a sum of as many terms as x has."""
    weights = np.asarray(np.cos(np.arange(MANY)) + 2, dtype=x.dtype)
    return x[0] * weights, lambda u: np.asarray([in_a_row(u * weights)])  # type: ignore[return-value]


def of_strides(x: Array) -> tuple[Array, Vjp]:
    """The same, in another order where all of u lies in one place."""
    weights = np.asarray(np.cos(np.arange(MANY)) + 2, dtype=x.dtype)

    def vjp(u: Array) -> Array:
        total = np.sum(u * weights) if u.strides == (0,) else in_a_row(u * weights)
        return np.asarray([total])

    return x[0] * weights, vjp  # type: ignore[return-value]


@each_dtype
@pytest.mark.parametrize("function", [mean, of_strides])
def test_a_long_sum_with_ones_of_stride_zero_is_rounding(function: MakeVjp, dtype: str) -> None:
    """Its terms have one sign there, and the sum is off by more than was measured at u."""
    for seed in SEEDS:
        report = check(function, np.asarray([0.7], dtype), seed=seed)
        assert report.verdict == "agree", str(report)


def bent(size: Callable[[Array], float]) -> MakeVjp:
    """The right sine, plus what is no linear map of u."""

    def make_vjp(x: Array) -> tuple[Array, Vjp]:
        def vjp(u: Array) -> Array:
            return np.asarray(u * np.cos(x) + size(x) * np.abs(u), x.dtype)

        return np.sin(x), vjp  # type: ignore[return-value]

    return make_vjp


def is_called_not_linear(size: Callable[[Array], float], dtype: str, seed: int) -> bool:
    x = np.random.default_rng(seed).standard_normal(6)
    found = is_not_linear(call_of(bent(size), x, dtype, seed))
    return found is not None and found.fault == NOT_LINEAR


@each_dtype
@pytest.mark.parametrize("seed", SEEDS)
def test_a_nonlinearity_is_none(seed: int, dtype: str) -> None:
    for size in (1e-2, 1e-3, 3e-4):
        assert is_called_not_linear(lambda _, size=size: size, dtype, seed)  # type: ignore[misc]


@pytest.mark.parametrize("seed", SEEDS)
def test_nor_is_one_of_float32_alone(seed: int) -> None:
    for size in (1e-2, 1e-3, 3e-4):

        def of_float32(x: Array, size: float = size) -> float:
            return size * (x.dtype == np.float32)

        assert is_called_not_linear(of_float32, "float32", seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_nor_is_a_weak_one_in_float64(seed: int) -> None:
    for size in (1e-4, 1e-8, 1e-11):
        assert is_called_not_linear(lambda _, size=size: size, "float64", seed)  # type: ignore[misc]


def by_layout(factor: Callable[[Array], float]) -> MakeVjp:
    """Wrong where the rows of x do not lie one after the other."""

    def make_vjp(x: Array) -> tuple[Array, Vjp]:
        scale = 1.0 if x.flags.c_contiguous else factor(x)
        return np.sin(x), lambda u: np.asarray(scale * u * np.cos(x), x.dtype)  # type: ignore[return-value]

    return make_vjp


@each_dtype
@pytest.mark.parametrize("by", [1e-2, 1e-3, 3e-4])
def test_what_depends_on_the_layout_is_none(by: float, dtype: str) -> None:
    x = np.random.default_rng(0).standard_normal((3, 4)).astype(dtype)
    for function in (
        by_layout(lambda _: 1 + by),
        by_layout(lambda x: 1 + by * (x.dtype == np.dtype(dtype))),
    ):
        report = check(function, x)
        assert report.verdict == "disagree"
        assert "strides" in str(report)


@each_dtype
def test_a_sum_in_the_order_of_memory_is(dtype: str) -> None:
    """Of half a million numbers of one sign, one way keeps more digits than the other."""

    def make_vjp(x: Array) -> tuple[Array, Vjp]:
        def vjp(u: Array) -> Array:
            squares = x * x
            total = np.sum(squares) if x.flags.c_contiguous else in_a_row(squares.ravel("K"))
            return np.asarray(u * total * 2 * x, x.dtype)

        return np.asarray(np.sum(x * x) ** 2 / 2), vjp  # type: ignore[return-value]

    for seed in SEEDS:
        x = np.random.default_rng(seed).uniform(1, 2, (700, 700)).astype(dtype)
        report = check(make_vjp, x, seed=seed)
        assert report.verdict == "agree", str(report)


MANY = 300_000


def summed(in_float32_alone: float = 0.0) -> MakeVjp:
    """b/3 in many rows, whose gradient adds up the rows one after the other."""

    def make_vjp(b: Array) -> tuple[Array, Vjp]:
        def vjp(u: Array) -> Array:
            rows = u.reshape(-1, 1)
            is_equal = bool((rows == rows[0]).all())
            total = np.cumsum(rows / u.dtype.type(3), axis=0)[-1]
            off = in_float32_alone if is_equal and u.dtype == np.float32 else 0.0
            return np.asarray(total * u.dtype.type(1 + off), u.dtype)

        return np.tile(b / b.dtype.type(3), MANY), vjp  # type: ignore[return-value]

    return make_vjp


def test_equal_terms_are_all_rounded_the_same_way() -> None:
    """So that a sum of them is off by more than one of any others is."""
    for seed in SEEDS:
        call = call_of(summed(), np.ones(1), "float32", seed)
        assert is_not_linear(call) is None
    assert not shrinks_as_rounding_does(call, discrepancies_for_ones)  # a thousand is exceeded


def test_more_than_their_number_of_roundings_is_a_mistake() -> None:
    call = call_of(summed(2 * MANY * 2.0**-24), np.ones(1), "float32")
    seen = is_not_linear(call)
    assert seen
    assert seen.fault == NOT_LINEAR


def softmax(scale: float) -> MakeVjp:
    """Of scale · x: for most x it is nearly 1 in one entry, and its gradient nearly cancels."""

    def make_vjp(x: Array) -> tuple[Array, Vjp]:
        exponentials = np.exp(scale * (x - x.max()))
        p = exponentials / exponentials.sum()
        slope = x.dtype.type(scale)

        def vjp(u: Array) -> Array:
            return np.asarray(slope * p * (u - np.sum(p * u)))

        return p, vjp  # type: ignore[return-value]

    return make_vjp


@each_dtype
@pytest.mark.parametrize("scale", [20, 30, 50, 100])
def test_what_cancels_in_float32_to_nothing_is_rounded_all_the_same(
    scale: float, dtype: str
) -> None:
    for seed in range(12):
        call = call_of(softmax(scale), np.random.default_rng(seed).standard_normal(5), dtype, seed)
        assert is_not_linear(call) is None


NEARLY_LINEAR: dict[str, Callable[[Array], Array]] = {
    "a little of its absolute value": lambda u: u + 1e-9 * np.abs(u),
    "rounded to float32": lambda u: u.astype(np.float32).astype(u.dtype),
    "the smaller left out": lambda u: np.where(np.abs(u) > 0.5 * np.abs(u).max(), u, 0),
    "shortened": lambda u: u / max(1.0, float(np.linalg.norm(u))),
    "a little of its square": lambda u: u + 1e-10 * u * u,
    "less of its square than a thousand roundings": lambda u: u + 2e-14 * u * u,
}


@pytest.mark.parametrize("name", NEARLY_LINEAR)
def test_what_is_nearly_linear_is_not(name: str) -> None:
    """Two of them keep to powers of two, as what is linear does."""

    def make_vjp(x: Array) -> tuple[Array, Vjp]:
        return np.sin(x), lambda u: np.cos(x) * NEARLY_LINEAR[name](u)  # type: ignore[return-value]

    for seed in range(12):
        found = is_not_linear(call_of(make_vjp, X, "float64", seed))
        assert found
        assert found.fault == NOT_LINEAR


def test_terms_that_cancel_are_as_many_units_in_either_dtype() -> None:
    """Of bodies that pull at one another, and at themselves by 10⁶ times nothing."""

    def forces(x: torch.Tensor) -> torch.Tensor:
        apart = x[None] - x[:, None]
        softened = (apart**2).sum(-1, keepdim=True) + 1e-4
        return (apart / softened**1.5).sum(1)

    for seed in range(5):
        x = np.random.default_rng(seed).standard_normal((3, 2)).astype(np.float32)
        assert check(from_torch(forces), x, seed=seed).verdict != "disagree"
