"""Operations that are done again give what they gave, or are not done again."""

from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
import numpy as np
import pytest
from autograd.core import make_vjp

from reference_impls import DTYPES, Array
from reference_impls.engines.hips import replay
from reference_impls.engines.hips.argmin import autograd_argmin
from reference_impls.engines.hips.replay import rows_of

Native = Any
RNG = np.random.default_rng(3)
A = RNG.standard_normal((4, 5))


def quartic(x: Native) -> Native:
    """Its slices and its shared terms are added up in place by autograd."""
    return anp.concatenate([x[:2] ** 2 * x[2], x[1:] ** 3 + x[:4], anp.reshape(x, (5,)) * x[0]])


def layer(x: Native) -> Native:
    """Its VJP solves for each cotangent, which nothing that was recorded does."""
    return autograd_argmin(lambda y, x: ((y - x) ** 2 * anp.exp(x)).sum(), np.zeros(5), x)


FUNCTIONS: dict[str, Callable[[Native], Native]] = {
    "linear": lambda x: A.astype(x.dtype) @ x,
    "elementwise": lambda x: anp.sin(x) * anp.where(x > 0, x, -2 * x),
    "slices": quartic,
    "products": lambda x: anp.ravel(anp.outer(x, x) @ anp.outer(anp.tanh(x), x)),
    "constant": lambda x: 0 * x + 1,
    "itself": lambda x: x,
}


def one_by_one(function: Callable[[Native], Native], x: Array) -> Array:
    pull, value = make_vjp(function, x)
    return np.stack([pull(row) for row in np.eye(value.size, dtype=value.dtype)])


def at_once(function: Callable[[Native], Native], x: Array) -> Array:
    pull, value = make_vjp(function, x)
    return rows_of(pull, value.size, value.dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_rows_are_the_same_to_the_last_bit(name: str, dtype: str) -> None:
    function, x = FUNCTIONS[name], RNG.standard_normal(5).astype(dtype)
    rows, expected = at_once(function, x), one_by_one(function, x)
    assert rows.dtype == expected.dtype
    np.testing.assert_array_equal(rows, expected)


def test_what_cannot_be_done_again_is_asked_for_row_by_row() -> None:
    x = RNG.standard_normal(5)
    np.testing.assert_array_equal(at_once(layer, x), one_by_one(layer, x))


def test_what_is_done_again_is_held_against_the_vjp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "_recorded", lambda pull, _: lambda row: pull(row) + 1)
    x = RNG.standard_normal(5)
    np.testing.assert_array_equal(at_once(quartic, x), one_by_one(quartic, x))


def test_a_row_costs_no_call_of_the_vjp() -> None:
    calls = []
    pull, value = make_vjp(quartic, RNG.standard_normal(5))

    def counted(row: Array) -> Array:
        calls.append(row)
        return np.asarray(pull(row)) if isinstance(row, np.ndarray) else pull(row)

    rows_of(counted, value.size, value.dtype)
    assert len(calls) == 2
