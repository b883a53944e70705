"""Gradients of something simpler: without a clip, a kink, a triangle, or a full Jacobian."""

from collections.abc import Callable
from typing import Any

import numpy as np

from reference_impls.computation import Array, Arrays, Vjp
from verify.trust.faults.kinks import with_zeros
from verify.trust.functions import SOFTMAX, SQUASH, normal, rows_squashed, softmax, squash
from verify.trust.planted import (
    ELEMENTWISE,
    Fault,
    Host,
    MakeVjp,
    Plant,
    Planted,
    instead,
    planted,
    side,
)

LIMIT = 1.0
"""Values beyond this are clipped."""

LEVELS = 4
"""Steps of the staircase between 0 and 1."""

FARADAY = 96485.33212
"""The charge of a mole of electrons, in coulombs."""

IN_FLOAT32 = float(np.float32(FARADAY))
"""The same with half of the digits."""

OTHER = {"float64": "float32", "float32": "float64"}


def clip(x: Array) -> tuple[Array, Vjp]:
    """f(x) = x, clipped to ±1."""
    inside = np.abs(x.real) < LIMIT
    value = np.where(inside, x, LIMIT * np.sign(x.real)).astype(x.dtype)
    return value, lambda u: {"x": np.where(inside, u, np.zeros_like(u))}


def _as_if_not_clipped(x: Array) -> tuple[Array, Vjp]:
    value, _ = clip(x)
    return value, lambda u: {"x": u.copy()}


def quantised(x: Array) -> tuple[Array, Vjp]:
    """f(x) = x, rounded to a quarter: its derivative is 0."""
    value = (np.round(LEVELS * x.real) / LEVELS).astype(x.dtype)
    return value, lambda u: {"x": np.zeros_like(u)}


def _straight_through(x: Array) -> tuple[Array, Vjp]:
    value, _ = quantised(x)
    return value, lambda u: {"x": u.copy()}


def through_kinks(x: Array) -> tuple[Array, Vjp]:
    """f(x) = max(x, 0) - max(-x, 0), which is x."""
    return np.where(x.real >= 0, x, 0) - np.where(x.real < 0, -x, 0), lambda u: {"x": u.copy()}


def _through_kinks_as_written(x: Array) -> tuple[Array, Vjp]:
    """Each slope is taken for 0 at 0, as engines take that of relu."""
    value, _ = through_kinks(x)
    slope = (x.real > 0).astype(x.real.dtype) + (x.real < 0)
    return value, lambda u: {"x": u * slope}


def _symmetric_part(X: Array) -> tuple[Array, Vjp]:
    value, vjp = rows_squashed(X)

    def symmetric(u: Array) -> Arrays:
        gradient = vjp(u)["X"]
        return {"X": (gradient + gradient.T) / 2}

    return value, symmetric


def _diagonal_alone(x: Array) -> tuple[Array, Vjp]:
    value, _ = softmax(x)
    return value, lambda u: {"x": u * value * (1 - value / x.size)}


def _square_forgotten(x: Array) -> tuple[Array, Vjp]:
    value, _ = squash(x)
    return value, lambda u: {"x": u * (1 - value)}


def molar(x: Array) -> tuple[Array, Vjp]:
    """f(x) = F tanh x, for Faraday's constant F."""
    t = np.tanh(x)
    return FARADAY * t, lambda u: {"x": u * (FARADAY * (1 - t * t))}


def _molar_in_short(x: Array) -> tuple[Array, Vjp]:
    value, vjp = molar(x)
    return value, lambda u: {"x": vjp(u)["x"] * (IN_FLOAT32 / FARADAY)}


def _mask(shape: tuple[int, ...], dtype: str) -> Array:
    """Half of all entries, by random numbers of a dtype: from one seed, others for each dtype."""
    drawn = np.random.default_rng(0).random(shape, np.dtype(dtype).type)
    return np.asarray(drawn < 1 / 2)


def _dropout(drawn_in: str) -> MakeVjp:
    def make_vjp(x: Array) -> tuple[Array, Vjp]:
        mask = _mask(x.shape, drawn_in)
        return 2 * x * mask, lambda u: {"x": 2 * u * mask}

    return make_vjp


def _drawn_again(drawn_in: str) -> Callable[[MakeVjp], MakeVjp]:
    def make_vjp(x: Array) -> tuple[Array, Vjp]:
        value, _ = _dropout(drawn_in)(x=x)
        return value, lambda u: {"x": 2 * u * _mask(u.shape, u.dtype.name)}

    return instead(make_vjp)


def _dropout_drawn_again() -> Plant:
    """The values' mask is that of the other dtype than the one it is planted in."""

    def plant(size: int, dtype: str, rng: np.random.Generator) -> Planted:
        host = Host(normal("x"), _dropout(OTHER[dtype]), ("x",))
        return planted(host, _drawn_again(OTHER[dtype]))(size, dtype, rng)

    return plant


def _spread_out(rng: np.random.Generator, size: int) -> dict[str, Any]:
    """Half of them beyond the limit, and none near it."""
    near = rng.uniform(0.1, 0.9, size) + LIMIT * (np.arange(size) % 2)
    return {"x": near * rng.choice([-1.0, 1.0], size)}


def _between_steps(rng: np.random.Generator, size: int) -> dict[str, Any]:
    """Nowhere near a step of the staircase."""
    return {"x": (rng.integers(-8, 9, size) + rng.uniform(-0.3, 0.3, size)) / LEVELS}


def _symmetric_matrix(rng: np.random.Generator, size: int) -> dict[str, Any]:
    X = rng.standard_normal((side(size), side(size)))
    return {"X": (X + X.T) / 2}


CLIP = Host(_spread_out, clip, ("x",))


QUANTISED = Host(_between_steps, quantised, ("x",))


THROUGH_KINKS = Host(with_zeros("x"), through_kinks, ("x",))


SYMMETRIC = Host(_symmetric_matrix, rows_squashed, ("X",))


MOLAR = Host(normal("x"), molar, ("x",))


SHORTCUT_FAULTS = (
    Fault(
        name="clipped value",
        story="The value is clipped to ±1, and the gradient goes through as if it were not: it "
        "pushes where nothing moves any more.",
        diagnosis="clipped value",
        sizes=ELEMENTWISE,
        plant=planted(CLIP, instead(_as_if_not_clipped)),
    ),
    Fault(
        name="straight-through",
        story="A rounded number with the gradient of the identity, as quantised networks and "
        "spiking ones take it on purpose. It is no derivative.",
        diagnosis="straight-through",
        sizes=ELEMENTWISE,
        plant=planted(QUANTISED, instead(_straight_through)),
    ),
    Fault(
        name="kinks cancel",
        story="relu(x) - relu(-x) is x, and its slope at 0 by the chain rule is 0, as torch has "
        "it: each engine's choice for relu is right, and the sum is not.",
        diagnosis="kinks cancel",
        sizes=ELEMENTWISE,
        plant=planted(THROUGH_KINKS, instead(_through_kinks_as_written)),
    ),
    Fault(
        name="symmetric part only",
        story="The gradient of a symmetric matrix is made symmetric, as for a Cholesky "
        "factorisation, and the function reads both triangles.",
        diagnosis="symmetric part only",
        sizes=(9, 900, 1_000_000),
        plant=planted(SYMMETRIC, instead(_symmetric_part)),
    ),
    Fault(
        name="diagonal of the Jacobian only",
        story="p (1 - p) u as the VJP of a softmax: right for the logistic function, of which it "
        "is the generalisation, and here without -pᵢ pⱼ.",
        diagnosis="diagonal of the Jacobian only",
        sizes=ELEMENTWISE,
        plant=planted(SOFTMAX, instead(_diagonal_alone)),
    ),
    Fault(
        name="wrong slope",
        story="1 - y for 1 - y² as the slope of tanh, or z (1 - z) for y (1 - y) as that of the "
        "logistic function: the formula is remembered, but not all of it.",
        diagnosis="wrong slope",
        sizes=ELEMENTWISE,
        plant=planted(SQUASH, instead(_square_forgotten)),
    ),
    Fault(
        name="float32 constant in float64",
        story="A constant is float32 in the gradient alone, and all that it is multiplied with is "
        "float64: torch's hardsigmoid has its slope of 1/6 so.",
        diagnosis="lost digits",
        sizes=ELEMENTWISE,
        plant=planted(MOLAR, instead(_molar_in_short)),
        dtypes=("float64",),
    ),
    Fault(
        name="mask drawn anew in another dtype",
        story="The mask of a dropout is drawn again from its seed in the backward pass, in the "
        "cotangent's dtype: the same seed gives other numbers in another dtype.",
        diagnosis="depends on dtype or layout",
        sizes=ELEMENTWISE,
        plant=_dropout_drawn_again(),
    ),
)
