"""Wrong numbers, and right numbers in wrong places."""

from typing import Any

import numpy as np

from reference_impls.computation import Array, Arrays, Vjp
from verify.trust.functions import GATED, MATVEC, SQUARE, SQUASH, gated, normal
from verify.trust.planted import (
    ELEMENTWISE,
    Fault,
    Host,
    MakeVjp,
    fed,
    instead,
    planted,
    spoilt,
    spoilt_in,
)

TINY = 1e-7


BLOCK = 64


NARROWER = {"float64": np.float32, "float32": np.float16}


SQRT_HALF = 0.5**0.5


SQRT_TWO_OVER_PI = (2 / np.pi) ** 0.5


ALPHA = -2.0


def _zeroed(gradient: Array) -> Array:
    """At a third of the way."""
    gradient = np.array(gradient)
    gradient.flat[gradient.size // 3] = 0
    return gradient


def _up_and_down(gradient: Array) -> Array:
    """By between nothing and 10 % up or down, as a random number would."""
    places = np.arange(gradient.size, dtype=gradient.dtype).reshape(gradient.shape)
    return np.asarray(gradient * (1 + 0.1 * np.cos(12.9898 * places)))


def _permuted(gradient: Array) -> Array:
    order = np.random.default_rng(gradient.size).permutation(gradient.size)
    return gradient[order]


def _narrowed(gradient: Array) -> Array:
    narrower = NARROWER.get(gradient.dtype.name, np.float64)
    return gradient.astype(narrower).astype(gradient.dtype)


def _without_tail(gradient: Array) -> Array:
    """Whole blocks only; zeros, which is the kindest that can be there instead."""
    gradient = np.array(gradient)
    gradient[gradient.size - gradient.size % BLOCK :] = 0
    return gradient


def _halved(gradient: Array) -> Array:
    return gradient / 2


def _for_ones(right: MakeVjp) -> MakeVjp:
    return fed(np.ones_like)(right)


def _swapped(gradients: Arrays) -> Arrays:
    x, w = gradients
    return {x: gradients[w], w: gradients[x]}


def tiny(x: Array) -> tuple[Array, Vjp]:
    """f(x) = 10⁻⁷ tanh x."""
    t = np.tanh(x)
    return TINY * t, lambda u: {"x": u * TINY * (1 - t * t)}


def gelu(x: Array) -> tuple[Array, Vjp]:
    """f(x) = x Φ(x), with f' = Φ(x) + x φ(x)."""
    from scipy.special import erf  # noqa: PLC0415 -- no other fault needs SciPy

    distribution = (1 + erf(SQRT_HALF * x)) / 2

    def vjp(u: Array) -> Arrays:
        density = SQRT_TWO_OVER_PI / 2 * np.exp(-x * x / 2)
        return {"x": u * (distribution + x * density)}

    return x * distribution, vjp


def _gelu_with_the_slope_of_its_approximation(x: Array) -> tuple[Array, Vjp]:
    value, _ = gelu(x)

    def vjp(u: Array) -> Arrays:
        t = np.tanh(SQRT_TWO_OVER_PI * (x + 0.044715 * x * x * x))
        inner = SQRT_TWO_OVER_PI * (1 + 3 * 0.044715 * x * x)
        return {"x": u * ((1 + t) / 2 + x * (1 - t * t) * inner / 2)}

    return value, vjp


def elu(z: Array) -> tuple[Array, Vjp]:
    """f(z) = z where z > 0, -2 (eᶻ - 1) elsewhere, which is positive there."""
    negative = np.minimum(z, 0)
    value = np.where(z > 0, z, ALPHA * np.expm1(negative))
    return value, lambda u: {"z": u * np.where(z > 0, 1, ALPHA * np.exp(negative))}


def _elu_told_by_its_output(z: Array) -> tuple[Array, Vjp]:
    value, _ = elu(z)
    return value, lambda u: {"z": u * np.where(value > 0, 1, value + ALPHA)}


def twice(x: Array) -> tuple[Array, Vjp]:
    """f(x) = h eʰ with h = tanh x, which is used twice."""
    h = np.tanh(x)
    e = np.exp(h)
    return h * e, lambda u: {"x": u * (e + h * e) * (1 - h * h)}


def _twice_counted_once(x: Array) -> tuple[Array, Vjp]:
    h = np.tanh(x)
    e = np.exp(h)
    return h * e, lambda u: {"x": u * (h * e) * (1 - h * h)}


def _unused_weight(x: Array, w: Array) -> tuple[Array, Vjp]:
    value, vjp = gated(x, w)
    return value, lambda u: {**vjp(u), "w": np.zeros_like(w)}


def _negative_half(gradient: Array) -> Array:
    return np.where(np.arange(gradient.size) % 2 == 0, gradient, -gradient)


def _off_zero(rng: np.random.Generator, size: int) -> dict[str, Any]:
    """Nowhere so near the kink that a difference would cross it."""
    return {"z": rng.uniform(0.1, 2.0, size) * np.where(np.arange(size) % 2, 1, -1)}


TINY_FUNCTION = Host(normal("x"), tiny, ("x",))


GELU = Host(normal("x"), gelu, ("x",))


ELU = Host(_off_zero, elu, ("z",))


TWICE = Host(normal("x"), twice, ("x",))


ELEMENTWISE_FAULTS = (
    Fault(
        name="constant factor 2",
        story="x² differentiated as x: the 2 of the power rule is lost, as where a loss is defined "
        "without its 1/2 and differentiated as if with it.",
        diagnosis="constant factor",
        sizes=ELEMENTWISE,
        plant=planted(SQUARE, spoilt_in("x", _halved)),
    ),
    Fault(
        name="constant factor 3 on a function of size 1e-7",
        story="All of it is below the absolute tolerance that checkers have by default (torch's "
        "gradcheck: 1e-5), which then accept any gradient of that size.",
        diagnosis="constant factor",
        sizes=ELEMENTWISE,
        plant=planted(TINY_FUNCTION, spoilt_in("x", lambda g: 3 * g)),
    ),
    Fault(
        name="relative error 5e-4",
        story="Right to three digits, as with a constant typed in short; below the relative "
        "tolerance of 1e-3 that torch's gradcheck has by default.",
        diagnosis="constant factor",
        sizes=ELEMENTWISE,
        plant=planted(SQUASH, spoilt_in("x", lambda g: g * (1 + 5e-4))),
    ),
    Fault(
        name="slope of an approximation",
        story="GELU by the error function in the forward pass, by the tanh formula in the backward "
        "pass: two versions of one function that frameworks have side by side.",
        diagnosis=None,
        sizes=(10, 1_000, 100_000),  # erf of complex numbers is slow
        plant=planted(GELU, instead(_gelu_with_the_slope_of_its_approximation)),
    ),
    Fault(
        name="one entry zeroed among many",
        story="An index that is one off leaves an entry of the result as it was allocated. A "
        "checker that looks at one random combination sees 1/√n of it.",
        diagnosis="a few entries",
        sizes=ELEMENTWISE,
        plant=planted(SQUASH, spoilt_in("x", _zeroed)),
    ),
    Fault(
        name="10 % wrong everywhere",
        story="Up in some entries, down in others, so that sums over many entries come out right: "
        "as with a step of stochastic rounding or quantisation in the backward pass.",
        diagnosis=None,
        sizes=ELEMENTWISE,
        plant=planted(SQUASH, spoilt_in("x", _up_and_down)),
    ),
    Fault(
        name="rolled",
        story="Every entry has its neighbour's gradient: an offset that is one off in a kernel or "
        "a shifted window in a convolution.",
        diagnosis="roll",
        sizes=ELEMENTWISE,
        plant=planted(SQUASH, spoilt_in("x", lambda g: np.roll(g, 1))),
    ),
    Fault(
        name="permuted",
        story="Sorted on the way forward, and not unsorted on the way back.",
        diagnosis="permutation",
        sizes=ELEMENTWISE,
        plant=planted(SQUASH, spoilt_in("x", _permuted)),
    ),
    Fault(
        name="transposed",
        story="x uᵀ for u xᵀ as the gradient of a square weight matrix: of any other shape, it "
        "would not have fitted.",
        diagnosis="transpose",
        sizes=(9, 900, 1_000_000),
        plant=planted(MATVEC, spoilt_in("A", np.transpose)),
    ),
    Fault(
        name="arguments swapped",
        story="The gradients are returned in another order than the arguments: a "
        "torch.autograd.Function returns them by position alone.",
        diagnosis="swapped arguments",
        sizes=ELEMENTWISE,
        plant=planted(GATED, spoilt(_swapped)),
    ),
    Fault(
        name="cotangent ignored",
        story="Written for a loss, whose cotangent is 1, and used inside another function: the "
        "backward returns the derivative and does not multiply.",
        diagnosis="cotangent ignored",
        sizes=ELEMENTWISE,
        plant=planted(SQUASH, _for_ones),
    ),
    Fault(
        name="branch chosen by the output's sign",
        story="pytorch #47671: elu's backward took an output above 0 for an input above 0, which "
        "with a negative alpha it is not.",
        diagnosis=None,
        sizes=ELEMENTWISE,
        plant=planted(ELU, instead(_elu_told_by_its_output)),
    ),
    Fault(
        name="a node used twice, counted once",
        story="PaddlePaddle #3689: where a variable is shared by several operators, the gradient "
        "of one overwrote that of the other.",
        diagnosis=None,
        sizes=ELEMENTWISE,
        plant=planted(TWICE, instead(_twice_counted_once)),
    ),
    Fault(
        name="float32 inside float64",
        story="A float32 buffer, table or accumulator inside a float64 computation (float16 inside "
        "float32): seven digits are right, and every checker's tolerance is wider.",
        diagnosis="dtype downcast",
        sizes=ELEMENTWISE,
        plant=planted(SQUASH, spoilt_in("x", _narrowed)),
    ),
    Fault(
        name="sign flipped",
        story="A target minus a prediction, differentiated as a prediction minus a target.",
        diagnosis="sign",
        sizes=ELEMENTWISE,
        plant=planted(SQUASH, spoilt_in("x", np.negative)),
    ),
    Fault(
        name="sign flipped in every other entry",
        story="The cofactors of a determinant, or the butterflies of a Fourier transform, without "
        "their alternating signs.",
        diagnosis="sign",
        sizes=ELEMENTWISE,
        plant=planted(SQUASH, spoilt_in("x", _negative_half)),
    ),
    Fault(
        name="dropped dependency",
        story="The gradient of one argument is zero: it was detached, or its path was forgotten.",
        diagnosis="dropped dependency",
        sizes=ELEMENTWISE,
        plant=planted(GATED, instead(_unused_weight)),
    ),
    Fault(
        name="tail of the last block not written",
        story="Right for whole blocks only: llm.c #439 was wrong at block sizes that are no power "
        "of two, mamba #537 where the last block is a partial one.",
        diagnosis="a block of entries",
        sizes=(100, 1_000, 999_999),
        plant=planted(SQUASH, spoilt_in("x", _without_tail)),
    ),
)
