"""One implementation for each way not to be a VJP, and correct ones that look like it.

All are of f(x, w) = x² sum(w): their values are right, and so is the first gradient that is asked
for, unless it says otherwise.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
import pytest

from reference_impls import COMPUTATIONS, DTYPES, Array, Arrays, Manual
from reference_impls.computation import Vjp
from reference_impls.function import Implementation
from verify import Report, check
from verify.checks.case import case_at
from verify.checks.first_order.contract import observe
from verify.checks.first_order.observation import Kept
from verify.error_model.measurement import measure_noise, nudged

MakeVjp = Callable[..., tuple[Array, Vjp]]

SIZES = (1, 5, 100)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)


def primals(dtype: str, size: int = 5) -> Arrays:
    rng = np.random.default_rng(size)
    return {
        "x": rng.standard_normal(size).astype(dtype),
        "w": rng.uniform(1, 2, (3, 2)).astype(dtype),
    }


def right(x: Array, w: Array) -> tuple[Array, Vjp]:
    def vjp(u: Array) -> Arrays:
        return {
            "x": 2 * u * x * np.sum(w),
            "w": np.full(w.shape, np.sum(u * x * x), np.result_type(w)),
        }

    return np.asarray(x * x * np.sum(w)), vjp


def with_vjp(changed: Callable[[Vjp, Array, Array], Vjp]) -> MakeVjp:
    """The right value, and a VJP made of the right one, x and w."""

    def make_vjp(x: Array, w: Array) -> tuple[Array, Vjp]:
        value, vjp = right(x, w)
        return value, changed(vjp, x, w)

    make_vjp.__name__ = changed.__name__
    return make_vjp


def shown(f: MakeVjp, dtype: str, size: int = 5) -> Report:
    return check(f, primals(dtype, size))


def fault_of(report: Report) -> tuple[str, str]:
    (contract,) = [each for each in report.checks if each.kind == "contract"]
    return contract.fault, contract.detail


@pytest.mark.parametrize("reduced", [np.sum, np.array], ids=["number", "vector"])
def test_noise_at_a_small_cotangent_is_not_that_of_ones(reduced: Callable[[Array], Array]) -> None:
    """A u of 10⁻³: rounding is a thousand times larger in vjp(1), which is asked for too.

    Of a single number, it is vjp(-2ᵏ u) that is asked for.
    """

    def cancelling(x: Array) -> tuple[Array, Vjp]:
        large = x.dtype.type(1e3)
        return reduced(x), lambda u: {"x": u * (large + x) - u * (large + x - 1)}

    def sample(rng: np.random.Generator, size: int) -> Arrays:
        return {"x": rng.standard_normal(size)}

    subject = replace(COMPUTATIONS[0], by_hand=cancelling, wrt=("x",), sample=sample, shapes={})
    for seed in range(20):
        rng = np.random.default_rng(seed)
        primals = sample(rng, 100)
        cotangent = np.asarray(1e-3 * rng.standard_normal(reduced(primals["x"]).shape))
        points = nudged(primals, cotangent, rng)
        function = Implementation(subject, Manual())
        noise = measure_noise(function, points, [], ("x",))
        assert noise
        case = replace(case_at("cancelling", ("x",), (100, seed), primals, ()), cotangent=cotangent)
        assert isinstance(observe(case, noise, function), Kept)


def spoils_a_primal_at_once(x: Array, w: Array) -> tuple[Array, Vjp]:
    value, vjp = right(x.copy(), w.copy())
    w *= 2
    return value, vjp


@with_vjp
def spoils_a_primal_later(vjp: Vjp, x: Array, _w: Array) -> Vjp:
    def spoiling(u: Array) -> Arrays:
        found = vjp(u)
        x[...] += 1
        return found

    return spoiling


@with_vjp
def spoils_a_primal_the_second_time(vjp: Vjp, x: Array, _w: Array) -> Vjp:
    calls = count()

    def spoiling(u: Array) -> Arrays:
        found = vjp(u)
        if next(calls):
            x[...] += 1
        return found

    return spoiling


@with_vjp
def spoils_the_cotangent(vjp: Vjp, _x: Array, _w: Array) -> Vjp:
    def spoiling(u: Array) -> Arrays:
        found = vjp(u)
        u *= 2
        return found

    return spoiling


@with_vjp
def adds_to_the_last_call(vjp: Vjp, x: Array, w: Array) -> Vjp:
    total: Arrays = {"x": np.zeros_like(x), "w": np.zeros_like(w)}

    def adding(u: Array) -> Arrays:
        for name, array in vjp(u).items():
            total[name] = total[name] + array
        return dict(total)

    return adding


@with_vjp
def answers_in_another_shape(vjp: Vjp, _x: Array, _w: Array) -> Vjp:
    calls = count()
    return lambda u: {
        name: array[None] if next(calls) > 1 else array for name, array in vjp(u).items()
    }


@with_vjp
def keeps_an_entry_of_the_last_answer(vjp: Vjp, x: Array, _w: Array) -> Vjp:
    """And had that for a cotangent of ones before the first call, as in memory not initialised."""
    last = vjp(np.ones_like(x))["x"][-1]

    def keeping(u: Array) -> Arrays:
        nonlocal last
        found = vjp(u)
        found["x"][-1], last = last, found["x"][-1]
        return found

    return keeping


def draws_afresh() -> MakeVjp:
    rng = np.random.default_rng(0)

    @with_vjp
    def noisy(vjp: Vjp, x: Array, _w: Array) -> Vjp:
        return lambda u: {
            name: (array * (1 + 1e-3 * rng.standard_normal())).astype(x.dtype)
            for name, array in vjp(u).items()
        }

    return noisy


def has_another_value_each_time() -> MakeVjp:
    calls = count()

    def make_vjp(x: Array, w: Array) -> tuple[Array, Vjp]:
        value, vjp = right(x, w)
        return (value * (1 + next(calls))).astype(value.dtype), vjp

    return make_vjp


@with_vjp
def writes_where_it_wrote_before(vjp: Vjp, x: Array, w: Array) -> Vjp:
    buffers = {"x": np.empty_like(x), "w": np.empty_like(w)}

    def writing(u: Array) -> Arrays:
        for name, array in vjp(u).items():
            buffers[name][...] = array
        return dict(buffers)

    return writing


def writes_where_others_wrote() -> MakeVjp:
    """One buffer for all points."""
    buffers: dict[tuple[str, str], Array] = {}

    @with_vjp
    def writing(vjp: Vjp, _x: Array, _w: Array) -> Vjp:
        def answer(u: Array) -> Arrays:
            for name, array in vjp(u).items():
                place = buffers.setdefault((name, str(array.dtype)), np.empty_like(array))
                place[...] = array
            return {name: buffers[name, str(u.dtype)] for name in ("x", "w")}

        return answer

    return writing


@with_vjp
def gives_what_it_was_given(vjp: Vjp, _x: Array, _w: Array) -> Vjp:
    def giving(u: Array) -> Arrays:
        found = vjp(u)
        u[...] = found["x"]
        return found | {"x": u}

    return giving


def one_array(x: Array, y: Array) -> tuple[Array, Vjp]:
    def vjp(u: Array) -> Arrays:
        gradient = 3 * u
        return {"x": gradient, "y": gradient}

    return 3 * (x + y), vjp


def given_back(x: Array, y: Array) -> tuple[Array, Vjp]:
    return x + 2 * y, lambda u: {"x": u, "y": 2 * u}


def reshaped(x: Array, y: Array) -> tuple[Array, Vjp]:
    return (x * np.ones_like(y)).ravel(), lambda u: {"x": u.reshape(x.shape), "y": 0 * y}


def spread_out(x: Array, y: Array) -> tuple[Array, Vjp]:
    def vjp(u: Array) -> Arrays:
        return {"x": np.broadcast_to(u, x.shape), "y": np.broadcast_to(2 * u, y.shape)}

    return np.asarray(x.sum() + 2 * y.sum()), vjp


def its_own_primal(x: Array, y: Array) -> tuple[Array, Vjp]:
    """At x = 0, where its gradient is zero as well."""
    return x * x + y, lambda u: {"x": x, "y": u.copy()}


def takes_the_last_cotangent_entry_for_all(x: Array, w: Array) -> tuple[Array, Vjp]:
    value, vjp = right(x, w)
    return value, lambda u: vjp(np.ones_like(u))


@with_vjp
def takes_absolute_values(vjp: Vjp, _x: Array, _w: Array) -> Vjp:
    return lambda u: vjp(np.abs(u))


@with_vjp
def adds_a_regulariser(vjp: Vjp, x: Array, _w: Array) -> Vjp:
    return lambda u: {name: array + x.dtype.type(0.1) for name, array in vjp(u).items()}


@with_vjp
def divides_by_the_norm_of_the_cotangent(vjp: Vjp, x: Array, _w: Array) -> Vjp:
    """Clipped."""
    return lambda u: {
        name: (array / max(1.0, float(np.linalg.norm(u)))).astype(x.dtype)
        for name, array in vjp(u).items()
    }


def in_memory_order(array: Array) -> Array:
    """Its entries as they lie, taken for row-major and contiguous: the mistake of a kernel."""
    flat = np.lib.stride_tricks.as_strided
    start = array
    while isinstance(start.base, np.ndarray):
        start = start.base
    if start.size < array.size:
        # Beyond the end there is something else.
        return np.resize(np.append(start, np.zeros(array.size - 1, array.dtype)), array.shape)
    return flat(start, array.shape, np.empty_like(array, order="C", subok=False).strides)


def with_gradient(changed: Callable[[Array], Array]) -> MakeVjp:
    """f(x) = Σ x², and what is made of u before it is multiplied with 2 x."""

    def make_vjp(x: Array) -> tuple[Array, Vjp]:
        return np.sum(x * x), lambda u: {"x": np.asarray(2 * changed(u) * x, x.dtype)}

    return make_vjp


@each_dtype
@pytest.mark.parametrize("changed", [lambda u: float(u) or 1.0, lambda u: u * u / u])
def test_of_a_single_number_zero_is_asked_for(
    changed: Callable[[Array], Array], dtype: str
) -> None:
    report = check(with_gradient(changed), {"x": primals(dtype)["x"]})
    assert report.verdict == "disagree"
    assert "zero" in fault_of(report)[1]


@each_dtype
def test_a_later_answer_of_another_dtype_is_told(dtype: str) -> None:
    def drifting(x: Array) -> tuple[Array, Vjp]:
        calls = count()
        other = np.float32 if x.dtype == np.float64 else np.float64

        def vjp(u: Array) -> Arrays:
            return {"x": np.asarray(2 * u * x, other if next(calls) else x.dtype)}

        return np.asarray(x * x), vjp

    for size in SIZES:
        report = check(drifting, {"x": primals(dtype, size)["x"]})
        assert fault_of(report)[0] == "stale state"


def test_of_an_empty_value_the_second_call_is_asked_for() -> None:
    def turning(x: Array, w: Array) -> tuple[Array, Vjp]:
        calls = count()
        return x * np.sum(w), lambda u: {"x": u, "w": np.full(w.shape, 5.0 * bool(next(calls)))}

    report = check(turning, {"x": np.zeros(0), "w": primals("float64")["w"]})
    assert fault_of(report)[0] == "stale state"


def test_digits_lost_to_denormal_numbers_are_no_fault() -> None:
    def tiny(x: Array) -> tuple[Array, Vjp]:
        factor = x.dtype.type(1e-40)
        return np.sum(x * x) * factor, lambda u: {"x": np.asarray(2 * factor * u * x, x.dtype)}

    for seed in range(20):
        report = check(tiny, {"x": primals("float32")["x"]}, seed=seed)
        assert report.verdict != "disagree", str(report)


SCALARS: dict[str, Callable[[Array], Array]] = {
    "absolute": np.abs,
    "clipped": lambda u: np.clip(u, -1, 1),
    "squared": np.square,
    "shifted": lambda u: u + 0.1,
    "sign": np.sign,
}


@pytest.mark.parametrize("changed", SCALARS.values(), ids=SCALARS)
def test_of_a_single_number_what_is_not_linear_is_seen_at_every_seed(
    changed: Callable[[Array], Array],
) -> None:
    for dtype in DTYPES:
        for seed in range(10):
            report = check(with_gradient(changed), {"x": primals(dtype)["x"]}, seed=seed)
            assert "u) is not -" in str(report), f"{dtype} {seed}: {report}"
            assert report.verdict == "disagree"


def test_of_a_single_number_zero_and_one_more_tell_whether_the_vjp_is_linear() -> None:
    cotangents: list[float] = []

    @with_gradient
    def counted(u: Array) -> Array:
        cotangents.append(float(u))
        return u

    rng = np.random.default_rng(0)
    subject = replace(COMPUTATIONS[0], by_hand=counted, wrt=("x",), shapes={})
    given, u = {"x": rng.standard_normal(5)}, np.asarray(rng.standard_normal())
    function = Implementation(subject, Manual())
    noise = measure_noise(function, nudged(given, u, rng), [], ("x",))
    assert noise
    cotangents.clear()
    case = replace(case_at("counted", ("x",), (5, 0), given, ()), cotangent=u)
    assert isinstance(observe(case, noise, function), Kept)
    first, scaled, zero, elsewhere = cotangents
    assert first == elsewhere == u
    assert zero == 0
    assert np.log2(-scaled / first) % 1 == 0  # a power of two, which rounds nothing
    assert abs(scaled) >= 2


@each_dtype
def test_of_a_single_number_a_residual_that_is_written_to_is_seen(dtype: str) -> None:
    """As in softmax and cross-entropy, where p[y] -= 1 is the gradient, and p a residual."""

    def cross_entropy(s: Array) -> tuple[Array, Vjp]:
        p = np.exp(s - np.max(s))
        p /= np.sum(p)
        value = -np.log(p[2])

        def vjp(u: Array) -> Arrays:
            p[2] -= 1
            return {"s": np.asarray(u * p, s.dtype)}

        return value, vjp

    report = check(cross_entropy, {"s": primals(dtype)["x"]})
    assert fault_of(report)[0] == "stale state"


@pytest.mark.parametrize(("dtype", "largest"), [("float64", 709.2), ("float32", 88.2)])
def test_what_overflows_when_it_is_scaled_is_not_the_fault_of_the_vjp(
    dtype: str, largest: float
) -> None:
    def total(x: Array) -> tuple[Array, Vjp]:
        return np.sum(np.exp(x)), lambda u: {"x": np.asarray(u * np.exp(x), x.dtype)}

    for seed in range(6):
        report = check(total, {"x": np.asarray([largest, 1], dtype)}, seed=seed)
        # For a u that is large, it does overflow.
        assert {each.fault for each in report.disagreements} <= {"not finite"}, str(report)


@each_dtype
def test_least_squares_near_its_solution_may_be_summed_in_another_order(dtype: str) -> None:
    """All of its gradient has cancelled, and more noise than numbers of its size."""

    def loss(A: Array, w: Array, y: Array) -> tuple[Array, Vjp]:
        r = A @ w - y

        def vjp(u: Array) -> Arrays:
            return {"A": u * np.outer(r, w), "w": u * (A.T @ r), "y": -u * r}

        return np.sum(r * r) / 2, vjp

    for seed in range(4):
        rng = np.random.default_rng(seed)
        A, w = rng.standard_normal((1000, 50)), rng.standard_normal(50)
        y = A @ w + 0.01 * rng.standard_normal(1000)
        given = {name: each.astype(dtype) for name, each in (("A", A), ("w", w), ("y", y))}
        report = check(loss, given, seed=seed)
        assert report.verdict != "disagree", str(report)


def halves_what_is_asked_again(x: Array, w: Array) -> tuple[Array, Vjp]:
    """Of a scalar, and for the same cotangent alone; and it wants contiguous arrays."""
    if not w.flags.c_contiguous:
        raise ValueError("wanted contiguous arrays")
    answers: dict[float, int] = {}

    def forgetting(u: Array) -> Arrays:
        key = float(u)
        answers[key] = answers.get(key, 0) + 1
        gradient = {"x": 2 * u * x * np.sum(w), "w": np.full(w.shape, u * np.sum(x * x), x.dtype)}
        return {name: np.asarray(array / answers[key], x.dtype) for name, array in gradient.items()}

    return np.sum(x * x) * np.sum(w), forgetting


@each_dtype
def test_where_the_same_numbers_elsewhere_are_refused_they_are_given_again(dtype: str) -> None:
    report = check(halves_what_is_asked_again, primals(dtype))
    assert fault_of(report)[0] == "stale state"
    assert "a second call of the VJP changed" in fault_of(report)[1]


@with_vjp
def misreads_the_cotangent(vjp: Vjp, _x: Array, _w: Array) -> Vjp:
    return lambda u: vjp(in_memory_order(u))


@with_vjp
def misreads_a_matrix(vjp: Vjp, x: Array, w: Array) -> Vjp:
    def reading(u: Array) -> Arrays:
        weights = np.arange(6, dtype=x.dtype).reshape(3, 2)
        found = vjp(u)
        # Zero for what is read as it should be.
        error = np.sum(weights * (w.ravel(order="K").reshape(w.shape) - w))
        return found | {"w": found["w"] + error}

    return reading


@with_vjp
def misreads_a_vector(vjp: Vjp, x: Array, w: Array) -> Vjp:
    return lambda u: vjp(u) | {"x": 2 * u * in_memory_order(x) * np.sum(w)}


@with_vjp
def writes_on_its_input_and_restores_it(vjp: Vjp, x: Array, w: Array) -> Vjp:
    def writing(u: Array) -> Arrays:
        kept = x.copy()
        x[...] = 2 * kept
        found = {"x": u * x * np.sum(w), "w": vjp(u)["w"]}
        x[...] = kept
        return found | {"w": np.full(w.shape, np.sum(u * x * x), x.dtype)}

    return writing


@with_vjp
def forgets_one(vjp: Vjp, _x: Array, _w: Array) -> Vjp:
    return lambda u: {"x": vjp(u)["x"]}


def returning(name: str, changed: Callable[[Array], Any]) -> MakeVjp:
    @with_vjp
    def other(vjp: Vjp, _x: Array, _w: Array) -> Vjp:
        return lambda u: vjp(u) | {name: changed(vjp(u)[name])}

    return other


BROKEN: list[Any] = [
    pytest.param(f, fault, sentence, id=fault + ": " + sentence)
    for f, fault, sentence in (
        (lambda: returning("w", lambda g: g.T), "wrong shape", "gradient of w has shape (2, 3)"),
        (
            lambda: returning("x", lambda g: g[:, None]),
            "wrong shape",
            "gradient of x has shape (5, 1)",
        ),
        (lambda: returning("x", lambda g: g.astype(np.float16)), "dtype drift", "is float16"),
        (lambda: returning("x", lambda g: g * np.nan), "not finite", "x[0]"),
        (lambda: spoils_a_primal_at_once, "mutation", "modified primal w"),
        (lambda: spoils_a_primal_later, "mutation", "modified primal x"),
        (lambda: spoils_the_cotangent, "mutation", "modified the cotangent"),
        (lambda: adds_to_the_last_call, "stale state", "a second call of the VJP changed"),
        (
            lambda: keeps_an_entry_of_the_last_answer,
            "stale state",
            "a second call of the VJP changed",
        ),
        (lambda: answers_in_another_shape, "stale state", "on a second call of the VJP, gradient"),
        (draws_afresh, "nondeterminism", "a second call of the VJP changed"),
        (has_another_value_each_time, "nondeterminism", "computed again, the value"),
        (lambda: writes_where_it_wrote_before, "shared memory", "overwrote the gradient of x"),
        (writes_where_others_wrote, "shared memory", "overwrote the gradient of x"),
        (lambda: takes_absolute_values, "not linear", "vjp(u - 2) is not vjp(u) - 2 vjp(1)"),
        (
            lambda: divides_by_the_norm_of_the_cotangent,
            "not linear",
            "vjp(u - 2) is not vjp(u) - 2 vjp(1)",
        ),
        (lambda: misreads_the_cotangent, "strides", "with a cotangent of stride zero"),
        (lambda: misreads_a_matrix, "strides", "with read-only primals that are not contiguous"),
        (lambda: misreads_a_vector, "strides", "with read-only primals that are not contiguous"),
        (lambda: writes_on_its_input_and_restores_it, "mutation", "it writes to what it was given"),
    )
]


@each_dtype
@pytest.mark.parametrize(("f", "fault", "sentence"), BROKEN)
def test_whatever_no_vjp_does_is_named(
    f: Callable[[], MakeVjp], fault: str, sentence: str, dtype: str
) -> None:
    report = shown(f(), dtype)
    found, detail = fault_of(report)
    assert report.verdict == "disagree"
    assert sentence in detail
    # Of a gradient that is no linear map, or none at all, it may be known what it is.
    assert found == fault or fault in ("wrong shape", "not linear", "not finite")


@each_dtype
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("f", "fault"),
    [
        (adds_to_the_last_call, "stale state"),
        (spoils_a_primal_later, "mutation"),
        (spoils_a_primal_the_second_time, "mutation"),
        (gives_what_it_was_given, "mutation"),
        (writes_where_it_wrote_before, "shared memory"),
        (takes_absolute_values, "not linear"),
        (misreads_the_cotangent, "strides"),
    ],
)
def test_it_is_seen_at_every_size(f: MakeVjp, fault: str, size: int, dtype: str) -> None:
    if size == 1 and f is misreads_the_cotangent:
        pytest.skip("a single entry lies in one way")
    found, detail = fault_of(shown(f, dtype, size))
    assert fault in (found, "not linear")
    assert detail


def test_a_missing_gradient_is_refused_in_one_line() -> None:
    report = shown(forgets_one, "float64")
    assert report.verdict == "unsupported"
    assert "w" in fault_of(report)[1]


def zeros_and_more(dtype: str) -> Arrays:
    rng = np.random.default_rng(1)
    return {"x": np.zeros((2, 3), dtype), "y": rng.standard_normal((2, 3)).astype(dtype)}


SHARED = [
    pytest.param(one_array, "the gradient of x and the gradient of y share memory", id="one array"),
    pytest.param(given_back, "the gradient of x and the cotangent share memory", id="cotangent"),
    pytest.param(reshaped, "the gradient of x and the cotangent share memory", id="reshape"),
    pytest.param(spread_out, "the gradient of x and the cotangent share memory", id="spread out"),
]


@each_dtype
@pytest.mark.parametrize(("f", "sentence"), SHARED)
def test_shared_memory_is_a_remark(f: MakeVjp, sentence: str, dtype: str) -> None:
    report = check(f, zeros_and_more(dtype))
    assert report.verdict == "agree", str(report)
    assert sentence in str(report)


@each_dtype
def test_a_gradient_that_is_its_own_primal_is_told(dtype: str) -> None:
    fault, remark = fault_of(check(its_own_primal, zeros_and_more(dtype)))
    assert not fault
    assert "the gradient of x and primal x share memory" in remark


@each_dtype
@pytest.mark.parametrize(("f", "sentence"), SHARED)
def test_what_is_wrong_with_a_gradient_that_shares_memory_is_told(
    f: MakeVjp, sentence: str, dtype: str
) -> None:
    def sevenfold(x: Array, y: Array) -> tuple[Array, Vjp]:
        value, vjp = f(x, y)
        return 7 * value, vjp

    report = check(sevenfold, zeros_and_more(dtype))
    assert report.verdict == "disagree"
    assert sentence not in str(report)
    assert report.diagnosis
    assert report.diagnosis.fault == "constant factor"


def test_two_arguments_that_are_one_array_agree() -> None:
    x = np.linspace(1, 2, 4)
    report = check(lambda a, b: (a * b, lambda u: (u * b, u * a)), (x, x))
    assert report.verdict == "agree", str(report)
    assert "share memory" not in str(report)


@each_dtype
@pytest.mark.parametrize("size", SIZES)
def test_a_gradient_that_is_the_same_for_every_cotangent_is_named(size: int, dtype: str) -> None:
    report = shown(takes_the_last_cotangent_entry_for_all, dtype, size)
    assert report.verdict == "disagree"
    assert fault_of(report) == (
        "cotangent ignored",
        "the gradient is the same for every cotangent",
    )


@each_dtype
def test_a_gradient_that_is_not_zero_for_a_cotangent_of_zero_is_told(dtype: str) -> None:
    @with_vjp
    def leaks(vjp: Vjp, _x: Array, _w: Array) -> Vjp:
        def leaking(u: Array) -> Arrays:
            found = vjp(u)
            return found if u.any() else {name: array + 1 for name, array in found.items()}

        return leaking

    report = shown(leaks, dtype)
    assert report.verdict == "disagree"
    assert "the gradient for a cotangent of zero is not: x[0]" in fault_of(report)[1]


@each_dtype
def test_a_constant_that_is_added_to_the_gradient_is_not_linear(dtype: str) -> None:
    report = shown(adds_a_regulariser, dtype)
    assert report.verdict == "disagree"
    assert "vjp(u - 2) is not vjp(u) - 2 vjp(1)" in fault_of(report)[1]


@with_vjp
def refuses_what_is_not_contiguous(vjp: Vjp, x: Array, w: Array) -> Vjp:
    def refusing(u: Array) -> Arrays:
        if not all(array.flags.c_contiguous for array in (x, w, u)):
            raise ValueError("wanted contiguous arrays")
        return vjp(u)

    return refusing


@with_vjp
def returns_views_of_one_array(vjp: Vjp, x: Array, w: Array) -> Vjp:
    """The two halves of a flat gradient: they do not overlap."""

    def flat(u: Array) -> Arrays:
        found = vjp(u)
        everything = np.concatenate([found["x"], found["w"].ravel()])
        return {"x": everything[: x.size], "w": everything[x.size :].reshape(w.shape)}

    return flat


@with_vjp
def returns_column_major(vjp: Vjp, _x: Array, _w: Array) -> Vjp:
    return lambda u: {name: np.asfortranarray(array) for name, array in vjp(u).items()}


@with_vjp
def copies_before_it_writes(vjp: Vjp, _x: Array, _w: Array) -> Vjp:
    def writing(u: Array) -> Arrays:
        mine = u.copy()
        mine *= 2
        return {name: array / 2 for name, array in vjp(mine).items()}

    return writing


@with_vjp
def remembers_what_is_no_answer(vjp: Vjp, _x: Array, _w: Array) -> Vjp:
    calls: Iterator[int] = count()
    return lambda u: (next(calls), vjp(u))[1]


@each_dtype
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "f",
    [
        right,
        refuses_what_is_not_contiguous,
        returns_views_of_one_array,
        returns_column_major,
        copies_before_it_writes,
        remembers_what_is_no_answer,
    ],
)
def test_what_is_correct_passes(f: MakeVjp, size: int, dtype: str) -> None:
    report = shown(f, dtype, size)
    assert report.verdict == "agree", str(report)


def scalar(x: Array, y: Array) -> tuple[Array, Vjp]:
    return np.asarray(x * y), lambda u: {"x": np.asarray(u * y), "y": np.asarray(u * x)}


def without_w(x: Array, w: Array) -> tuple[Array, Vjp]:
    return x * x, lambda u: {"x": 2 * u * x, "w": np.zeros_like(w)}


def total(x: Array) -> tuple[Array, Vjp]:
    return np.asarray(np.sum(x * x)), lambda u: {"x": np.asarray(2 * u * x)}


@each_dtype
def test_numbers_and_arguments_that_are_not_used_pass(dtype: str) -> None:
    x = np.asarray(1.5, dtype)
    assert check(scalar, {"x": x, "y": x + 1}).verdict == "agree"
    assert check(without_w, primals(dtype)).verdict == "agree"
    for size in SIZES:
        assert check(total, {"x": primals(dtype, size)["x"]}).verdict == "agree"


@each_dtype
@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0)])
def test_of_empty_arrays_nothing_disagrees(shape: tuple[int, ...], dtype: str) -> None:
    def square(x: Array) -> tuple[Array, Vjp]:
        return x * x, lambda u: {"x": 2 * u * x}

    x = np.zeros(shape, dtype)
    for f in (square, total):
        report = check(f, {"x": x})
        assert report.verdict == "agree", str(report)
    report = check(lambda x: (x * x, lambda _: {"x": np.zeros(4, dtype)}), {"x": x})
    assert "shape (4,)" in fault_of(report)[1]
