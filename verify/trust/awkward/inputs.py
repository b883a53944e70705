"""Right gradients of arguments, and by code, that checkers stumble over."""

from typing import Any

import numpy as np

from reference_impls.computation import Array, Arrays, Vjp
from verify.trust.awkward.points import plant
from verify.trust.faults import argmin, second_order
from verify.trust.functions import EMPTY_BATCH, affine, gather, normal, squash
from verify.trust.planted import ELEMENTWISE, Awkward, Planted, rectangle, value_of

KNOTS = 8


def scalar_power(x: Array) -> tuple[Array, Vjp]:
    """f(x) = x³ of an array without axes."""
    return np.asarray(x * x * x), lambda u: {"x": np.asarray(3 * u * x * x)}


def _scalar(rng: np.random.Generator, size: int) -> dict[str, Any]:
    del size
    return {"x": np.asarray(rng.standard_normal())}


def _scalar_and_vector(rng: np.random.Generator, size: int) -> dict[str, Any]:
    return {"x": rng.standard_normal(size), "s": np.asarray(0.7)}


def scaled_by_scalar(x: Array, s: Array) -> tuple[Array, Vjp]:
    """f(x, s) = s sin x with an s without axes."""
    wave = np.sin(x)
    return s * wave, lambda u: {"x": u * s * np.cos(x), "s": np.asarray(np.sum(u * wave))}


def _empty(rng: np.random.Generator, size: int) -> dict[str, Any]:
    del rng
    return {"X": np.zeros((0, size))}


def row_sums(X: Array) -> tuple[Array, Vjp]:
    """f(X) = Σ X³ over the rows, (c,); without rows, zeros."""
    return (X * X * X).sum(axis=0), lambda u: {"X": 3 * u * X * X}


def _one_row(rng: np.random.Generator, size: int) -> dict[str, Any]:
    return {"X": rng.standard_normal((1, size))}


def _integers(rng: np.random.Generator, size: int) -> dict[str, Any]:
    return {"x": rng.integers(1, 9, size).astype(np.float64)}


def integer_power(x: Array) -> tuple[Array, Vjp]:
    """f(x) = x²/2 + 1/x."""
    return x * x / 2 + 1 / x, lambda u: {"x": u * (x - 1 / (x * x))}


def _few_taken(rng: np.random.Generator, size: int) -> dict[str, Any]:
    return {"x": rng.standard_normal(size), "index": rng.integers(0, size, size)}


def _gathered_otherwise(x: Array, index: Array) -> tuple[Array, Vjp]:
    value, _ = gather(x, index)

    def vjp(u: Array) -> Arrays:
        return {"x": np.bincount(index, u, minlength=x.size).astype(u.dtype)}

    return value, vjp


def by_option(x: Array, how: str) -> tuple[Array, Vjp]:
    """f(x) = sin x or cos x."""
    sine, cosine = np.sin(x), np.cos(x)
    if how == "sin":
        return sine, lambda u: {"x": u * cosine}
    return cosine, lambda u: {"x": -u * sine}


def _with_option(rng: np.random.Generator, size: int) -> dict[str, Any]:
    return {"x": rng.standard_normal(size), "how": "cos"}


def rows_of(X: Array) -> tuple[Array, Vjp]:
    """f(X) = sin X with its rows in reverse, for any strides of X."""
    return np.sin(X)[::-1].copy(), lambda u: {"X": u[::-1] * np.cos(X)}


def _transposed_view(size: int, dtype: str, rng: np.random.Generator) -> Planted:
    rows, columns = rectangle(size)
    X = rng.standard_normal((columns, rows)).astype(dtype).T
    return Planted(rows_of, {"X": X}, value_of(rows_of), ("X",), None)


def _every_other(size: int, dtype: str, rng: np.random.Generator) -> Planted:
    x = rng.standard_normal(2 * size).astype(dtype)[::-2]
    return Planted(squash, {"x": x}, value_of(squash), ("x",), None)


def _spread_out(size: int, dtype: str, rng: np.random.Generator) -> Planted:
    x = np.broadcast_to(rng.standard_normal(1).astype(dtype), (size,))
    return Planted(squash, {"x": x}, value_of(squash), ("x",), None)


def _read_only(size: int, dtype: str, rng: np.random.Generator) -> Planted:
    x = rng.standard_normal(size).astype(dtype)
    x.flags.writeable = False
    return Planted(squash, {"x": x}, value_of(squash), ("x",), None)


def by_norm(X: Array) -> tuple[Array, Vjp]:
    """f(X) = the lengths of the rows, by np.linalg.norm: real of complex numbers."""
    value = np.linalg.norm(X, axis=1)
    return value, lambda u: {"X": u[:, None] * X / value[:, None]}


def _rows(rng: np.random.Generator, size: int) -> dict[str, Any]:
    return {"X": rng.standard_normal((size // 5, 5))}


def _away_from_zero(rng: np.random.Generator, size: int) -> dict[str, Any]:
    return {"x": rng.uniform(0.5, 2.0, size) * rng.choice([-1.0, 1.0], size)}


def by_abs(x: Array) -> tuple[Array, Vjp]:
    """f(x) = |x| eˣ, by np.abs: real of complex numbers."""
    value = np.abs(x) * np.exp(x)
    return value, lambda u: {"x": u * (np.sign(x) * np.exp(x) + value)}


def by_max(x: Array) -> tuple[Array, Vjp]:
    """f(x) = x/max|x|, as where data are normalised: complex numbers have no order."""
    place = int(np.argmax(np.abs(x)))
    largest = np.abs(x).max()
    y = x / largest

    def vjp(u: Array) -> Arrays:
        gradient = u / largest
        gradient[place] -= np.sign(x[place]) * np.sum(u * y) / largest
        return {"x": gradient}

    return y, vjp


def refusing_complex(x: Array) -> tuple[Array, Vjp]:
    """f(x) = sin x, of real numbers only."""
    if np.iscomplexobj(x):
        raise TypeError("refusing_complex: x is complex, wanted real numbers")
    return np.sin(x), lambda u: {"x": u * np.cos(x)}


def casting_to_real(x: Array) -> tuple[Array, Vjp]:
    """f(x) = sin x, by way of a buffer that is real, whatever comes in."""
    buffer = np.empty(x.shape, x.real.dtype)
    np.copyto(buffer, np.real(x))
    return np.sin(buffer), lambda u: {"x": u * np.cos(buffer)}


def table_lookup(x: Array) -> tuple[Array, Vjp]:
    """f(x) = a polygon through the knots of sin, by np.interp, which computes in float64."""
    knots = np.linspace(-4.0, 4.0, KNOTS + 1)
    heights = np.sin(knots)
    slopes = np.diff(heights) / np.diff(knots)
    piece = np.clip(np.searchsorted(knots, np.real(x)) - 1, 0, KNOTS - 1)
    value = np.interp(x, knots, heights).astype(x.dtype)
    return value, lambda u: {"x": u * slopes[piece].astype(u.dtype)}


def _between_knots(rng: np.random.Generator, size: int) -> dict[str, Any]:
    return {"x": rng.integers(-4, 4, size) + rng.uniform(0.2, 0.8, size)}


AWKWARD_INPUTS = (
    Awkward(
        name="one entry",
        story="A vector of one: nothing to take a mean over.",
        sizes=(1,),
        plant=plant(normal("x"), squash, "x"),
    ),
    Awkward(
        name="no axes",
        story="x³ of an array of shape (), of which NumPy makes scalars, which are no arrays.",
        sizes=(1,),
        plant=plant(_scalar, scalar_power, "x"),
    ),
    Awkward(
        name="vector and scalar",
        story="A parameter without axes beside a million entries: its gradient is the sum of all.",
        sizes=ELEMENTWISE,
        plant=plant(_scalar_and_vector, scaled_by_scalar, "x", "s"),
    ),
    Awkward(
        name="zero size",
        story="No rows, and a value all the same.",
        sizes=(1, 10, 1_000),
        plant=plant(_empty, row_sums, "X"),
    ),
    Awkward(
        name="zero-size batch of a linear layer",
        story="No rows, no value, and gradients of zero for the weights.",
        sizes=(3, 30, 300),
        plant=plant(EMPTY_BATCH.sample, affine, "X", "W", "b"),
    ),
    Awkward(
        name="axis of size 1",
        story="One row, which broadcasting takes for as many as one likes.",
        sizes=ELEMENTWISE,
        plant=plant(_one_row, row_sums, "X"),
    ),
    Awkward(
        name="integers as floats",
        story="x²/2 + 1/x at whole numbers; at x = 1 the gradient is exactly 0.",
        sizes=ELEMENTWISE,
        plant=plant(_integers, integer_power, "x"),
    ),
    Awkward(
        name="index argument",
        story="x[index], with repeats and gaps: the index is an array of integers that nothing is "
        "differentiated by.",
        sizes=ELEMENTWISE,
        plant=plant(_few_taken, gather, "x", true=_gathered_otherwise),
    ),
    Awkward(
        name="option argument",
        story="A string among the arguments.",
        sizes=ELEMENTWISE,
        plant=plant(_with_option, by_option, "x"),
    ),
    Awkward(
        name="transposed primal",
        story="A view in column-major order, as it comes out of X.T.",
        sizes=ELEMENTWISE,
        plant=_transposed_view,
    ),
    Awkward(
        name="every other entry, backwards",
        story="A view with a negative stride, which torch cannot take.",
        sizes=ELEMENTWISE,
        plant=_every_other,
    ),
    Awkward(
        name="one number spread out",
        story="A primal of stride 0: its entries are one number in memory, and several arguments "
        "to the derivative.",
        sizes=ELEMENTWISE,
        plant=_spread_out,
    ),
    Awkward(
        name="read-only primal",
        story="As memory-mapped data are.",
        sizes=ELEMENTWISE,
        plant=_read_only,
    ),
    Awkward(
        name="np.linalg.norm inside",
        story="The complex step through a norm runs, and is silently zero.",
        sizes=ELEMENTWISE,
        plant=plant(_rows, by_norm, "X"),
    ),
    Awkward(
        name="np.abs inside",
        story="The complex step through abs runs, and loses a part of the derivative.",
        sizes=ELEMENTWISE,
        plant=plant(_away_from_zero, by_abs, "x"),
    ),
    Awkward(
        name="max as a normaliser",
        story="Complex numbers have no order, and NumPy gives them one.",
        sizes=ELEMENTWISE,
        plant=plant(_away_from_zero, by_max, "x"),
    ),
    Awkward(
        name="refuses complex numbers",
        story="It raises TypeError, as code by others does.",
        sizes=ELEMENTWISE,
        plant=plant(normal("x"), refusing_complex, "x"),
    ),
    Awkward(
        name="casts to real",
        story="A real buffer inside: the imaginary part is lost without a warning.",
        sizes=ELEMENTWISE,
        plant=plant(normal("x"), casting_to_real, "x"),
    ),
    Awkward(
        name="table lookup",
        story="np.interp, real and in float64 only: straight between knots, with a kink at each.",
        sizes=ELEMENTWISE,
        plant=plant(_between_knots, table_lookup, "x"),
    ),
    Awkward(
        name="root of a condition",
        story="An iterative solver in the forward pass, the implicit function theorem in the VJP.",
        sizes=argmin.SIZES,
        plant=plant(argmin.ROOT.sample, argmin.root, "W", "x"),
    ),
    Awkward(
        name="double backward by torch",
        story="A torch function whose derivatives are torch's own, to any order.",
        sizes=second_order.SIZES,
        plant=second_order.planted(lambda _: second_order.cube, second_order.cube, "x"),
    ),
    Awkward(
        name="double backward by hand, no forward mode",
        story="A custom Function with a right second derivative and no jvp: there is no forward "
        "over reverse to compare it with.",
        sizes=second_order.SIZES,
        plant=second_order.planted(lambda custom: custom.by_hand(), second_order.cube, "x"),
    ),
)
