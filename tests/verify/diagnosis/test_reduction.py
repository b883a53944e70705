from collections.abc import Callable

import numpy as np
import pytest

from reference_impls import Array, Vjp
from tests.verify.diagnosis.shared import (
    ARGUMENTS,
    SHAPES,
    KnownGradient,
    each_dtype,
    large,
    middle_of,
)
from verify import check


@each_dtype
@large
@pytest.mark.parametrize("argument", ARGUMENTS)
@pytest.mark.parametrize(("reduce", "verb"), [(np.sum, "summed"), (np.mean, "averaged")])
def test_a_sum_over_an_axis_that_the_argument_has_is_told(
    size: int, dtype: str, argument: str, reduce: Callable[..., Array], verb: str
) -> None:
    known = KnownGradient(SHAPES[size], dtype)
    true = known.gradient[argument]
    wrong = np.broadcast_to(reduce(true, axis=0, keepdims=True), true.shape)
    found = known.assert_found("over-reduced broadcast", argument, wrong)
    says = f"was {verb} over axis 0 (length {len(true)}), which the argument has"
    assert middle_of(found.sentence) == says


def last_wins(places: list[int]) -> Callable[[Array, Array], tuple[Array, Vjp]]:
    """x[places] = v, whose gradient goes to every writer as if each had been the last."""

    def function(x: Array, v: Array) -> tuple[Array, Vjp]:
        value = np.asarray(x, np.result_type(x, v)).copy()
        value[places] = v

        def vjp(u: Array) -> dict[str, Array]:
            of_x = u.copy()
            of_x[places] = 0
            return {"x": of_x, "v": u[places]}

        return value, vjp

    return function


def spread_over_all(x: Array) -> tuple[Array, Vjp]:
    value = np.asarray(x[np.argmax(x.real)])
    return value, lambda u: {"x": np.full(x.shape, u / x.size)}


@each_dtype
@pytest.mark.parametrize(
    ("places", "shape", "fault"),
    [
        ([0, 0], (), "a few entries"),
        ([1, 1, 1], (), "a few entries"),
        ([2, 2], (4,), "a block of entries"),
        ([1] * 60, (), "one argument"),
    ],
)
def test_of_one_term_nothing_was_summed(
    places: list[int], shape: tuple[int, ...], fault: str, dtype: str
) -> None:
    rng = np.random.default_rng(3)
    x, v = rng.standard_normal((3, *shape)), rng.standard_normal((len(places), *shape))
    report = check(last_wins(places), {"x": x.astype(dtype), "v": v.astype(dtype)})
    assert report.diagnosis
    assert report.diagnosis.fault == fault


@each_dtype
def test_of_one_term_nothing_was_averaged(dtype: str) -> None:
    x = np.array([0.4, 1.9, -0.3, 1.1, 0.2], dtype)
    report = check(spread_over_all, {"x": x})
    assert report.verdict == "disagree"
    assert report.diagnosis
    assert report.diagnosis.fault != "over-reduced broadcast"
