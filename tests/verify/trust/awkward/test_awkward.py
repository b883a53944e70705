"""Every awkward function is right: by another formula, and by its values alone."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from reference_impls.computation import Array, Arrays
from verify.oracles.derivative import derivative
from verify.oracles.estimate import Scalar
from verify.trust.awkward import AWKWARD
from verify.trust.awkward.deceptive import AWKWARD_DECEPTIVE
from verify.trust.awkward.memory import AWKWARD_MEMORY
from verify.trust.planted import Awkward, Planted

DTYPES = ("float64", "float32")
SAFETY = 32

AT_KINKS = {
    "relu' = 0 at 0",
    "relu' = 0.5 at 0",
    "relu' = 1 at 0",
    "abs at 0, slope 0",
    "abs at 0, slope 1",
    "max with ties, to the first",
    "max with ties, shared",
    "norm at 0, gradient 0",
}

HIDDEN = {each.name for each in AWKWARD_DECEPTIVE}
"""What no difference of usual length tells."""

every_one = pytest.mark.parametrize("awkward", AWKWARD, ids=lambda awkward: awkward.name)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)


def plant(awkward: Awkward, size: int, dtype: str) -> Planted:
    return awkward.plant(size, dtype, np.random.default_rng(size))


def named(name: str) -> Awkward:
    (awkward,) = (each for each in AWKWARD if each.name == name)
    return awkward


def cotangent(value: Array) -> Array:
    return np.asarray(np.random.default_rng(0).standard_normal(value.shape), value.dtype)


def gradient(planted: Planted, primals: Mapping[str, Any], dtype: str) -> Arrays:
    typed = {name: np.asarray(primals[name], dtype) for name in planted.wrt}
    value, vjp = planted.make_vjp(**{**primals, **typed})
    return vjp(cotangent(value))


def pairing(gradients: Mapping[str, Array], tangents: Mapping[str, Array]) -> float:
    return float(
        sum(np.sum(gradients[name].astype(np.float64) * tangents[name]) for name in tangents)
    )


def length(gradients: Mapping[str, Array], tangents: Mapping[str, Array]) -> float:
    return float(
        np.sqrt(
            sum(
                np.sum(np.square(gradients[name].astype(np.float64) * tangents[name]))
                for name in tangents
            )
        )
    )


def nudged(planted: Planted) -> Iterator[Mapping[str, Any]]:
    """Every entry moved by up to one rounding of the primals' dtype."""
    rng = np.random.default_rng(5)
    for _ in range(6):
        moved = {}
        for name in planted.wrt:
            primal = np.asarray(planted.primals[name], np.float64)
            eps = float(np.finfo(planted.primals[name].dtype).eps)
            moved[name] = primal * (1 + eps * rng.uniform(-1, 1, primal.shape))
        yield {**planted.primals, **moved}


def tangents_of(planted: Planted) -> Arrays:
    """As large as the primals are."""
    rng = np.random.default_rng(2)
    drawn = {}
    for name in planted.wrt:
        primal = planted.primals[name]
        finite = primal[np.isfinite(primal)].astype(np.float64)
        size = float(np.sqrt(np.mean(np.square(finite)))) if finite.size else 1.0
        drawn[name] = (size or 1.0) * rng.standard_normal(primal.shape)
    return drawn


@pytest.mark.parametrize(
    "awkward",
    [each for each in AWKWARD if each.name not in AT_KINKS | HIDDEN],
    ids=lambda each: each.name,
)
@each_dtype
def test_it_is_right_by_its_values(awkward: Awkward, dtype: str) -> None:
    """⟨Jᵀu, v⟩ = ⟨u, J v⟩, to within what moving the primals by a rounding does to it."""
    planted = plant(awkward, awkward.sizes[0], dtype)
    primals = {
        name: np.asarray(primal, np.float64) if name in planted.wrt else primal
        for name, primal in planted.primals.items()
    }
    v = tangents_of(planted)
    u = cotangent(planted.forward(**planted.primals)).astype(np.float64)

    def phi(h: Scalar) -> Scalar:
        moved = {name: primals[name] + h * v[name] for name in v}
        result: Scalar = np.sum(u * planted.forward(**{**primals, **moved})).item()
        return result

    estimate = derivative(phi)
    got = gradient(planted, planted.primals, dtype)
    noise = max(
        abs(pairing(gradient(planted, each, kind), v) - pairing(gradient(planted, at, kind), v))
        for kind, at in (("float64", primals), (dtype, planted.primals))
        for each in nudged(planted)
    )
    scale = length(got, v)
    tolerance = SAFETY * (float(np.finfo(dtype).eps) * scale + noise) + estimate.error_bar
    assert estimate.error_bar <= 1e-4 * scale + 1e-12
    assert pairing(got, v) == pytest.approx(estimate.value, abs=tolerance + 1e-300)


@pytest.mark.parametrize(
    "awkward", [each for each in AWKWARD if each.name in AT_KINKS], ids=lambda each: each.name
)
@each_dtype
def test_at_a_kink_every_entry_is_between_the_one_sided_slopes(
    awkward: Awkward, dtype: str
) -> None:
    planted = plant(awkward, awkward.sizes[0], dtype)
    (name,) = planted.wrt
    primal = planted.primals[name].astype(np.float64)
    value = planted.forward(**{name: primal})
    got = gradient(planted, planted.primals, dtype)[name]
    u = cotangent(value.astype(dtype)).astype(np.float64)
    step = 2.0**-20
    met = 0
    for index in np.ndindex(primal.shape):
        sides = []
        for sign in (-1, 1):
            moved = primal.copy()
            moved[index] += sign * step
            change = planted.forward(**{name: moved}) - value
            sides.append(sign * float(np.sum(u * change)) / step)
        low, high = sorted(sides)
        met += high - low > 1e-3
        assert low - 1e-5 <= got[index] <= high + 1e-5
    assert met, "no kink at all"


def times(awkward: Awkward, factor: float) -> Awkward:
    def wrong(size: int, dtype: str, rng: np.random.Generator) -> Planted:
        planted = awkward.plant(size, dtype, rng)

        def make_vjp(**primals: Array) -> Any:  # noqa: ANN401 -- a value and a VJP
            value, vjp = planted.make_vjp(**primals)
            return value, lambda u: {name: factor * each for name, each in vjp(u).items()}

        return replace(planted, make_vjp=make_vjp)

    return replace(awkward, plant=wrong)


@each_dtype
def test_the_median_of_three_is_that_of_its_row_and_its_gradient_one_entrys(dtype: str) -> None:
    planted = plant(named("median of three that are equal"), 1000, dtype)
    X = planted.primals["X"]
    np.testing.assert_array_equal(planted.forward(X=X), np.median(X, axis=1))
    found = gradient(planted, planted.primals, dtype)["X"]
    np.testing.assert_array_equal(np.count_nonzero(found, axis=1), 1)
    assert (X[found != 0] == 2).all()


@each_dtype
def test_a_guarded_direction_is_right_within_its_guard_and_beyond(dtype: str) -> None:
    planted = plant(named("direction of zero, guarded"), 10, dtype)
    X = planted.primals["X"].astype(np.float64)
    v = np.where(X == 0, 1e-12, 1e-6) * np.random.default_rng(1).standard_normal(X.shape)
    u = cotangent(planted.forward(**planted.primals)).astype(np.float64)
    change = (planted.forward(X=X + v) - planted.forward(X=X - v)) / 2
    got = gradient(planted, planted.primals, dtype)["X"].astype(np.float64)
    np.testing.assert_allclose((got * v).sum(axis=1), (u * change).sum(axis=1), rtol=1e-5)


@pytest.mark.parametrize("name", sorted(AT_KINKS - {"norm at 0, gradient 0"}))
def test_the_check_at_kinks_can_fail(name: str) -> None:
    (awkward,) = (each for each in AWKWARD if each.name == name)
    with pytest.raises(AssertionError):
        test_at_a_kink_every_entry_is_between_the_one_sided_slopes(times(awkward, 2.5), "float64")


ZERO = {
    "constant",
    "piecewise constant",
    "zero by cancellation",
    "zero size",
    "zero-size batch of a linear layer",
}


@pytest.mark.parametrize(
    "awkward",
    [each for each in AWKWARD if each.name not in AT_KINKS | ZERO | HIDDEN],
    ids=lambda each: each.name,
)
def test_the_check_by_values_can_fail(awkward: Awkward) -> None:
    with pytest.raises(AssertionError):
        test_it_is_right_by_its_values(times(awkward, 1.001), "float64")


@pytest.mark.parametrize(
    "awkward",
    [each for each in AWKWARD if plant(each, each.sizes[0], "float64").true_vjp],
    ids=lambda each: each.name,
)
@each_dtype
def test_it_is_right_by_another_formula(awkward: Awkward, dtype: str) -> None:
    for size in awkward.sizes[:2]:
        planted = plant(awkward, size, dtype)
        assert planted.true_vjp
        value, vjp = planted.true_vjp(**planted.primals)
        expected = vjp(cotangent(value))
        got = gradient(planted, planted.primals, dtype)
        for name in planted.wrt:
            assert got[name].dtype == expected[name].dtype == dtype
            moved = [gradient(planted, each, dtype)[name] for each in nudged(planted)]
            noise = max(float(np.abs(each - got[name]).max()) for each in moved)
            scale = float(np.abs(expected[name]).max())
            gap = float(np.abs(got[name] - expected[name]).max())
            assert gap <= SAFETY * (float(np.finfo(dtype).eps) * scale + noise)


@pytest.mark.parametrize("awkward", AWKWARD_MEMORY, ids=lambda each: each.name)
def test_what_is_about_shared_memory_shares_it(awkward: Awkward) -> None:
    planted = plant(awkward, awkward.sizes[0], "float64")
    value, vjp = planted.make_vjp(**planted.primals)
    u = cotangent(value)
    first, *others = [*vjp(u).values(), u]
    assert any(np.may_share_memory(first, other) for other in others)


@every_one
def test_it_keeps_the_contract_at_its_largest_size(awkward: Awkward) -> None:
    """Names, shapes, dtypes, finiteness; nothing is written to, all repeatable."""
    planted = plant(awkward, awkward.sizes[-1], "float64")
    primals = {
        name: np.array(primal) if isinstance(primal, np.ndarray) else primal
        for name, primal in planted.primals.items()
    }
    value, vjp = planted.make_vjp(**planted.primals)
    u = cotangent(value)
    gradients, again = vjp(u), vjp(u)
    assert set(gradients) == set(planted.wrt)
    for name, array in gradients.items():
        assert isinstance(array, np.ndarray)
        assert array.shape == planted.primals[name].shape
        assert array.dtype == np.float64
        assert np.isfinite(array).all()
        if awkward not in AWKWARD_MEMORY:
            assert not np.may_share_memory(array, u)
        np.testing.assert_array_equal(again[name], array)
    np.testing.assert_array_equal(u, cotangent(value))
    for name, primal in primals.items():
        np.testing.assert_array_equal(planted.primals[name], primal)
