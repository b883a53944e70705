"""Every fault is one, at every size and dtype; and what it is held against is right."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from reference_impls import Manual
from reference_impls.computation import Array, Arrays, copies
from reference_impls.engines.adapter import TwiceDifferentiable
from tests.verify.shared import cases_of, evidence_of
from verify.oracles.derivative import derivative
from verify.oracles.estimate import Scalar
from verify.trust.faults import FAULTS, Fault, Planted

VISIBLE = 100
"""Roundings of the largest entry: less would be no fault."""

every_fault = pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)


def plant(fault: Fault, size: int, dtype: str) -> Planted:
    return fault.plant(size, dtype, np.random.default_rng(size))


def cotangent(value: Array, seed: int = 0) -> Array:
    drawn = np.random.default_rng(seed).standard_normal(value.shape)
    return np.asarray(drawn, value.dtype)


def truth(planted: Planted) -> Arrays:
    assert planted.true_vjp
    value, vjp = planted.true_vjp(**copies(planted.primals))
    return vjp(cotangent(value))


def differ(got: Arrays, expected: Arrays) -> bool:
    """In a shape, by NaN, or by more than rounding in an entry."""
    for name, array in expected.items():
        if np.shape(got[name]) != array.shape:
            return True
        scale = np.abs(array).max(initial=0)
        gap = np.abs(np.asarray(got[name], np.float64) - array)
        if not (gap <= VISIBLE * np.finfo(array.dtype).eps * scale).all():
            return True
    return False


def wrong_at_once(planted: Planted) -> bool:
    value, vjp = planted.make_vjp(**copies(planted.primals))
    return differ(vjp(cotangent(value)), truth(planted))


def wrong_afterwards(planted: Planted) -> bool:
    """Right in the first call, wrong in the second."""
    value, vjp = planted.make_vjp(**copies(planted.primals))
    first = copies(vjp(cotangent(value)))
    second = vjp(cotangent(value))
    return not differ(first, truth(planted)) and differ(second, truth(planted))


def different_each_time(planted: Planted) -> bool:
    value, vjp = planted.make_vjp(**copies(planted.primals))
    first, second = copies(vjp(cotangent(value))), vjp(cotangent(value))
    return differ(first, second)


def writes_to_cotangent(planted: Planted) -> bool:
    value, vjp = planted.make_vjp(**copies(planted.primals))
    u = cotangent(value)
    right = not differ(vjp(u), truth(planted))
    return right and not np.array_equal(u, cotangent(value))


def writes_to_primal(planted: Planted) -> bool:
    primals = copies(planted.primals)
    value, vjp = planted.make_vjp(**primals)
    vjp(cotangent(value))
    return any(not np.array_equal(primals[name], planted.primals[name]) for name in primals)


def overwritten_later(planted: Planted) -> bool:
    """Right until the next call, for another cotangent."""
    value, vjp = planted.make_vjp(**copies(planted.primals))
    gradients = vjp(cotangent(value))
    if differ(gradients, truth(planted)):
        return False
    vjp(cotangent(value, seed=1))
    return differ(gradients, truth(planted))


def wrong_for(relayed: Callable[[Array], Array], *, of_primal: bool) -> Callable[[Planted], bool]:
    """Right for contiguous arrays; wrong for the same numbers in another layout."""

    def violated(planted: Planted) -> bool:
        primals = copies(planted.primals)
        value, vjp = planted.make_vjp(**primals)
        u = cotangent(value)
        if differ(vjp(u), truth(planted)):
            return False
        if of_primal:
            moved = {name: relayed(primal) for name, primal in primals.items()}
            _, vjp = planted.make_vjp(**moved)
            return differ(vjp(u), truth(planted))
        elsewhere = relayed(u)
        return differ(vjp(elsewhere), vjp(np.array(elsewhere, order="C")))

    return violated


def column_major(array: Array) -> Array:
    return np.array(array, order="F")


def spread_out(array: Array) -> Array:
    return np.broadcast_to(array.flat[0], array.shape)


def of_another_dtype(planted: Planted) -> bool:
    value, vjp = planted.make_vjp(**copies(planted.primals))
    gradients = vjp(cotangent(value))
    return not differ(gradients, truth(planted)) and any(
        gradients[name].dtype != planted.primals[name].dtype for name in planted.wrt
    )


def twice_differentiable(make_vjp: Any) -> TwiceDifferentiable:  # noqa: ANN401 -- of torch
    assert isinstance(make_vjp, TwiceDifferentiable)
    return make_vjp


def wrong_second_derivative(planted: Planted) -> bool:
    """Right at first order; at second, wrong in some mode, at once or in the second call."""
    if wrong_at_once(planted):
        return False
    wrong, right = twice_differentiable(planted.make_vjp), twice_differentiable(planted.true_vjp)
    primals, u = dict(planted.primals), cotangent(planted.forward(**planted.primals))
    rng = np.random.default_rng(3)
    v = {name: rng.standard_normal(primals[name].shape).astype(u.dtype) for name in planted.wrt}
    expected = right.hvp(primals, u, v, "reverse over reverse")
    if differ(wrong.hvp(primals, u, v, "reverse over reverse"), expected):
        return True
    if differ(wrong.hvp(primals, u, v, "reverse over reverse"), expected):
        return True
    return differ(wrong.hvp(primals, u, v, "forward over reverse"), expected)


def without_a_jacobian(planted: Planted) -> bool:
    assert planted.computation
    (size,) = planted.primals["X"].shape[1:]
    (case,) = cases_of(planted.computation, size, 0, ["float64"], [Manual()])
    (found,) = evidence_of(case, [Manual()])
    return found.rank < found.unknowns and {check.verdict for check in found.checks} == {"disagree"}


def not_finite_far_away(planted: Planted) -> bool:
    """Right where it is planted; NaN at a multiple of it, where the derivative is a number."""
    if wrong_at_once(planted):
        return False
    far = {name: 8192 * primal for name, primal in planted.primals.items()}
    assert planted.true_vjp
    value, right = planted.true_vjp(**far)
    _, wrong = planted.make_vjp(**far)
    found, expected = wrong(cotangent(value)), right(cotangent(value))
    finite = all(np.isfinite(expected[name]).all() for name in planted.wrt)
    return finite and not all(np.isfinite(found[name]).all() for name in planted.wrt)


VIOLATIONS: dict[str, Callable[[Planted], bool]] = {
    "stale accumulator": wrong_afterwards,
    "saved output overwritten": wrong_afterwards,
    "residual of a loss written to": wrong_afterwards,
    "nondeterminism": different_each_time,
    "cotangent mutated": writes_to_cotangent,
    "primal mutated by the VJP": writes_to_primal,
    "value computed in place": writes_to_primal,
    "gradient in a buffer that is used again": overwritten_later,
    "strides of the cotangent ignored": wrong_for(column_major, of_primal=False),
    "strides of a primal ignored": wrong_for(column_major, of_primal=True),
    "stride 0 of the cotangent ignored": wrong_for(spread_out, of_primal=False),
    "dtype drift": of_another_dtype,
    "NaN from the unselected branch, elsewhere": not_finite_far_away,
    "argmin: singular Hessian hidden by a pseudo-inverse": without_a_jacobian,
}
"""What is wrong with those whose first gradient is right."""


def violation(fault: Fault, planted: Planted) -> bool:
    default = wrong_second_derivative if planted.order == 2 else wrong_at_once
    return VIOLATIONS.get(fault.name, default)(planted)


@pytest.mark.parametrize(
    ("fault", "dtype"),
    [
        pytest.param(fault, dtype, id=f"{dtype}-{fault.name}")
        for fault in FAULTS
        for dtype in fault.dtypes
    ],
)
def test_every_fault_is_one(fault: Fault, dtype: str) -> None:
    for size in fault.sizes[:2]:
        assert violation(fault, plant(fault, size, dtype))


@every_fault
def test_every_fault_is_one_at_its_largest_size(fault: Fault) -> None:
    assert violation(fault, plant(fault, fault.sizes[-1], "float64"))


def test_every_violation_is_of_a_fault() -> None:
    assert set(VIOLATIONS) <= {fault.name for fault in FAULTS}


@every_fault
def test_a_million_entries_are_cheap(fault: Fault) -> None:
    planted = plant(fault, fault.sizes[-1], "float32")
    assert sum(planted.primals[name].size for name in planted.wrt) <= 2_100_000


WITHOUT_A_DERIVATIVE = {
    "relu' = 2 at 0",
    "relu' = -1 at 0",
    "all of the gradient to each of the winners",
    "x/|x| at 0: NaN",
    "argmin: singular Hessian hidden by a pseudo-inverse",
}


@pytest.mark.parametrize(
    "fault",
    [fault for fault in FAULTS if fault.name not in WITHOUT_A_DERIVATIVE],
    ids=lambda fault: fault.name,
)
def test_what_it_is_held_against_is_right(fault: Fault) -> None:
    """⟨Jᵀu, v⟩ = ⟨u, J v⟩, from the values alone."""
    planted = plant(fault, fault.sizes[0], "float64")
    gradients = truth(planted)
    u = cotangent(planted.forward(**planted.primals))
    rng = np.random.default_rng(2)
    v = {name: rng.standard_normal(planted.primals[name].shape) for name in planted.wrt}

    def phi(h: Scalar) -> Scalar:
        moved = {name: planted.primals[name] + h * tangent for name, tangent in v.items()}
        result: Scalar = np.sum(u * planted.forward(**{**planted.primals, **moved})).item()
        return result

    estimate = derivative(phi)
    assert estimate.oracle == "complex step"
    terms = [gradients[name] * tangent for name, tangent in v.items()]
    size = float(np.sqrt(sum(np.sum(np.square(term)) for term in terms)))
    got = float(sum(np.sum(term) for term in terms))
    assert got == pytest.approx(estimate.value, abs=1e-13 * size + estimate.error_bar)


@pytest.mark.parametrize(
    "fault",
    [fault for fault in FAULTS if fault.diagnosis == "second derivative"],
    ids=lambda fault: fault.name,
)
def test_the_second_derivative_it_is_held_against_is_right(fault: Fault) -> None:
    """Differences of the true VJP."""
    planted = plant(fault, fault.sizes[0], "float64")
    assert planted.true_vjp
    primals, right = dict(planted.primals), planted.true_vjp
    u = cotangent(planted.forward(**primals))
    v = {name: np.cos(np.arange(primals[name].size)) for name in planted.wrt}
    ahead, behind = (
        right(**{name: primals[name] + h * v[name] for name in v})[1](u) for h in (1e-4, -1e-4)
    )
    second = twice_differentiable(right).hvp(primals, u, v, "reverse over reverse")
    for name in planted.wrt:
        np.testing.assert_allclose(second[name], (ahead[name] - behind[name]) / 2e-4, atol=1e-6)


def test_a_right_vjp_is_no_fault() -> None:
    """The judgement above can be passed."""
    for fault in FAULTS:
        planted = plant(fault, fault.sizes[0], "float64")
        if planted.true_vjp and planted.order == 1:
            value, vjp = planted.true_vjp(**copies(planted.primals))
            assert not differ(vjp(cotangent(value)), truth(planted))
