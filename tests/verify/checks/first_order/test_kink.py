"""Functions at points where they have no derivative: what may be chosen there, and what may not.

Each is given with the choice it makes. Tied entries are tied exactly, in either dtype.
"""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from reference_impls import BACKENDS, COMPUTATIONS, DTYPES, Array, Arrays
from reference_impls.computation import Vjp, cast, generator
from reference_impls.function import implementations
from verify import Report, check, from_torch
from verify.checks.case import catalogue_case_at
from verify.checks.check import Verdict, Worst
from verify.checks.compare import worst_entry
from verify.checks.first_order.gradients import verify_case
from verify.checks.first_order.hull import hull_around, limit
from verify.oracles.one_sided import kink_at

MakeVjp = Callable[..., tuple[Array, Vjp]]
Sample = Callable[[np.random.Generator, int, float], Arrays]

SEEDS = range(2)
POINTS = [
    pytest.param(n, every, scale, id=f"{n}-every {every}-{scale:g}")
    for n, every in ((1, 1), (10, 3), (1000, 7))
    for scale in (1e-9, 1.0, 1e9)
]
each_point = pytest.mark.parametrize(("n", "every", "scale"), POINTS)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)
each_length = pytest.mark.parametrize("n", [1_000, 10_000, 30_000])


def between(f: MakeVjp, primals: Arrays, dtype: str, seed: int = 0) -> Report:
    return check(f, {name: array.astype(dtype) for name, array in primals.items()}, seed=seed)


def at_zero(rng: np.random.Generator, n: int, every: int, scale: float) -> Arrays:
    x = scale * rng.standard_normal(n)
    x[::every] = 0
    return {"x": x}


def tied(rng: np.random.Generator, n: int, every: int, scale: float) -> Arrays:
    x, y = scale * rng.standard_normal((2, n))
    y[::every] = x[::every]
    return {"x": x, "y": y}


def on_the_margin(rng: np.random.Generator, n: int, every: int, scale: float) -> Arrays:
    """y s = 1, exactly: the scale is a power of two."""
    power = 2.0 ** np.round(np.log2(scale))
    signs, margins = rng.choice([-1.0, 1.0], n), rng.standard_normal(n)
    margins[::every] = 1
    return {"s": power * signs * margins, "y": signs / power}


def relu(choice: float) -> MakeVjp:
    def make_vjp(x: Array) -> tuple[Array, Vjp]:
        slope = np.where(x == 0, choice, x > 0).astype(x.dtype)
        return np.where(x > 0, x, 0 * x), lambda u: {"x": u * slope}

    return make_vjp


def distance(choice: float) -> MakeVjp:
    def make_vjp(x: Array, y: Array) -> tuple[Array, Vjp]:
        z = x - y
        slope = np.where(z == 0, choice, np.sign(z)).astype(x.dtype)
        return np.where(z > 0, z, -z), lambda u: {"x": u * slope, "y": -u * slope}

    return make_vjp


def maximum(choice: float) -> MakeVjp:
    def make_vjp(x: Array, y: Array) -> tuple[Array, Vjp]:
        share = np.where(x == y, choice, x > y).astype(x.dtype)
        return np.maximum(x, y), lambda u: {"x": u * share, "y": u * (1 - share)}

    return make_vjp


def hinge(choice: float) -> MakeVjp:
    def make_vjp(s: Array, y: Array) -> tuple[Array, Vjp]:
        margin = 1 - y * s
        on = np.where(margin == 0, choice, margin > 0).astype(s.dtype)
        value = np.where(margin > 0, margin, 0 * margin)
        return value, lambda u: {"s": -u * on * y, "y": -u * on * s}

    return make_vjp


CHOICES: list[Any] = [
    pytest.param(f, sample, choice, verdict, id=f"{f.__name__} {choice}")
    for f, sample, right, wrong in (
        (relu, at_zero, (0, 0.5, 1), (2, -1, 1.001, -0.001)),
        (distance, tied, (-1, 0, 0.3, 1), (2, -1.001)),
        (maximum, tied, (0, 0.5, 1), (2, -1, 1.001)),
        (hinge, on_the_margin, (0, 0.5, 1), (2, -1, 1.001)),
    )
    for verdict, choices in (("agree", right), ("disagree", wrong))
    for choice in choices
]


@each_dtype
@each_point
@pytest.mark.parametrize(("f", "sample", "choice", "verdict"), CHOICES)
def test_a_choice_between_the_slopes_beside_a_kink_agrees_and_any_other_does_not(
    f: Callable[[float], MakeVjp],
    sample: Callable[..., Arrays],
    choice: float,
    verdict: Verdict,
    n: int,
    every: int,
    scale: float,
    dtype: str,
) -> None:
    primals = sample(np.random.default_rng(n), n, every, scale)
    report = between(f(choice), primals, dtype)
    assert report.verdict == verdict, str(report)


@each_dtype
@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize(
    ("f", "sample"), [(relu, at_zero), (distance, tied), (hinge, on_the_margin)]
)
def test_no_number_is_no_choice(
    f: Callable[[float], MakeVjp], sample: Callable[..., Arrays], scale: float, dtype: str
) -> None:
    report = between(f(np.nan), sample(np.random.default_rng(0), 10, 3, scale), dtype)
    assert report.verdict == "disagree"
    assert "is not finite" in report.disagreements[0].detail


@each_dtype
def test_a_branch_that_rounding_takes_is_no_instability(dtype: str) -> None:
    """1 - y s is zero, or a rounding: the two dtypes are on different sides of the hinge."""
    for seed in range(20):
        primals = on_the_margin(np.random.default_rng(seed), 10, 3, 1.0)
        report = between(hinge(0), primals, dtype, seed)
        assert report.verdict == "agree", str(report)


def test_a_tie_that_float32_settles_the_other_way_is_no_instability() -> None:
    """The mean distance of points from the nearest of 200 others, which lie close together."""

    def quantised(x: torch.Tensor) -> torch.Tensor:
        codes = torch.linspace(0, 1, 600, dtype=x.dtype).reshape(200, 3)
        distances: torch.Tensor = torch.linalg.norm(x[:, None] - codes, dim=2)
        return distances.min(1)[0].mean()

    for seed in range(30):
        points = np.random.default_rng(seed).standard_normal((300, 3))
        report = check(from_torch(quantised), (points,), seed=seed)
        assert report.verdict == "agree", str(report)


def smooth(x: Array) -> Array:
    return x**2


def beside_a_kink(x: Array) -> Array:
    return np.asarray(x**2 + np.maximum(x - x.dtype.type(0.3), 0))


def beside_a_tie(x: Array) -> Array:
    return np.append(x**2, max(np.max(x[::2]), np.max(x[1::2])))


@each_dtype
@pytest.mark.parametrize("value_of", [smooth, beside_a_kink, beside_a_tie])
def test_what_cancels_inside_is_unstable_all_the_same(
    value_of: Callable[[Array], Array], dtype: str
) -> None:
    """No jump of one entry excuses what others lose."""

    def cancelling(x: Array) -> tuple[Array, Vjp]:
        large = x.dtype.type(1e5)
        square, kink = 2 * ((x + large) - large), x > x.dtype.type(0.3)

        def vjp(u: Array) -> Arrays:
            gradient = u[: x.size] * (square + kink * (value_of is beside_a_kink))
            if value_of is beside_a_tie:
                gradient[np.argmax(x)] += u[-1]
            return {"x": gradient}

        return value_of(x), vjp

    for seed in SEEDS:
        x = np.random.default_rng(seed).standard_normal(100_000).astype(dtype)
        if value_of is beside_a_tie:
            x[:2] = 2 * np.max(x)
        report = check(cancelling, {"x": x}, seed=seed)
        assert "stability" in [found.kind for found in report.disagreements], str(report)


def test_instability_that_cannot_be_measured_again_is_told_as_it_was() -> None:
    """Beside 1 the arc cosine is steep, and beyond it there is none."""

    def steep(x: Array) -> tuple[Array, Vjp]:
        value = x**2
        value[0] = np.arccos(x[0])

        def vjp(u: Array) -> Arrays:
            large = x.dtype.type(1e5)
            gradient = 2 * u * ((x + large) - large)
            gradient[0] = -u[0] / np.sqrt((1 - x[0]) * (1 + x[0]))
            return {"x": gradient}

        return value, vjp

    told = []
    for seed in range(40):
        x = np.random.default_rng(seed).standard_normal(100)
        x[0] = 1 - 1.2e-16
        report = check(steep, {"x": x}, seed=seed)
        assert report.verdict in ("inconclusive", "disagree")
        told += [each.kind for each in report.disagreements]
    # At most seeds there is no noise to measure at all.
    assert set(told) == {"stability"}


def test_a_kink_that_float32_takes_the_other_side_of_makes_nothing_unstable() -> None:
    def relu(x: Array) -> tuple[Array, Vjp]:
        shift = x.dtype.type(8)
        z = (x + shift) - (shift + x.dtype.type(0.25))
        return np.where(z > 0, z, 0), lambda u: {"x": np.asarray(u * (z > 0), x.dtype)}

    for seed in range(12):
        near = np.random.default_rng(seed).standard_normal(20_000) * 0.003 + 0.25
        x = near.astype(np.float32).astype(np.float64)
        x[:20] = 0.25
        report = check(relu, {"x": x}, seed=seed)
        assert report.verdict != "disagree", str(report)


@each_dtype
@each_length
@pytest.mark.parametrize("seed", range(6, 12))
def test_a_sort_of_so_many_that_no_step_fits_between_its_ties_is_not_accused(
    n: int, dtype: str, seed: int
) -> None:
    accepted = ("agree",) if n == 1_000 else ("agree", "inconclusive")
    assert sorting(1.0, n, dtype, seed).verdict in accepted


@each_dtype
@each_length
def test_a_sort_of_so_many_with_the_wrong_sign_is_accused(n: int, dtype: str) -> None:
    assert sorting(-1.0, n, dtype, seed=11).verdict == "disagree"


def sorting(factor: float, n: int, dtype: str, seed: int) -> Report:
    x = np.random.default_rng(1000 + seed).standard_normal(n).astype(dtype)
    return check(ranked(factor), {"x": x}, seed=seed)


def ranked(factor: float) -> MakeVjp:
    """A sort, and a factor in its gradient."""

    def make_vjp(x: Array) -> tuple[Array, Vjp]:
        order = np.argsort(x, kind="stable")

        def vjp(u: Array) -> Arrays:
            gradient = np.empty_like(x)
            gradient[order] = x.dtype.type(factor) * u
            return {"x": gradient}

        return x[order], vjp

    return make_vjp


@pytest.mark.parametrize("n", [10_000, 100_000])
@pytest.mark.parametrize("error", [1e-2, 1e-3, 1e-5])
def test_between_many_kinks_a_small_error_is_seen_at_every_seed(n: int, error: float) -> None:
    def moduli(x: Array) -> tuple[Array, Vjp]:
        return np.abs(x), lambda u: {"x": u * np.sign(x) * (1 + error)}

    for seed in range(100_000 // n * 2):
        x = np.random.default_rng(1000 + seed).standard_normal(n)
        assert check(moduli, {"x": x}, seed=seed).verdict == "disagree"


def test_beside_a_large_constant_the_oracle_is_as_sharp_as_it_is_asked_to_be() -> None:
    def large(x: Array) -> tuple[Array, Vjp]:
        if np.iscomplexobj(x):
            raise TypeError("no complex numbers")
        return np.sum(np.tanh(x)) + x.dtype.type(1e6), lambda u: {"x": u * (1 - np.tanh(x) ** 2)}

    for seed in range(60):
        x = np.random.default_rng(1000 + seed).standard_normal(1_000)
        report = check(large, {"x": x}, seed=seed)
        assert report.verdict == "agree", str(report)


def pooled(weights: Callable[[Array], Array]) -> MakeVjp:
    """The largest of every row, its cotangent shared out among those that are."""

    def make_vjp(X: Array) -> tuple[Array, Vjp]:
        winners = np.max(X, axis=1)[:, None] == X
        shares = np.stack([weights(row) for row in winners]).astype(X.dtype)
        return np.max(X, axis=1), lambda u: {"X": u[:, None] * shares}

    return make_vjp


def first(winners: Array) -> Array:
    return np.asarray(np.arange(winners.size) == np.argmax(winners), np.float64)


SHARES: dict[str, tuple[Callable[[Array], Array], Verdict]] = {
    "alike": (lambda winners: winners / np.sum(winners), "agree"),
    "first": (first, "agree"),
    "last": (lambda winners: first(winners[::-1])[::-1], "agree"),
    "all of it to each": (lambda winners: winners.astype(np.float64), "disagree"),
    "too much": (lambda winners: 1.001 * first(winners), "disagree"),
    "negative": (lambda winners: -first(winners), "disagree"),
}


@each_dtype
@pytest.mark.parametrize(
    ("winners", "scale"), [*product([2, 9], [1e-9, 1e9]), (4, 1.0)], ids=lambda each: f"{each:g}"
)
@pytest.mark.parametrize("share", SHARES)
def test_the_largest_of_several_that_are_equal(
    share: str, winners: int, scale: float, dtype: str
) -> None:
    weights, verdict = SHARES[share]
    for rows in (1, 10, 100):
        rng = np.random.default_rng(rows)
        X = rng.standard_normal((rows, winners + 3))
        for row in X:
            row[rng.permutation(row.size)[:winners]] = np.abs(row).max() + 0.5
        report = between(pooled(weights), {"X": scale * X}, dtype)
        assert report.verdict == verdict, str(report)


@each_dtype
@pytest.mark.parametrize(("error", "verdict"), [(0.0, "agree"), (0.01, "disagree")])
def test_sorting_what_is_equal(error: float, verdict: Verdict, dtype: str) -> None:
    def ordered(x: Array) -> tuple[Array, Vjp]:
        order = np.argsort(x, kind="stable")

        def vjp(u: Array) -> Arrays:
            gradient = np.empty_like(x)
            gradient[order] = u
            gradient[order[0]] += error * np.abs(u).max()
            return {"x": gradient}

        return x[order], vjp

    for n in (2, 10, 100):
        x = np.random.default_rng(n).standard_normal(n)
        x[[1, -1]] = x[0]
        assert between(ordered, {"x": x}, dtype).verdict == verdict


@each_dtype
@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "agree"), (1.0005, "disagree")])
def test_where_only_the_second_derivative_jumps_there_is_one_right_gradient(
    factor: float, verdict: Verdict, dtype: str
) -> None:
    def huber(x: Array) -> tuple[Array, Vjp]:
        size = np.where(x > 0, x, -x)
        value = np.where(size <= 1, x * x / 2, size - 0.5).astype(x.dtype)
        return value, lambda u: {"x": x.dtype.type(factor) * u * np.clip(x, -1, 1)}

    for seed in range(20):
        x = np.random.default_rng(seed).standard_normal(10)
        x[::3] = 1
        assert between(huber, {"x": x}, dtype, seed).verdict == verdict


def with_a_sine(error: float, *, anywhere: bool) -> MakeVjp:
    """Beside a relu, whose entries are at the kink, the gradient of a sine is off in an entry."""

    def make_vjp(x: Array, y: Array) -> tuple[Array, Vjp]:
        slope = np.cos(y)
        if anywhere or (x == 0).any():
            slope = slope.copy()
            slope.flat[slope.size // 2] *= 1 + error
        return np.where(x > 0, x, 0 * x) + np.sin(y), lambda u: {"x": u * (x > 0), "y": u * slope}

    return make_vjp


@each_dtype
@pytest.mark.parametrize("n", [1, 10, 1000])
@pytest.mark.parametrize("anywhere", [True, False])
@pytest.mark.parametrize(("error", "verdict"), [(0.0, "agree"), (5e-4, "disagree")])
def test_a_smooth_entry_has_one_right_gradient_also_at_a_kink(
    error: float, verdict: Verdict, n: int, dtype: str, *, anywhere: bool
) -> None:
    rng = np.random.default_rng(0)
    primals = at_zero(rng, n, 3, 1.0) | {"y": rng.standard_normal(n)}
    assert between(with_a_sine(error, anywhere=anywhere), primals, dtype).verdict == verdict


@pytest.mark.parametrize("steepness", [1, 3, 5])
@pytest.mark.parametrize(("error", "verdict"), [(0.0, "agree"), (5e-4, "disagree")])
def test_a_steep_smooth_entry_is_no_kink(error: float, verdict: Verdict, steepness: int) -> None:
    def make_vjp(x: Array, y: Array) -> tuple[Array, Vjp]:
        powers = np.exp(steepness * y)
        value = np.where(x > 0, x, 0 * x) + powers
        return value, lambda u: {"x": u * (x > 0), "y": (1 + error) * u * steepness * powers}

    for seed in range(5):
        rng = np.random.default_rng(seed)
        primals = at_zero(rng, 10, 3, 1.0) | {"y": rng.standard_normal(10)}
        assert between(make_vjp, primals, "float64", seed).verdict == verdict


def wrong_on_one_side(x: Array) -> tuple[Array, Vjp]:
    value, _ = relu(0)(x)
    return value, lambda u: {"x": u * np.where(x > 0, 1.0, np.where(x < 0, 0.001, 0.5))}


def test_a_gradient_wrong_beside_the_kink_is_told_by_the_dot_test_there() -> None:
    report = between(wrong_on_one_side, {"x": np.zeros(10)}, "float64")
    assert report.verdict == "disagree"
    assert report.disagreements[0].kind == "kink"


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize(("error", "verdict"), [(0.0, "agree"), (5e-4, "disagree")])
def test_a_kink_a_millionth_away_is_none(error: float, verdict: Verdict, side: int) -> None:
    def make_vjp(x: Array) -> tuple[Array, Vjp]:
        return np.where(x > 0, x, 0.1 * x), lambda u: {
            "x": (1 + error) * u * np.where(x > 0, 1, 0.1)
        }

    x = np.random.default_rng(0).standard_normal(10)
    x[::3] = side * 1e-6
    report = between(make_vjp, {"x": x}, "float64")
    assert report.verdict == verdict
    assert {each.kind for each in report.checks} >= {"oracle"}
    assert "kink" not in {each.kind for each in report.checks}


def without_complex(f: MakeVjp) -> MakeVjp:
    def make_vjp(**primals: Array) -> tuple[Array, Vjp]:
        if any(np.iscomplexobj(array) for array in primals.values()):
            raise TypeError("no complex numbers")
        return f(**primals)

    return make_vjp


@each_dtype
@pytest.mark.parametrize("n", [1, 10, 1000])
@pytest.mark.parametrize(("choice", "verdict"), [(0, "agree"), (0.5, "agree"), (2, "disagree")])
def test_code_without_complex_numbers_is_judged_alike(
    choice: float, verdict: Verdict, n: int, dtype: str
) -> None:
    for seed in SEEDS:
        primals = at_zero(np.random.default_rng(seed), n, 3, 1.0)
        assert between(without_complex(relu(choice)), primals, dtype, seed).verdict == verdict


@pytest.mark.parametrize("n", [10, 1000])
def test_kinks_closer_than_any_step_of_a_difference_raise_no_alarm(n: int) -> None:
    """Some on either side, so that the jumps in the slope cancel."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal(n)
        x[::3] = 1e-6 * rng.choice([-1, 1], x[::3].size)
        report = between(without_complex(relu(0)), {"x": x}, "float64", seed)
        assert report.verdict in ("agree", "inconclusive"), str(report)


def modulus(x: Array) -> Array:
    return np.asarray(np.abs(x))


def with_branches(x: Array) -> Array:
    return np.where(x > 0, x, -x)


@pytest.mark.parametrize(
    ("absolute", "choices", "weight"),
    [
        *((modulus, (0, 1, 0.3), weight) for weight in (1.0, 1e-2, 1e-4)),
        (modulus, (0,), 1e-6),
        *((with_branches, (0, 1, 0.3), 10.0**-power) for power in range(0, 12, 2)),
    ],
)
def test_a_weak_kink_beside_strong_smooth_terms_raises_no_alarm(
    absolute: Callable[[Array], Array], choices: tuple[float, ...], weight: float
) -> None:
    """A lasso. Code that takes the modulus of complex numbers has no derivative there at all."""
    for choice, n, seed in product(choices, (1, 10), SEEDS):

        def make_vjp(w: Array, y: Array, choice: float = choice) -> tuple[Array, Vjp]:
            slope = np.where(w == 0, choice, np.sign(w))
            value = np.sum(y * y) + weight * np.sum(absolute(w))
            return value, lambda u: {"w": u * weight * slope, "y": 2 * u * y}

        rng = np.random.default_rng(seed)
        primals = {"w": at_zero(rng, n, 3, 1.0)["x"], "y": rng.standard_normal(n)}
        report = between(make_vjp, primals, "float64", seed)
        assert report.verdict in ("agree", "inconclusive"), str(report)
        assert weight < 1e-2 or report.verdict == "agree"


@pytest.mark.parametrize("n", [1, 10])
def test_at_a_jump_there_is_nothing_to_say(n: int) -> None:
    def make_vjp(x: Array) -> tuple[Array, Vjp]:
        return np.where(x > 0, x + 1, x), lambda u: {"x": u.copy()}

    for f in (make_vjp, without_complex(make_vjp)):
        report = between(f, at_zero(np.random.default_rng(0), n, 3, 1.0), "float64")
        assert report.verdict == "inconclusive", str(report)


def test_code_that_raises_beside_a_kink_is_inconclusive() -> None:
    """It has values everywhere, and gradients of points that are stored in float32."""

    def make_vjp(x: Array) -> tuple[Array, Vjp]:
        value, vjp = relu(0)(x)

        def only_there(u: Array) -> Arrays:
            if not np.array_equal(x, x.astype(np.float32)):
                raise ArithmeticError("not here")
            return vjp(u)

        return value, only_there

    report = between(make_vjp, {"x": np.zeros(3)}, "float64")
    assert report.verdict == "inconclusive"
    assert "beside it raised" in report.checks[-1].detail


def test_what_was_chosen_is_told() -> None:
    report = between(relu(0.5), {"x": np.zeros(1)}, "float64")
    cotangent = generator_cotangent("make_vjp", 1)
    (told,) = [each.detail for each in report.checks if each.against == "the gradients beside it"]
    low, high = sorted((0.0, cotangent))
    assert told == f"chose {cotangent / 2:.6g} for x[0], of {low:.6g} and {high:.6g}"


def generator_cotangent(name: str, size: int) -> float:
    """The only entry of the cotangent that `check` draws for a function."""
    return float(generator(name, size, 0, 1).standard_normal(1)[0])


@each_dtype
@pytest.mark.parametrize("name", ["relu", "elu", "composite_elu", "mlp_regression"])
def test_all_three_implementations_of_the_catalogue_agree_at_zero(name: str, dtype: str) -> None:
    computation = next(each for each in COMPUTATIONS if each.name == name)
    primals = computation.sample(np.random.default_rng(0), computation.sizes[0])
    primals = {
        each: np.zeros_like(array) if each in ("x", "z") else array
        for each, array in primals.items()
    }
    functions = implementations(computation, BACKENDS)
    case = catalogue_case_at(computation, cast(primals, dtype), (0, 0), functions)
    checks = verify_case(case, functions)
    assert {each.verdict for each in checks} == {"agree"}
    chosen = [each.implementation for each in checks if each.detail.startswith("chose")]
    assert chosen == ([backend.name for backend in BACKENDS] if name == "relu" else chosen)


def test_the_slopes_on_either_side_differ_only_at_a_kink() -> None:
    assert kink_at(np.exp) is None
    assert kink_at(lambda h: 1e6 + h.real) is None
    assert kink_at(lambda h: float(h.real > 0)) is None  # a jump has no slope
    sides = kink_at(lambda h: 2 * h.real + abs(h.real))
    assert sides is not None
    assert sides.left.value == pytest.approx(1, abs=sides.error_bar)
    assert sides.right.value == pytest.approx(3, abs=sides.error_bar)


def test_a_kink_is_seen_beside_a_large_constant_and_a_strong_curvature() -> None:
    for scale in (1e-30, 1.0, 1e30):
        assert kink_at(lambda h, s=scale: s * (1e3 + abs(h.real)))  # type: ignore[misc]
        assert kink_at(lambda h, s=scale: s * (1e3 * h.real**2 + abs(h.real)))  # type: ignore[misc]


def cubic(primals: Arrays) -> Arrays:
    return {"x": 3 * primals["x"] ** 2}


def test_the_limit_of_a_gradient_along_a_ray_is_that_at_its_end() -> None:
    x = np.random.default_rng(0).standard_normal(100)
    found = limit(cubic, {"x": x}, {"x": np.ones_like(x)})["x"]
    np.testing.assert_allclose(found, 3 * x * x, rtol=0, atol=64 * np.finfo(float).eps)


def furthest(got: Arrays, nearest: Arrays) -> Worst:
    return worst_entry(got, nearest, {name: np.zeros_like(array) for name, array in got.items()})


@pytest.mark.parametrize("size", [0.0, 1e-9, 1e9])
def test_rays_are_added_until_what_was_got_is_inside(size: float) -> None:
    """The winner among eight is each of them, on some ray."""
    x = np.full(8, size)

    def winner(primals: Arrays) -> Arrays:
        return {"x": (np.arange(8) == np.argmax(primals["x"])).astype(np.float64)}

    alike = {"x": np.full(8, 1 / 8)}
    hull = hull_around(winner, {"x": x}, alike, furthest, np.random.default_rng(0))
    assert furthest(alike, hull.nearest(alike)).accepted
    outside = {"x": np.eye(8)[3] * 1.01}
    hull = hull_around(winner, {"x": x}, outside, furthest, np.random.default_rng(1))
    np.testing.assert_array_equal(hull.upper["x"], np.ones(8))
    np.testing.assert_array_equal(hull.lower["x"], np.zeros(8))
    np.testing.assert_array_equal(hull.width["x"], np.ones(8))
    assert hull.nearest(outside)["x"][3] == 1
