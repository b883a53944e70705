"""Ties that float32 settles at the point itself, and at none of those where noise is measured."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from reference_impls import Array, Arrays, Computation, Manual, Torch
from reference_impls.computation import Vjp
from tests.verify.shared import cases_of, verified
from verify import check, from_torch
from verify.checks.check import Check
from verify.checks.first_order.appeal import Appeal

ROWS, TERMS = 4, 4_000
SIZE = ROWS * TERMS
SEEDS = range(20)
BACKENDS = (Torch(), Manual())

Activation = Callable[[Any], Any]


def sample(rng: np.random.Generator, _: int) -> Arrays:
    """z = x w + b is 1, or -1, but in the first row 0 to less than float32 loses in the sum."""
    x = rng.standard_normal((ROWS, TERMS)).astype(np.float32).astype(np.float64)
    w = rng.standard_normal(TERMS).astype(np.float32).astype(np.float64)
    z = np.asarray([1e-5 * rng.standard_normal(), 1.0, -1.0, 1.0])
    return {"x": x, "w": w, "b": (z - x @ w).astype(np.float32).astype(np.float64)}


def layer(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """z, added up one after the other."""
    return (x * w).cumsum(1)[:, -1] + b


def of_layer(
    name: str, in_torch: Activation, activation: Activation, slope: Activation
) -> Computation:
    """An activation of z, which is added up in one order by torch, and in another by hand."""

    def by_hand(x: Array, w: Array, b: Array) -> tuple[Array, Vjp]:
        z = x @ w + b

        def vjp(u: Array) -> Arrays:
            inner = (u * slope(z)).astype(u.dtype)
            return {"x": inner[:, None] * w, "w": inner @ x, "b": inner}

        return activation(z), vjp

    return Computation(
        name=name,
        origin="an activation of long sums",
        sample=sample,
        wrt=("x", "w", "b"),
        sizes=(SIZE,),
        by_torch=lambda x, w, b: in_torch(layer(x, w, b)),
        by_hand=by_hand,
    )


LAYERS: dict[str, tuple[Activation, Activation, Activation]] = {
    "relu": (torch.relu, lambda z: np.where(z.real > 0, z, 0 * z), lambda z: z.real > 0),
    "abs": (torch.abs, lambda z: np.where(z.real > 0, z, -z), lambda z: np.where(z > 0, 1, -1)),
    "cut": (
        lambda z: z.clamp(max=0) ** 2 + 3 * z,
        lambda z: np.where(z.real < 0, z, 0) ** 2 + 3 * z,
        lambda z: 2 * np.where(z.real < 0, z, 0) + 3,
    ),
    "step": (
        lambda z: torch.where(z > 0, z + 1, z),
        lambda z: np.where(z.real > 0, z + 1, z),
        np.ones_like,
    ),
}


def checks_of(name: str, seed: int) -> list[Check]:
    computation = of_layer(name, *LAYERS[name])
    (case,) = cases_of(computation, SIZE, seed, ["float32"], BACKENDS)
    return verified(case, BACKENDS)


def accused(name: str) -> int:
    """At so many seeds."""
    verdicts = [{each.verdict for each in checks_of(name, seed)} for seed in SEEDS]
    return sum("disagree" in each for each in verdicts)


@pytest.mark.parametrize("name", LAYERS)
def test_a_tie_that_rounding_settles_accuses_nobody(name: str) -> None:
    assert not accused(name)


@pytest.mark.parametrize("name", ["relu", "abs", "step"])
def test_but_for_the_jumps_it_would(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Appeal, "jumps", {})
    assert accused(name)


@pytest.mark.parametrize("by", [1.02, 0.0, -1.0])
def test_a_mistake_beside_a_tie_is_convicted(by: float) -> None:
    """In a row that has none: what the tie allows, it allows to its own entries."""
    in_torch, activation, slope = LAYERS["relu"]

    def wrong(z: Array) -> Array:
        right = np.asarray(slope(z))
        return right * np.where(np.arange(ROWS) == 1, z.dtype.type(by), 1)

    computation = of_layer("wrong relu", in_torch, activation, wrong)
    for seed in SEEDS:
        (case,) = cases_of(computation, SIZE, seed, ["float32"], BACKENDS)
        assert "disagree" in {each.verdict for each in verified(case, BACKENDS)}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_function_alone_is_not_accused_either(seed: int) -> None:
    primals = {n: a.astype("float32") for n, a in sample(np.random.default_rng(seed), 0).items()}
    report = check(from_torch(lambda x, w, b: torch.relu(layer(x, w, b))), primals, seed=seed)
    assert report.verdict != "disagree", str(report)
