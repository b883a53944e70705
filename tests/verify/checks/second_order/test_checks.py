from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import autograd.numpy as anp
import numpy as np
import pytest
import torch
from autograd.extend import defjvp, defvjp, primitive
from autograd.tracer import getval

from reference_impls import BACKENDS, DTYPES, Array, Arrays, Computation
from reference_impls.computation import Native
from reference_impls.engines.hips.backend import Autograd
from reference_impls.engines.manual.backend import Manual
from reference_impls.engines.pytorch.backend import Torch
from reference_impls.implicit import ImplicitError
from tests.reference_impls.shared import BY_NAME, every_dtype
from tests.verify.shared import cases_of
from verify.checks.check import Check
from verify.checks.second_order.answers import FORWARD, KIND, REVERSE
from verify.checks.second_order.checks import second_order, second_order_checks
from verify.checks.second_order.question import Gradient, Hvp, Question
from verify.error_model.noise import EXCUSE, SAFETY

SIZE = 5
EVERY = {
    "a second call",
    "linearity",
    "zero tangent",
    "symmetry",
    "complex step",
    "complex step, every entry",
    FORWARD,
}


def wave_gradient(primals: Arrays) -> Arrays:
    """Of Σ x³ sin y."""
    x, y = primals["x"], primals["y"]
    return {"x": 3 * x**2 * np.sin(y), "y": x**3 * np.cos(y)}


def wave_hvp(primals: Arrays, v: Arrays) -> Arrays:
    x, y = primals["x"], primals["y"]
    mixed = 3 * x**2 * np.cos(y)
    return {
        "x": 6 * x * np.sin(y) * v["x"] + mixed * v["y"],
        "y": mixed * v["x"] - x**3 * np.sin(y) * v["y"],
    }


def point(dtype: str = "float64", size: int = SIZE, seed: int = 0) -> Arrays:
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(size).astype(dtype) for name in "xy"}


def checks_of(
    modes: Mapping[str, Hvp],
    gradient: Gradient = wave_gradient,
    primals: Arrays | None = None,
    dtype: str = "float64",
    seed: int = 0,
) -> list[Check]:
    given = point(dtype, seed=seed) if primals is None else primals
    rng = np.random.default_rng(seed)
    question = Question.drawn(given, ("x", "y"), dtype, rng)
    return second_order_checks({"mine": modes}, gradient, question, rng)


def against(checks: list[Check], verdict: str = "disagree") -> set[str]:
    return {check.against for check in checks if check.verdict == verdict}


@every_dtype
@pytest.mark.parametrize("seed", range(20))
def test_what_calculus_gives_agrees_with_everything(dtype: str, seed: int) -> None:
    checks = checks_of({REVERSE: wave_hvp, FORWARD: wave_hvp}, dtype=dtype, seed=seed)
    assert against(checks, "agree") == EVERY
    assert {check.verdict for check in checks} == {"agree"}
    assert {(check.implementation, check.kind) for check in checks} == {("mine", KIND)}


# ---------------------------------------------------------------------------------------- faults


def detached(primals: Arrays, v: Arrays) -> Arrays:
    return {name: np.zeros_like(primals[name]) for name in v}


def without_a_term(primals: Arrays, v: Arrays) -> Arrays:
    """Where x was saved without its graph."""
    curved = wave_hvp(primals, {**v, "y": np.zeros_like(v["y"])})
    return {**wave_hvp(primals, v), "x": curved["x"]}


def not_symmetric(primals: Arrays, v: Arrays) -> Arrays:
    """A rolled diagonal."""
    return {**wave_hvp(primals, v), "y": wave_hvp(primals, {**v, "x": np.roll(v["x"], 1)})["y"]}


def mirrored(primals: Arrays, v: Arrays) -> Arrays:
    """Symmetric and linear: the sign of one block is wrong."""
    second = wave_hvp(primals, {**v, "y": -v["y"]})
    return {"x": second["x"], "y": -second["y"]}


def a_little_off(primals: Arrays, v: Arrays) -> Arrays:
    factor = primals["x"].dtype.type(1.0005)
    return {name: factor * array for name, array in wave_hvp(primals, v).items()}


def without_an_entry(primals: Arrays, v: Arrays) -> Arrays:
    kept = v["x"].copy()
    kept[3] = 0
    second = wave_hvp(primals, {**v, "x": kept})
    second["x"][3] = 0
    return second


def squared(primals: Arrays, v: Arrays) -> Arrays:
    """Not linear in v."""
    return wave_hvp(primals, {name: tangent * np.abs(tangent) for name, tangent in v.items()})


def with_an_offset(primals: Arrays, v: Arrays) -> Arrays:
    gradient = wave_gradient(primals)
    return {name: array + gradient[name] for name, array in wave_hvp(primals, v).items()}


@every_dtype
@pytest.mark.parametrize(
    ("fault", "seen_by"),
    [
        (detached, {"complex step", "complex step, every entry", FORWARD}),
        (without_a_term, {"symmetry", "complex step, every entry", FORWARD}),
        (not_symmetric, {"symmetry", "complex step", "complex step, every entry", FORWARD}),
        (mirrored, {"complex step", "complex step, every entry", FORWARD}),
        (a_little_off, {"complex step", "complex step, every entry", FORWARD}),
        (without_an_entry, {"complex step", "complex step, every entry", FORWARD}),
        (squared, {"linearity", "symmetry", "complex step", "complex step, every entry", FORWARD}),
        (
            with_an_offset,
            EVERY - {"a second call"},
        ),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_every_fault_is_seen(fault: Hvp, seen_by: set[str], dtype: str) -> None:
    for seed in range(5):
        checks = checks_of({REVERSE: fault, FORWARD: wave_hvp}, dtype=dtype, seed=seed)
        assert seen_by <= against(checks)


@every_dtype
@pytest.mark.parametrize("scale", [1e-30, 1e-7, 1e7, 1e30])
def test_the_scale_of_the_function_does_not_matter(scale: float, dtype: str) -> None:
    def scaled(function: Callable[..., Arrays]) -> Callable[..., Arrays]:
        def by_scale(*given: Arrays) -> Arrays:
            found = function(*given)
            return {name: array.dtype.type(scale) * array for name, array in found.items()}

        return by_scale

    good = checks_of({REVERSE: scaled(wave_hvp)}, scaled(wave_gradient), dtype=dtype)
    assert {check.verdict for check in good} == {"agree"}
    bad = checks_of({REVERSE: scaled(a_little_off)}, scaled(wave_gradient), dtype=dtype)
    assert against(bad) == {"complex step", "complex step, every entry"}


@every_dtype
def test_a_second_call_that_is_wrong_is_seen(dtype: str) -> None:
    calls: list[Arrays] = []

    def stale(primals: Arrays, v: Arrays) -> Arrays:
        """An accumulator that is not cleared."""
        calls.append(wave_hvp(primals, v))
        return {name: sum(call[name] for call in calls) for name in v}  # type: ignore[misc]

    assert "a second call" in against(checks_of({REVERSE: stale}, dtype=dtype))


def test_memory_that_is_used_again_is_no_second_answer() -> None:
    """What a later call writes is not held against an earlier one."""
    answer = point()

    def reusing(primals: Arrays, v: Arrays) -> Arrays:
        for name, array in wave_hvp(primals, v).items():
            answer[name][:] = array
        return answer

    assert not against(checks_of({REVERSE: reusing}))


@every_dtype
def test_a_wrong_forward_mode_is_told_from_a_wrong_reverse_mode(dtype: str) -> None:
    wrong_forward = checks_of({REVERSE: wave_hvp, FORWARD: mirrored}, dtype=dtype)
    assert against(wrong_forward) == {FORWARD}
    wrong_reverse = checks_of({REVERSE: mirrored, FORWARD: wave_hvp}, dtype=dtype)
    assert "complex step" in against(wrong_reverse)


def test_the_worst_entry_is_named() -> None:
    checks = checks_of({REVERSE: without_an_entry})
    (entry,) = [c for c in checks if c.against == "complex step, every entry"]
    assert entry.worst
    assert (entry.worst.argument, entry.worst.index, entry.worst.got) == ("x", "[3]", 0.0)


def missing(primals: Arrays, v: Arrays) -> Arrays:
    return {"x": wave_hvp(primals, v)["x"]}


def transposed(primals: Arrays, v: Arrays) -> Arrays:
    return {name: array[:, None] for name, array in wave_hvp(primals, v).items()}


def promoted(primals: Arrays, v: Arrays) -> Arrays:
    other = np.float64 if primals["x"].dtype == np.float32 else np.float32
    return {name: array.astype(other) for name, array in wave_hvp(primals, v).items()}


def not_a_number(primals: Arrays, v: Arrays) -> Arrays:
    return wave_hvp(primals, {**v, "x": v["x"] * np.nan})


def not_an_array(primals: Arrays, v: Arrays) -> Arrays:
    return {name: array.tolist() for name, array in wave_hvp(primals, v).items()}


def raising(primals: Arrays, v: Arrays) -> Arrays:
    raise ArithmeticError(f"no graph\nof {len(primals)} or {len(v)}")


@every_dtype
@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (missing, "gradients for x, wanted x, y"),
        (transposed, "gradient of x has shape (5, 1), wanted (5,)"),
        (promoted, "gradient of x is float"),
        (not_a_number, "gradient of x[0] is not finite"),
        (not_an_array, "gradient of x is a list, wanted an array"),
        (raising, "raised ArithmeticError: no graph"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_what_is_no_second_derivative_at_all_is_told_in_one_line(
    fault: Hvp, told: str, dtype: str
) -> None:
    (check,) = checks_of({REVERSE: fault}, dtype=dtype)
    assert (check.verdict, check.against) == ("disagree", REVERSE)
    assert told in check.detail
    assert "\n" not in check.detail
    # The other mode is then asked everything in its place.
    both = checks_of({REVERSE: fault, FORWARD: wave_hvp}, dtype=dtype)
    assert against(both) == {REVERSE}
    assert against(both, "agree") == EVERY - {FORWARD}


def test_a_mode_that_is_missing_is_unsupported_and_the_others_are_checked() -> None:
    def unheard_of(primals: Arrays, v: Arrays) -> Arrays:
        raise NotImplementedError(f"no rule for {len(primals)}, {len(v)}")

    for modes in (
        {REVERSE: wave_hvp, FORWARD: unheard_of},
        {REVERSE: unheard_of, FORWARD: wave_hvp},
    ):
        checks = checks_of(modes)
        assert len(against(checks, "unsupported")) == 1
        assert against(checks, "agree") == EVERY - {FORWARD}
    (check,) = checks_of({REVERSE: unheard_of})
    assert check.detail == "raised NotImplementedError: no rule for 2, 2"


def test_a_gradient_that_cannot_be_evaluated_is_no_oracle() -> None:
    def refusing(primals: Arrays) -> Arrays:
        raise ArithmeticError(f"no solution\nof {len(primals)}")

    (check,) = [c for c in checks_of({REVERSE: wave_hvp}, refusing) if c.verdict != "agree"]
    assert (check.against, check.verdict) == ("oracle", "unsupported")
    assert check.detail.endswith("raised ArithmeticError: no solution")


# ---------------------------------------------------------------------- correct, but awkward


@every_dtype
def test_without_complex_arithmetic_the_oracle_is_richardsons(dtype: str) -> None:
    def real(primals: Arrays) -> Arrays:
        return wave_gradient({name: np.abs(x) * np.sign(x.real) for name, x in primals.items()})

    checks = checks_of({REVERSE: wave_hvp}, real, dtype=dtype)
    expected = EVERY - {"complex step", "complex step, every entry", FORWARD} | {"Richardson"}
    assert against(checks, "agree") == expected
    bad = checks_of({REVERSE: a_little_off}, real, dtype=dtype)
    assert against(bad) == {"Richardson"}


@every_dtype
def test_second_derivatives_of_zero_are_found_by_differences_too(dtype: str) -> None:
    def gradient(primals: Arrays) -> Arrays:
        if np.iscomplexobj(primals["x"]):
            raise TypeError("no complex numbers")
        # A constant, but for rounding.
        return {name: (array + np.pi) - array for name, array in primals.items()}

    for seed in range(5):
        checks = checks_of({REVERSE: detached}, gradient, dtype=dtype, seed=seed)
        assert {check.verdict for check in checks} == {"agree"}
        assert "Richardson" in {check.against for check in checks}


@every_dtype
def test_a_linear_function_has_second_derivative_zero(dtype: str) -> None:
    def gradient(primals: Arrays) -> Arrays:
        return {name: 0 * array + 3 for name, array in primals.items()}

    checks = checks_of({REVERSE: detached, FORWARD: detached}, gradient, dtype=dtype)
    assert {check.verdict for check in checks} == {"agree"}
    assert {"complex step", "complex step, every entry"} <= against(
        checks_of({REVERSE: wave_hvp}, gradient, dtype=dtype)
    )


def cubed_gradient(primals: Arrays) -> Arrays:
    """Of Σ (x - y)³."""
    square = 3 * (primals["x"] - primals["y"]) ** 2
    return {"x": square, "y": -square}


def cubed_hvp(primals: Arrays, v: Arrays) -> Arrays:
    """In terms that cancel where x is nearly y."""
    both = v["x"] - v["y"]
    second = 6 * primals["x"] * both - 6 * primals["y"] * both
    return {"x": second, "y": -second}


def cubed_and_off(primals: Arrays, v: Arrays) -> Arrays:
    second = cubed_hvp(primals, v)
    return {**second, "x": second["x"] * second["x"].dtype.type(1.02)}


def nearly_equal(gap: float, dtype: str, seed: int) -> Arrays:
    x = point(seed=seed)["x"]
    return {"x": x.astype(dtype), "y": (x * (1 + gap)).astype(dtype)}


@every_dtype
def test_cancellation_is_excused_and_an_error_above_it_is_not(dtype: str) -> None:
    for seed in range(20):
        x = nearly_equal(1e-3, dtype, seed)
        good = checks_of({REVERSE: cubed_hvp}, cubed_gradient, x, dtype, seed)
        assert {check.verdict for check in good} == {"agree"}
        bad = checks_of({REVERSE: cubed_and_off}, cubed_gradient, x, dtype, seed)
        assert "complex step, every entry" in against(bad)


def halved_squares(primals: Arrays) -> Arrays:
    return {name: primals[name] for name in "xy"}


def summed(terms: Array) -> Array:
    """One after the other, as rows are by most libraries: errors of one sign add up."""
    return np.asarray(np.cumsum(terms, axis=0)[-1])


def by_equal_terms(_: Arrays, v: Arrays) -> Arrays:
    """H = 1, in float64 whatever the dtype, so that float32 shows nothing of the error."""
    terms = {name: np.tile(v[name].astype(np.float64) / 1000, (1000, 1)) for name in v}
    return {name: summed(each).astype(v[name].dtype) for name, each in terms.items()}


def by_constants(_: Arrays, v: Arrays) -> Arrays:
    """H = 1, with an error that depends on neither x nor v."""
    one = {name: summed(np.full(1500, 1 / 1500, v[name].dtype)) for name in v}
    return {name: one[name] * v[name] for name in v}


@pytest.mark.parametrize("hvp", [by_equal_terms, by_constants])
def test_a_long_sum_is_excused(hvp: Hvp) -> None:
    """By each of the ways to measure noise, where the others see nothing."""
    errors = []
    for seed in range(10):
        checks = checks_of({REVERSE: hvp}, halved_squares, seed=seed)
        assert {check.verdict for check in checks} == {"agree"}
        errors += [check.worst.ulps for check in checks if check.worst]
    assert max(errors) > 16  # what would be accepted without noise


def in_a_long_sum(_: Arrays, v: Arrays) -> Arrays:
    """H = 1, with an error of hundreds of units in either dtype."""
    count = 5_000
    rows = {name: np.tile(v[name] / v[name].dtype.type(count), (count, 1)) for name in v}
    return {name: summed(each) for name, each in rows.items()}


def exactly_one(_: Arrays, v: Arrays) -> Arrays:
    return {name: v[name].copy() for name in v}


def off_in_float32_alone(_: Arrays, v: Arrays) -> Arrays:
    return {n: a * a.dtype.type(1 + 1e-4 * (a.dtype == np.float32)) for n, a in v.items()}


def beside_exact(hvp: Hvp, seed: int) -> list[Check]:
    question = Question.drawn(point("float32", seed=seed), ("x", "y"), "float32", generator(seed))
    both: dict[str, dict[str, Hvp]] = {"exact": {REVERSE: exactly_one}, "other": {REVERSE: hvp}}
    return second_order_checks(both, halved_squares, question, generator(seed))


def generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_what_float64_loses_as_well_is_excused_beside_one_that_loses_nothing() -> None:
    errors = []
    for seed in range(5):
        checks = beside_exact(in_a_long_sum, seed)
        assert {check.verdict for check in checks} == {"agree"}
        errors += [check.worst.ulps for check in checks if check.worst]
    assert max(errors) > SAFETY * (1 + EXCUSE) / 2  # all that the noise of float32 counts for


def test_what_float32_alone_is_off_by_is_not() -> None:
    for seed in range(5):
        assert {"complex step, every entry", "other"} <= against(
            beside_exact(off_in_float32_alone, seed)
        )


@pytest.mark.parametrize("gap", [1e-8, 3e-8, -2e-8])
def test_a_kink_within_rounding_is_settled_either_way(gap: float) -> None:
    """Where float32 is on its other side at the point itself, and at all points beside it."""

    def slopes(distance: Array) -> Array:
        return np.where(distance.real > 0, 3, 1).astype(distance.real.dtype)

    def gradient(primals: Arrays) -> Arrays:
        distances = {name: primals[name] - 0.1 - gap for name in "xy"}
        return {name: slopes(t) * t for name, t in distances.items()}

    def hvp(primals: Arrays, v: Arrays) -> Arrays:
        shift = 3e-7 if v["x"].dtype == np.float32 else 0.0
        side = 1 if gap < 0 else -1
        return {n: slopes(primals[n] - 0.1 - gap + side * -shift) * v[n] for n in "xy"}

    for seed in range(10):
        x = {name: np.full(SIZE, 0.1, np.float32) for name in "xy"}
        assert not against(checks_of({REVERSE: hvp}, gradient, x, "float32", seed))


def test_a_kink_within_rounding_is_no_fault() -> None:
    """x = 0.1 in float32 is a little more than that in float64, on the other side of the kink."""

    def gradient(primals: Arrays) -> Arrays:
        distances = {name: primals[name] - 0.1 for name in "xy"}
        return {name: np.where(t.real > 0, 3, 1) * t for name, t in distances.items()}

    def hvp(primals: Arrays, v: Arrays) -> Arrays:
        kind = v["x"].dtype.type
        return {n: np.where(primals[n] - kind(0.1) > 0, kind(3), kind(1)) * v[n] for n in "xy"}

    for seed in range(10):
        x = {name: np.full(SIZE, 0.1, np.float32) for name in "xy"}
        assert not against(checks_of({REVERSE: hvp}, gradient, x, "float32", seed))


def test_where_no_digit_is_left_nothing_agrees() -> None:
    for seed in range(5):
        x = nearly_equal(2e-7, "float32", seed)
        checks = checks_of({REVERSE: cubed_hvp}, cubed_gradient, x, "float32", seed)
        assert not against(checks)
        assert {"complex step", "complex step, every entry"} & against(checks, "inconclusive")


def test_other_arguments_may_be_of_any_dtype_and_empty_ones_are_nothing() -> None:
    def gradient(primals: Arrays) -> Arrays:
        return {"x": primals["n"] * primals["x"] ** 2, "y": 2 * primals["y"]}

    def hvp(primals: Arrays, v: Arrays) -> Arrays:
        assert primals["n"].dtype.kind == "i"
        return {"x": 2 * primals["n"] * primals["x"] * v["x"], "y": 2 * v["y"]}

    primals = {"x": point()["x"], "y": np.zeros((0, 2)), "n": np.array([1, 2, 3, 4, 5])}
    checks = checks_of({REVERSE: hvp}, gradient, primals)
    assert {check.verdict for check in checks} == {"agree"}
    empty = {"x": np.zeros(0), "y": np.zeros((0, 2)), "n": np.zeros(0, int)}
    assert checks_of({REVERSE: hvp}, gradient, empty) == []


def test_a_function_of_float64_alone_is_judged_too() -> None:
    def only_double(primals: Arrays, v: Arrays) -> Arrays:
        if primals["x"].dtype != np.float64:
            raise TypeError("float64 is wanted")
        return wave_hvp(primals, v)

    def off(primals: Arrays, v: Arrays) -> Arrays:
        return a_little_off(primals, v) if only_double(primals, v) else {}

    assert not against(checks_of({REVERSE: only_double}))
    assert "complex step" in against(checks_of({REVERSE: off}))


def test_most_answers_need_no_noise_and_six_calls() -> None:
    calls: list[None] = []

    def counted(primals: Arrays, v: Arrays) -> Arrays:
        calls.append(None)
        return wave_hvp(primals, v)

    checks_of({REVERSE: counted, FORWARD: counted})
    assert len(calls) == 6


# ---------------------------------------------------------------------------------- the catalogue

MODES_LEFT_OUT = {"least_squares": {"autograd"}, "conv_encoder": {"autograd"}}
"""Whose forward mode has a gap: autograd has no rules for pinv and convolve."""


def checks_at(computation: Computation, dtype: str, seed: int = 0) -> list[Check]:
    (case,) = cases_of(computation, min(computation.sizes), seed, [dtype], BACKENDS)
    return second_order(case, BACKENDS)


@every_dtype
@pytest.mark.parametrize(
    "name",
    [
        "relu",
        "elu",
        "composite_elu",
        "logsumexp",
        "linear",
        "perceptron",
        "linear_bce",
        "polynomial_regression",
        "two_layer_mlp",
        "donsker_varadhan",
        "batch_norm",
        "conv_encoder",
        "least_squares",
        "elastic_net_argmin",
        "root_argmin",
    ],
)
def test_the_engines_second_derivatives_are_right(name: str, dtype: str) -> None:
    computation = BY_NAME[name]
    checks = checks_at(computation, dtype)
    assert {check.verdict for check in checks} == {"agree"}
    oracle = "Richardson" if name == "least_squares" else "complex step"
    assert {"symmetry", "a second call", oracle, "torch"} <= {check.against for check in checks}
    forward = {check.implementation for check in checks if check.against == FORWARD}
    gaps = {"autograd", "torch"} if computation.optimality else MODES_LEFT_OUT.get(name, set())
    assert forward == {"autograd", "torch"} - gaps


def test_kinks_on_the_way_do_not_rule_out_the_complex_step() -> None:
    """Its 400,000 units have a kink nearer along v than any difference can be taken."""
    computation = BY_NAME["donsker_varadhan"]
    (case,) = cases_of(computation, computation.tutorial_size, 6, ["float64"], BACKENDS)
    checks = second_order(case, BACKENDS)
    assert {check.verdict for check in checks} == {"agree"}
    assert "complex step" in {check.against for check in checks}


def test_a_layer_without_a_solution_in_this_dtype_is_left_out() -> None:
    computation = BY_NAME["timeseries_net"]
    (case,) = cases_of(computation, min(computation.sizes), 14, ["float32"], BACKENDS)
    with pytest.raises(ImplicitError):
        Torch().make_vjp(computation, case.primals)
    assert second_order(case, BACKENDS) == []


class Wave(torch.autograd.Function):
    """x³ sin y, with a backward to be spoilt."""

    @staticmethod
    def forward(ctx: Native, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x, y)
        ctx.save_for_forward(x, y)
        return x**3 * torch.sin(y)

    @staticmethod
    def backward(ctx: Native, *cotangents: torch.Tensor) -> Native:
        (g,) = cotangents
        x, y = ctx.saved_tensors
        return g * 3 * x**2 * torch.sin(y), g * x**3 * torch.cos(y)

    @staticmethod
    def jvp(ctx: Native, *tangents: torch.Tensor) -> Native:
        x, y = ctx.saved_tensors
        return tangents[0] * 3 * x**2 * torch.sin(y) + tangents[1] * x**3 * torch.cos(y)


class DetachedWave(Wave):
    @staticmethod
    def backward(ctx: Native, *cotangents: torch.Tensor) -> Native:
        (g,) = cotangents
        x, y = (tensor.detach() for tensor in ctx.saved_tensors)
        return g * 3 * x**2 * torch.sin(y), g * x**3 * torch.cos(y)


class HalfDetachedWave(Wave):
    @staticmethod
    def backward(ctx: Native, *cotangents: torch.Tensor) -> Native:
        (g,) = cotangents
        x, y = ctx.saved_tensors
        return g * 3 * x.detach() ** 2 * torch.sin(y), g * x**3 * torch.cos(y)


class Slope(torch.autograd.Function):
    """g · s, whose derivative counts how often it was asked for."""

    @staticmethod
    def forward(ctx: Native, g: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(g, s)
        ctx.calls = 0
        return g * s

    @staticmethod
    def backward(ctx: Native, *cotangents: torch.Tensor) -> Native:
        g, s = ctx.saved_tensors
        ctx.calls += 1
        return cotangents[0] * s * ctx.calls, cotangents[0] * g * ctx.calls


class ForgetfulWave(Wave):
    @staticmethod
    def backward(ctx: Native, *cotangents: torch.Tensor) -> Native:
        (g,) = cotangents
        x, y = ctx.saved_tensors
        slope: Callable[..., Native] = Slope.apply
        return slope(g, 3 * x**2 * torch.sin(y)), slope(g, x**3 * torch.cos(y))


class SlopeWithWrongJvp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Native, g: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(g, s)
        ctx.save_for_forward(g, s)
        return g * s

    @staticmethod
    def backward(ctx: Native, *cotangents: torch.Tensor) -> Native:
        g, s = ctx.saved_tensors
        return cotangents[0] * s, cotangents[0] * g

    @staticmethod
    def jvp(ctx: Native, *tangents: torch.Tensor) -> Native:
        g, s = ctx.saved_tensors
        return tangents[0] * s - tangents[1] * g


class WronglyPushedWave(Wave):
    @staticmethod
    def backward(ctx: Native, *cotangents: torch.Tensor) -> Native:
        (g,) = cotangents
        x, y = ctx.saved_tensors
        slope: Callable[..., Native] = SlopeWithWrongJvp.apply
        return slope(g, 3 * x**2 * torch.sin(y)), slope(g, x**3 * torch.cos(y))


@primitive  # type: ignore[untyped-decorator]
def wave_node(x: Array, y: Array) -> Array:
    return np.asarray(x**3 * np.sin(y))


defvjp(
    wave_node,
    lambda _, x, y: lambda g: g * 3 * x**2 * anp.sin(y),
    lambda _, x, y: lambda g: g * x**3 * anp.cos(y),
)
defjvp(
    wave_node,
    lambda g, _, x, y: g * 3 * x**2 * anp.sin(y),
    lambda g, _, x, y: g * x**3 * anp.cos(y),
)


@primitive  # type: ignore[untyped-decorator]
def detached_node(x: Array, y: Array) -> Array:
    return np.asarray(x**3 * np.sin(y))


def value_of(box: Native) -> Array:
    while (inner := getval(box)) is not box:
        box = inner
    return np.asarray(box)


defvjp(
    detached_node,
    lambda _, x, y: lambda g: g * 3 * value_of(x) ** 2 * np.sin(value_of(y)),
    lambda _, x, y: lambda g: g * value_of(x) ** 3 * np.cos(value_of(y)),
)


def by_hand(x: Array, y: Array) -> tuple[Array, Callable[[Array], Arrays]]:
    def vjp(g: Array) -> Arrays:
        return {name: g * slope for name, slope in wave_gradient({"x": x, "y": y}).items()}

    return x**3 * np.sin(y), vjp


def by(function: type[torch.autograd.Function]) -> Callable[..., Any]:
    return in_order(function.apply)


def in_order(node: Callable[..., Any]) -> Callable[..., Any]:
    """Engines record what a node is given by position, and nothing that it is given by name."""

    def body(x: Native, y: Native) -> Native:
        return node(x, y)

    return body


COMPUTATION = Computation(
    name="wave",
    origin="x³ sin y",
    sample=lambda rng, size: {name: rng.standard_normal(size) for name in "xy"},
    wrt=("x", "y"),
    sizes=(SIZE,),
    by_autograd=in_order(wave_node),
    by_torch=by(Wave),
    by_hand=by_hand,
    shapes={"x": "N", "y": "N"},
)


@every_dtype
def test_custom_nodes_that_are_right_agree(dtype: str) -> None:
    for seed in range(5):
        checks = checks_at(COMPUTATION, dtype, seed)
        assert {check.verdict for check in checks} == {"agree"}
        for name in ("torch", "autograd"):
            assert EVERY - {c.against for c in checks if c.implementation == name} == set()


@every_dtype
@pytest.mark.parametrize(
    ("spoilt", "seen_by"),
    [
        ({"by_torch": by(DetachedWave)}, {("torch", "complex step"), ("autograd", "torch")}),
        ({"by_torch": by(HalfDetachedWave)}, {("torch", "complex step"), ("autograd", "torch")}),
        ({"by_torch": by(ForgetfulWave)}, {("torch", "a second call"), ("torch", "linearity")}),
        ({"by_torch": by(WronglyPushedWave)}, {("torch", FORWARD)}),
        (
            {"by_autograd": in_order(detached_node)},
            {("autograd", "complex step"), ("autograd", "torch")},
        ),
    ],
    ids=["detached", "half detached", "second call", "wrong jvp", "autograd detached"],
)
def test_a_double_backward_that_is_wrong_is_seen_where_the_gradient_is_right(
    spoilt: dict[str, Any], seen_by: set[tuple[str, str]], dtype: str
) -> None:
    checks = checks_at(replace(COMPUTATION, **spoilt), dtype)
    wrong = {(c.implementation, c.against) for c in checks if c.verdict == "disagree"}
    assert seen_by <= wrong
    (name,) = (field.removeprefix("by_") for field in spoilt)
    assert all(name in pair for pair in wrong)


def test_a_wrong_jvp_is_all_that_is_seen_of_it() -> None:
    checks = checks_at(replace(COMPUTATION, by_torch=by(WronglyPushedWave)), "float64")
    wrong = [(c.implementation, c.against) for c in checks if c.verdict == "disagree"]
    assert wrong == [("torch", FORWARD)]


def test_without_the_manual_derivation_an_engines_gradient_is_differentiated() -> None:
    (case,) = cases_of(COMPUTATION, SIZE, 0, ["float64"], [Torch()])
    checks = second_order(case, [Torch()])
    assert {check.verdict for check in checks} == {"agree"}
    assert "Richardson" in {check.against for check in checks}
    assert second_order(case, [Manual()]) == []


def test_the_catalogues_checks_are_the_same_at_every_call() -> None:
    (case,) = cases_of(COMPUTATION, SIZE, 0, ["float64"], BACKENDS)
    first, again = (second_order(case, [Autograd(), Manual()]) for _ in range(2))
    assert first == again
    assert len({case.dtype for case in cases_of(COMPUTATION, SIZE, 0, DTYPES, BACKENDS)}) == 2


@pytest.mark.parametrize(("curvature", "verdict"), [(1e-14, "inconclusive"), (1e-11, "disagree")])
def test_where_the_gradients_rounding_leaves_less_than_two_digits_nothing_is_decided(
    curvature: float, verdict: str
) -> None:
    def gradient(primals: Arrays) -> Arrays:
        return {name: 1 + curvature * primals[name] for name in "xy"}

    def times(factor: float) -> Hvp:
        return lambda _, v: {name: factor * curvature * v[name] for name in "xy"}

    checks = checks_of({REVERSE: times(1.0), FORWARD: times(1.1)}, gradient)
    (between,) = [check for check in checks if check.against == FORWARD]
    assert between.verdict == verdict
