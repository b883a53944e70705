from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from reference_impls import BACKENDS, COMPUTATIONS, DTYPES, Array, Arrays, Computation, Manual
from reference_impls.function import Implementation, implementations
from tests.verify.shared import cases_of, noises_of, verified
from verify.checks.check import Check
from verify.checks.first_order.gradients import verify_case
from verify.checks.first_order.oracle import NoOracle, Oracle
from verify.error_model.measurement import fits_float32, measure_conditioning, measure_noise, nudged
from verify.error_model.noise import SAFETY, Noise

RELU = COMPUTATIONS[0]
SLOW_IN_EXTENDED_PRECISION = ("mlp_classifier", "relu_classifier", "elu_mlp", "donsker_varadhan")


def noise_at(computation: Computation, primals: Arrays, cotangent: Array) -> Noise | None:
    """The noise of the manual implementation, at six points near these."""
    points = nudged(primals, cotangent, np.random.default_rng(0))
    ones = {name: np.ones_like(primals[name]) for name in computation.wrt}
    return measure_noise(Implementation(computation, Manual()), points, [ones], computation.wrt)


def relu_at_standard_normal(**changes: Callable[..., Any]) -> Noise | None:
    x = np.random.default_rng(0).standard_normal(64)
    return noise_at(replace(RELU, **changes), {"x": x}, np.ones(64))  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", DTYPES)
def test_nudged_points_lie_one_unit_in_the_last_place_away_in_either_direction(dtype: str) -> None:
    x = np.random.default_rng(0).standard_normal(1000).astype(dtype)
    x[:10] = 1.567  # where a relative change of one rounding is two units
    for primals, cotangent in nudged({"x": x}, x, np.random.default_rng(1), 3, dtype):
        for moved in (primals["x"], cotangent):
            assert moved.dtype == dtype
            np.testing.assert_array_equal(
                np.unique((moved - x) / np.spacing(np.abs(x))), [-1, 0, 1]
            )


def test_nudged_zeros_and_infinities_stay_what_they_are() -> None:
    x = np.array([0.0, -0.0, np.inf, -np.inf])
    for primals, _ in nudged({"x": x}, x, np.random.default_rng(0)):
        np.testing.assert_array_equal(primals["x"], x)


@pytest.mark.parametrize(
    ("entries", "fits"),
    [
        ([1.0, -1e38, 2e-38], True),
        ([0.0, np.inf], True),
        ([1.0, 1e39], False),
        ([1.0, 1e-39], False),
        ([-3e38], False),
        ([], True),
    ],
)
def test_numbers_fit_float32_that_are_normal_there(entries: list[float], *, fits: bool) -> None:
    assert fits_float32({"x": np.array(entries)}) is fits


@pytest.mark.parametrize("power", [-34, -40, 42])
def test_results_that_float32_does_not_have_show_no_noise(power: int) -> None:
    def by_hand(x: Array) -> tuple[Array, Callable[[Array], Arrays]]:
        factor = x.dtype.type(10.0 ** (power // 2))
        return x * factor * factor, lambda g: {"x": g * factor * factor}

    with np.errstate(over="ignore"):
        assert relu_at_standard_normal(by_hand=by_hand) is None


@pytest.mark.parametrize("power", [-25, 25])
def test_an_intermediate_result_that_float32_does_not_have_leaves_no_noise(power: int) -> None:
    """x s²/s²: in float32 NaN raises no alarm here, nor does zero."""

    def by_hand(x: Array) -> tuple[Array, Callable[[Array], Arrays]]:
        square = x.dtype.type(10.0**power) * x.dtype.type(10.0**power) * np.ones_like(x)
        with np.errstate(all="ignore"):
            inverse = np.nan_to_num(1 / square, posinf=0)
            return x * square * inverse, lambda g: {"x": g * square * inverse}

    assert relu_at_standard_normal(by_hand=by_hand) is None


def test_conditioning_is_how_far_results_move_with_the_input() -> None:
    """x³ moves by three times its size, and its derivative by two, for every rounding."""

    def by_hand(x: Array) -> tuple[Array, Callable[[Array], Arrays]]:
        return x**3, lambda g: {"x": 3 * g * x**2}

    cube = replace(RELU, by_hand=by_hand)
    x = np.random.default_rng(0).uniform(1, 2, 300)
    for dtype in DTYPES:
        primals = {"x": x.astype(dtype)}
        ones = np.ones(300, dtype)
        points = nudged(primals, ones, np.random.default_rng(0), 20, dtype)
        found = measure_conditioning(
            Implementation(cube, Manual()), points, [primals], dtype, ("x",)
        )
        assert found is not None
        # Moves of -1, 0 or 1 unit, from a point that itself is moved: 1.15 on average; a unit in
        # the last place is one to two roundings.
        for noise, size in (
            (found.value["value"], 3 * x**3),
            (found.cotangents["x"], 3 * np.hypot(2, 1) * x**2),
        ):
            assert 0.6 < np.median(noise / size) < 2.5


def test_the_noise_of_what_cancels_to_zero_is_measured_by_its_terms() -> None:
    """A gradient of zero, in float32 a rounding of its terms: not unstable beside them."""

    def by_hand(x: Array) -> tuple[Array, Callable[[Array], Arrays]]:
        y = np.exp(x)
        return y, lambda g: {"x": g * (np.log(y) / x * y - y)}

    noise = relu_at_standard_normal(by_hand=by_hand)
    assert noise is not None
    assert noise.scale["x"] < 1e-12
    assert noise.size("x") == noise.natural["x"] > 0.1


def test_the_noise_of_a_running_sum_grows_with_the_power_three_halves_of_its_length() -> None:
    """The k-th of n partial sums is rounded by u·k: √(Σ k²) ~ n^1.5 in all."""

    def by_hand(x: Array) -> tuple[Array, Callable[[Array], Arrays]]:
        sums = np.add.accumulate(x, axis=1)[:, -1]
        return sums, lambda g: {"x": np.repeat(g[:, None], x.shape[1], axis=1)}

    running_sum = replace(RELU, by_hand=by_hand)
    levels = []
    for length in (10, 1000):
        x = np.random.default_rng(0).uniform(size=(300, length))
        noise = noise_at(running_sum, {"x": x}, np.ones(300))
        assert noise is not None
        levels.append(float(np.sqrt(np.mean(np.square(noise.value["value"])))))
    assert 0.5 <= levels[1] / levels[0] / 100**1.5 <= 2


def test_a_computation_without_rounding_has_no_noise() -> None:
    noise = relu_at_standard_normal()
    assert noise is not None
    assert not noise.value["value"].any()
    assert not noise.cotangents["x"].any()
    assert not noise.pairings.any()


def raises(**_: Array) -> tuple[Array, Callable[[Array], Arrays]]:
    raise ZeroDivisionError


def nan_in_float32(x: Array) -> tuple[Array, Callable[[Array], Arrays]]:
    value, vjp = RELU.by_hand(x)
    return (value * np.float32(np.nan) if x.dtype == np.float32 else value), vjp


def nan_in_the_gradient(x: Array) -> tuple[Array, Callable[[Array], Arrays]]:
    value, _ = RELU.by_hand(x)
    return value, lambda g: {"x": g * np.nan}


@pytest.mark.parametrize("by_hand", [raises, nan_in_float32, nan_in_the_gradient])
def test_what_raises_or_is_not_finite_has_no_measurable_noise(
    by_hand: Callable[..., Any],
) -> None:
    assert relu_at_standard_normal(by_hand=by_hand) is None


def tutorial_checks(seed: int) -> Iterator[Check]:
    """First order, as `verify` makes it: noise is measured once, for both dtypes.

    What is slow is checked at the first seed alone; argmins are, as each is solved dozens of times.
    """
    for computation in COMPUTATIONS:
        slow = computation.name in SLOW_IN_EXTENDED_PRECISION
        if not (seed and (slow or computation.optimality)):
            size, dtypes = computation.tutorial_size, ["float32"] if slow else DTYPES
            (wide,) = cases_of(computation, size, seed, ["float64"], BACKENDS)
            noises = noises_of(wide, BACKENDS)
            for dtype in dtypes:
                functions = implementations(computation, BACKENDS)
                yield from verify_case(wide.in_dtype(dtype), functions, noises)


@pytest.mark.parametrize("seed", range(3))
def test_the_largest_error_of_the_catalogue_uses_a_part_of_the_safety_factor(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """More than 1, or the noise would be no standard deviation; less than SAFETY."""
    monkeypatch.setattr(Oracle, "of", lambda *_: NoOracle("it takes a third of the time"))
    used = [
        SAFETY * check.worst.in_tolerances
        for check in tutorial_checks(seed)
        if check.worst and check.kind != "oracle"
    ]
    assert 1 < max(used) < SAFETY


def cancelling(g: Array) -> Array:
    return (g + 1e6) - 1e6


def noisy_in_float32(g: Array) -> Array:
    size = 1e-3 if g.dtype == np.float32 else 0.0
    return g * (1 + size * np.sin(1e3 * np.arange(g.size, dtype=g.dtype)))


def in_manual(rounding: Callable[[Array], Array]) -> Computation:
    def by_hand(x: Array) -> tuple[Array, Callable[[Array], Arrays]]:
        value, vjp = RELU.by_hand(x)
        return value, lambda g: {"x": rounding(vjp(g)["x"])}

    return replace(RELU, by_hand=by_hand)


def in_torch(rounding: Callable[[Array], Array]) -> Computation:
    def by_torch(x: torch.Tensor) -> torch.Tensor:
        passed = x.clone()
        passed.register_hook(lambda g: torch.from_numpy(rounding(g.numpy())))  # type: ignore[no-untyped-call]
        return torch.relu(passed)

    return replace(RELU, by_torch=by_torch)


@pytest.mark.parametrize("rounding", [cancelling, noisy_in_float32])
@pytest.mark.parametrize(("plant", "name"), [(in_manual, "manual"), (in_torch, "torch")])
def test_rounding_far_wilder_than_the_others_is_no_excuse(
    rounding: Callable[[Array], Array], plant: Callable[..., Computation], name: str
) -> None:
    for case in cases_of(plant(rounding), 32, 0, DTYPES, BACKENDS):
        stability = [check for check in verified(case, BACKENDS) if check.kind == "stability"]
        assert {check.implementation: check.verdict for check in stability} == {
            backend.name: "disagree" if backend.name == name else "agree" for backend in BACKENDS
        }
