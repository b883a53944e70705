"""Points where a formula fails, and what is returned there."""

from typing import Any

import numpy as np

from reference_impls.computation import Array, Arrays, Vjp
from verify.trust.functions import normal
from verify.trust.planted import ELEMENTWISE, Fault, Host, MakeVjp, Sample, instead, planted

EVERY = 5
"""Every so many entries, one lies exactly at the point."""


LARGE = 1_000.0
"""e¹⁰⁰⁰ is infinite in any dtype but longdouble."""


def relu(x: Array, at_zero: float = 0.0) -> tuple[Array, Vjp]:
    """f(x) = max(x, 0), with a given slope at 0."""
    slope = np.where(x > 0, 1, np.where(x == 0, at_zero, 0)).astype(x.real.dtype)
    return np.where(x > 0, x, np.zeros_like(x)), lambda u: {"x": u * slope}


def relu_with(at_zero: float) -> MakeVjp:
    """`relu` with another slope at 0."""
    return lambda x: relu(x, at_zero)


def absolute(x: Array, at_zero: float = 0.0) -> tuple[Array, Vjp]:
    """f(x) = |x|, with a given slope at 0."""
    slope = np.where(x > 0, 1, np.where(x == 0, at_zero, -1)).astype(x.real.dtype)
    return np.where(x > 0, x, -x), lambda u: {"x": u * slope}


def smooth_elu(z: Array) -> tuple[Array, Vjp]:
    """f(z) = z where z > 0, eᶻ - 1 elsewhere."""
    negative = np.minimum(z, 0)
    value = np.where(z > 0, z, np.expm1(negative))
    return value, lambda u: {"z": u * np.where(z > 0, 1, np.exp(negative))}


def _elu_as_written(z: Array) -> tuple[Array, Vjp]:
    """Each branch of where() by the chain rule, as an engine takes it."""
    value, _ = smooth_elu(z)
    with np.errstate(over="ignore"):
        e = np.exp(z)

    def vjp(u: Array) -> Arrays:
        with np.errstate(invalid="ignore", over="ignore"):
            return {"z": np.where(z > 0, u, 0) + np.where(z > 0, 0, u) * e}

    return value, vjp


def sinc(x: Array) -> tuple[Array, Vjp]:
    """f(x) = sin x / x, and 1 at 0, where the slope is 0."""
    safe = np.where(x == 0, 1, x)
    value = np.where(x == 0, 1, np.sin(safe) / safe)

    def vjp(u: Array) -> Arrays:
        return {"x": u * np.where(x == 0, 0, (np.cos(safe) - value) / safe)}

    return value, vjp


def _sinc_divided_by_zero(x: Array) -> tuple[Array, Vjp]:
    value, _ = sinc(x)

    def vjp(u: Array) -> Arrays:
        with np.errstate(invalid="ignore", divide="ignore"):
            return {"x": u * (np.cos(x) - value) / x}

    return value, vjp


def _sinc_mended(x: Array) -> tuple[Array, Vjp]:
    """The 1 that guards the value is taken for the gradient, too."""
    value, vjp = sinc(x)
    return value, lambda u: {"x": np.where(x == 0, u, vjp(u)["x"])}


def squared_lengths(X: Array) -> tuple[Array, Vjp]:
    """f(X) = |row|² of every row (r, c), with gradient 2 X."""
    return (X * X).sum(axis=1), lambda u: {"X": 2 * u[:, None] * X}


def _squared_through_root(X: Array) -> tuple[Array, Vjp]:
    """As (|row|)²: 2 |row| times row / |row|."""
    value, _ = squared_lengths(X)
    length = np.sqrt(value)[:, None]

    def vjp(u: Array) -> Arrays:
        with np.errstate(invalid="ignore", divide="ignore"):
            return {"X": u[:, None] * (2 * length) * (X / length)}

    return value, vjp


def lengths(X: Array) -> tuple[Array, Vjp]:
    """f(X) = |row| of every row (r, c); 0 as the gradient at 0."""
    value = np.sqrt((X * X).sum(axis=1))
    safe = np.where(value == 0, 1, value)
    return value, lambda u: {"X": (u / safe)[:, None] * X}


def _lengths_divided_by_zero(X: Array) -> tuple[Array, Vjp]:
    value, _ = lengths(X)

    def vjp(u: Array) -> Arrays:
        with np.errstate(invalid="ignore", divide="ignore"):
            return {"X": u[:, None] * (X / value[:, None])}

    return value, vjp


def logsumexp(x: Array) -> tuple[Array, Vjp]:
    """f(x) = log Σ eˣ, a scalar; an entry of -∞ is a term of 0, with gradient 0."""
    largest = np.real(x).max()
    e = np.exp(x - largest)
    return np.asarray(largest + np.log(e.sum())), lambda u: {"x": u * (e / e.sum())}


def _logsumexp_in_pairs(x: Array) -> tuple[Array, Vjp]:
    """By logaddexp of neighbours, then of the results; an input's slope is e^(input - output)."""
    levels = [x]
    while levels[-1].size > 1:
        # An entry without a neighbour is added to e^-∞ = 0.
        inputs = np.append(levels[-1], np.full(levels[-1].size % 2, -np.inf, x.dtype))
        levels.append(np.logaddexp(inputs[::2], inputs[1::2]))

    def vjp(u: Array) -> Arrays:
        gradient, outputs = np.atleast_1d(u), levels[-1]
        for inputs in reversed(levels[:-1]):
            to_inputs = np.arange(inputs.size) // 2
            with np.errstate(invalid="ignore"):
                own = np.exp(inputs - outputs[to_inputs])
            gradient, outputs = own * gradient[to_inputs], inputs
        return {"x": gradient}

    return np.asarray(levels[-1][0]), vjp


def largest_in_row(X: Array) -> tuple[Array, Vjp]:
    """f(X) = the largest of every row (r, c); all of the gradient goes to the first of them."""
    winner = np.argmax(X.real, axis=1)[:, None]
    value = np.take_along_axis(X, winner, axis=1)[:, 0]

    def vjp(u: Array) -> Arrays:
        gradient = np.zeros(X.shape, u.dtype)
        np.put_along_axis(gradient, winner, u[:, None], axis=1)
        return {"X": gradient}

    return value, vjp


def _to_every_winner(X: Array) -> tuple[Array, Vjp]:
    value, _ = largest_in_row(X)
    return value, lambda u: {"X": np.where(value[:, None] == X, u[:, None], 0)}


def with_zeros(name: str) -> Sample:
    """A sampler of numbers away from 0, but for every fifth, which is 0."""

    def sample(rng: np.random.Generator, size: int) -> dict[str, Any]:
        x = rng.uniform(0.5, 3.0, size) * rng.choice([-1.0, 1.0], size)
        x[::EVERY] = 0
        return {name: x}

    return sample


def _with_large(rng: np.random.Generator, size: int) -> dict[str, Any]:
    z = rng.uniform(0.1, 2.0, size) * rng.choice([-1.0, 1.0], size)
    z[::EVERY] = LARGE
    return {"z": z}


def _with_a_row_of_zeros(rng: np.random.Generator, size: int) -> dict[str, Any]:
    X = rng.standard_normal((size // 5, 5))
    X[0] = 0
    return {"X": X}


def after_infinities(rng: np.random.Generator, size: int) -> dict[str, Any]:
    """The first three are -∞."""
    x = rng.standard_normal(size)
    x[:3] = -np.inf
    return {"x": x}


def with_ties(rng: np.random.Generator, size: int) -> dict[str, Any]:
    """In every row of five, the first and the third are the largest."""
    X = rng.uniform(-1.0, 1.0, (size // 5, 5))
    X[:, 0] = X[:, 2] = 2.0
    return {"X": X}


RELU = Host(with_zeros("x"), relu, ("x",))


SMOOTH_ELU = Host(_with_large, smooth_elu, ("z",))


ORDINARY_ELU = Host(normal("z"), smooth_elu, ("z",))


SINC = Host(with_zeros("x"), sinc, ("x",))


SQUARED_LENGTHS = Host(_with_a_row_of_zeros, squared_lengths, ("X",))


LENGTHS = Host(_with_a_row_of_zeros, lengths, ("X",))


LOGSUMEXP = Host(after_infinities, logsumexp, ("x",))


LARGEST = Host(with_ties, largest_in_row, ("X",))


KINK_FAULTS = (
    Fault(
        name="NaN from the unselected branch",
        story="where(z > 0, z, eᶻ - 1) for large z: 0 · ∞ in the branch that was not taken: "
        "pytorch #23395, jax #347, candle #2328.",
        diagnosis="not finite",
        sizes=ELEMENTWISE,
        plant=planted(SMOOTH_ELU, instead(_elu_as_written)),
    ),
    Fault(
        name="NaN from the unselected branch, elsewhere",
        story="The same at ordinary points, where nothing overflows and the gradient is right: it "
        "comes with the first large activation of a training run.",
        diagnosis="not finite",
        sizes=ELEMENTWISE,
        plant=planted(ORDINARY_ELU, instead(_elu_as_written)),
    ),
    Fault(
        name="relu' = 2 at 0",
        story="Two masks that both hold at 0, and there alone: their gradients are added. No limit "
        "of slopes beside 0 is 2; a test at random points never goes there.",
        diagnosis="outside the subdifferential",
        sizes=ELEMENTWISE,
        plant=planted(RELU, instead(relu_with(2.0))),
    ),
    Fault(
        name="relu' = -1 at 0",
        story="A sign error in a branch that nothing but 0 takes; padding and fresh biases do. To "
        "follow it leads uphill.",
        diagnosis="outside the subdifferential",
        sizes=ELEMENTWISE,
        plant=planted(RELU, instead(relu_with(-1.0))),
    ),
    Fault(
        name="all of the gradient to each of the winners",
        story="The gradient of a maximum goes to all entries that equal it, undivided: with k of "
        "them, k times too much.",
        diagnosis="outside the subdifferential",
        sizes=ELEMENTWISE,
        plant=planted(LARGEST, instead(_to_every_winner)),
    ),
    Fault(
        name="removable 0/0: NaN",
        story="sin x / x at 0: pytorch #53989, tensorflow #127226.",
        diagnosis="not finite",
        sizes=ELEMENTWISE,
        plant=planted(SINC, instead(_sinc_divided_by_zero)),
    ),
    Fault(
        name="removable 0/0: mended wrongly",
        story="The 1 that is right for the value of sin x / x at 0 is taken for its slope, too.",
        diagnosis=None,
        sizes=ELEMENTWISE,
        plant=planted(SINC, instead(_sinc_mended)),
    ),
    Fault(
        name="square of a norm: NaN",
        story="|x|² by way of |x|: smooth, with gradient 0 at 0, and NaN by the chain rule: "
        "jax #21723.",
        diagnosis="not finite",
        sizes=ELEMENTWISE,
        plant=planted(SQUARED_LENGTHS, instead(_squared_through_root)),
    ),
    Fault(
        name="x/|x| at 0: NaN",
        story="The norm has a kink at 0, where any vector of length up to 1 is right, and NaN is "
        "none: pytorch #2421, HIPS/autograd #151.",
        diagnosis="not finite",
        sizes=ELEMENTWISE,
        plant=planted(LENGTHS, instead(_lengths_divided_by_zero)),
    ),
    Fault(
        name="logsumexp of -inf: NaN",
        story="-∞ - (-∞) where a term of 0 meets another: pytorch #31829, jax #6811, in algorithms "
        "that add probabilities two by two, as CTC and hidden Markov models do.",
        diagnosis="not finite",
        sizes=ELEMENTWISE,
        plant=planted(LOGSUMEXP, instead(_logsumexp_in_pairs)),
    ),
)
