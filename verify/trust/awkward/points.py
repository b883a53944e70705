"""Gradients that are right, at points and of functions where it is hard to see.

Where ``true_vjp`` is given, it is the same derivative by another formula; where there are several
right answers, or none is simpler, it is None.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from reference_impls.computation import Array, Arrays, Vjp
from verify.trust.faults import kinks
from verify.trust.functions import normal, softmax
from verify.trust.planted import (
    ELEMENTWISE,
    Awkward,
    Host,
    MakeVjp,
    Plant,
    Planted,
    Sample,
    planted,
    rounded,
    value_of,
)

BESIDE = 1e-6
"""How far from a kink: nearer than the steps of most differences."""


FREQUENCY = 1e4


KEPT = 0.9


ILL_SCALED = 1e8


OFFSET = 1e6


def plant(sample: Sample, make_vjp: MakeVjp, *wrt: str, true: MakeVjp | None = None) -> Plant:
    """Plants a function as it is."""
    right = planted(Host(sample, make_vjp, wrt), lambda unchanged: unchanged)
    return lambda size, dtype, rng: replace(right(size, dtype, rng), true_vjp=true)


def _scaled(power: dict[str, int]) -> Plant:
    """10ᵖ sin x, with a power p for each dtype."""

    def plant_scaled(size: int, dtype: str, rng: np.random.Generator) -> Planted:
        scale = 10.0 ** power[dtype]

        def make_vjp(x: Array) -> tuple[Array, Vjp]:
            return scale * np.sin(x), lambda u: {"x": u * (scale * np.cos(x))}

        def true_vjp(x: Array) -> tuple[Array, Vjp]:
            value, _ = make_vjp(x)
            return value, lambda u: {"x": scale * (u * np.sin(x + np.pi / 2))}

        return Planted(
            make_vjp, rounded(normal("x")(rng, size), dtype), value_of(make_vjp), ("x",), true_vjp
        )

    return plant_scaled


def _absolute_at(slope: float) -> MakeVjp:
    return lambda x: kinks.absolute(x, slope)


def _shared_among_winners(X: Array) -> tuple[Array, Vjp]:
    value, _ = kinks.largest_in_row(X)
    winners = (value[:, None] == X).astype(X.real.dtype)
    return value, lambda u: {"X": u[:, None] * winners / winners.sum(axis=1, keepdims=True)}


def _beside_zero(rng: np.random.Generator, size: int) -> dict[str, Any]:
    x = kinks.with_zeros("x")(rng, size)["x"]
    return {"x": np.where(x == 0, BESIDE * rng.choice([-1.0, 1.0], size), x)}


def huber(x: Array) -> tuple[Array, Vjp]:
    """f(x) = x²/2 up to |x| = 1, |x| - 1/2 beyond: once differentiable, and not twice at 1."""
    magnitude = np.where(x < 0, -x, x)
    value = np.where(magnitude <= 1, x * x / 2, magnitude - 0.5)
    return value, lambda u: {"x": u * np.clip(x, -1, 1)}


def _at_joint(rng: np.random.Generator, size: int) -> dict[str, Any]:
    x = 2 * rng.standard_normal(size)
    x[::2] = rng.choice([-1.0, 1.0], x[::2].shape)
    return {"x": x}


def cubed_absolute(x: Array) -> tuple[Array, Vjp]:
    """f(x) = |x|³, of which the third derivative jumps at 0."""
    magnitude = np.where(x < 0, -x, x)
    return magnitude * x * x, lambda u: {"x": u * (3 * magnitude * x)}


def linear(x: Array) -> tuple[Array, Vjp]:
    """f(x) = 3 w x + 1 with fixed weights w."""
    w = np.cos(np.arange(x.size, dtype=x.real.dtype))
    return 3 * w * x + 1, lambda u: {"x": u * (3 * w)}


def _three_times(x: Array) -> tuple[Array, Vjp]:
    value, _ = linear(x)
    w = np.cos(np.arange(x.size, dtype=x.real.dtype))
    return value, lambda u: {"x": u * w + u * w + u * w}


def constant(x: Array) -> tuple[Array, Vjp]:
    """f(x) = 7 everywhere."""
    return np.full_like(x, 7), lambda u: {"x": u * np.zeros_like(x)}


def _beside_integers(rng: np.random.Generator, size: int) -> dict[str, Any]:
    return {"x": rng.integers(-4, 5, size) + rng.uniform(-0.3, 0.3, size)}


def rounded_off(x: Array) -> tuple[Array, Vjp]:
    """f(x) = the nearest integer: constant wherever it has a derivative."""
    return np.round(x), lambda u: {"x": u * np.zeros_like(x)}


def sum_of_softmax(x: Array) -> tuple[Array, Vjp]:
    """f(x) = the sum of n softmax x, which is n: each entry's gradient is rounding."""
    value, vjp = softmax(x)
    return np.asarray(value.sum()), lambda u: vjp(u * np.ones_like(x))


def _zero_for(x: Array) -> tuple[Array, Vjp]:
    value, _ = sum_of_softmax(x)
    return value, lambda u: {"x": u * np.zeros_like(x)}


def _zero_in_part(x: Array, w: Array) -> tuple[Array, Vjp]:
    """f(x, w) = sin x + 0 w: of one of its arguments independent."""
    return np.sin(x) + 0 * w, lambda u: {"x": u * np.cos(x), "w": np.zeros_like(w)}


def identity(x: Array) -> tuple[Array, Vjp]:
    """f(x) = x: value and gradient are copies."""
    return x.copy(), lambda u: {"x": u.copy()}


def hilbert_solve(b: Array, d: Array) -> tuple[Array, Vjp]:
    """f(b, d) = (H + diag d)⁻¹ b with the Hilbert matrix H: for n = 4, its condition is 10⁴."""
    n = d.size
    rows = np.arange(n)
    H = (1 / (1 + rows[:, None] + rows)).astype(d.real.dtype)
    A = H + np.diag(d)
    y = np.linalg.solve(A, b)

    def vjp(u: Array) -> Arrays:
        q = np.linalg.solve(A.T, u)
        return {"b": q, "d": -q * y}

    return y.copy(), vjp


def _hilbert(rng: np.random.Generator, size: int) -> dict[str, Any]:
    return {"b": rng.standard_normal(size), "d": 1e-4 * rng.uniform(0.5, 1.0, size)}


def difference_of_roots(x: Array) -> tuple[Array, Vjp]:
    """f(x) = √(x + 1) - √x for large x, written so that nothing cancels."""
    value = 1 / (np.sqrt(x + 1) + np.sqrt(x))
    return value, lambda u: {"x": -u * value / (2 * np.sqrt(x + 1) * np.sqrt(x))}


def _difference_the_other_way(x: Array) -> tuple[Array, Vjp]:
    """1/(2 √(x + 1)) - 1/(2 √x), over one denominator."""
    value, _ = difference_of_roots(x)

    def vjp(u: Array) -> Arrays:
        a, b = np.sqrt(x + 1), np.sqrt(x)
        return {"x": -u / (2 * a * b * (a + b))}

    return value, vjp


def _large(rng: np.random.Generator, size: int) -> dict[str, Any]:
    return {"x": 1e4 * (1 + rng.uniform(size=size))}


def nearly_equal(x: Array, y: Array) -> tuple[Array, Vjp]:
    """f(x, y) = (x - y)² for y within 10⁻³ of x: the difference has lost three digits."""
    residual = x - y
    return residual * residual, lambda u: {"x": 2 * u * residual, "y": -2 * u * residual}


def _near_pair(rng: np.random.Generator, size: int) -> dict[str, Any]:
    x = 1 + rng.uniform(size=size)
    return {"x": x, "y": x + 1e-3 * rng.standard_normal(size)}


def ill_scaled(x: Array, y: Array) -> tuple[Array, Vjp]:
    """f(x, y) = sin(10⁸ x) cos(10⁻⁸ y), of an x of about 10⁻⁸ and a y of about 10⁸."""
    a, b = ILL_SCALED * x, y / ILL_SCALED

    def vjp(u: Array) -> Arrays:
        return {
            "x": u * (ILL_SCALED * np.cos(a) * np.cos(b)),
            "y": -u * (np.sin(a) * np.sin(b) / ILL_SCALED),
        }

    return np.sin(a) * np.cos(b), vjp


def _ill_scaled_pair(rng: np.random.Generator, size: int) -> dict[str, Any]:
    return {
        "x": rng.standard_normal(size) / ILL_SCALED,
        "y": rng.standard_normal(size) * ILL_SCALED,
    }


def entries_of_all_sizes(x: Array) -> tuple[Array, Vjp]:
    """f(x) = Σ eˣ for x from -12 to 6: gradients of eight orders of magnitude side by side."""
    e = np.exp(x)
    return np.asarray(e.sum()), lambda u: {"x": u * e}


def _of_all_sizes(rng: np.random.Generator, size: int) -> dict[str, Any]:
    return {"x": rng.uniform(-12.0, 6.0, size)}


def offset(x: Array) -> tuple[Array, Vjp]:
    """f(x) = 10⁶ + sin x."""
    return OFFSET + np.sin(x), lambda u: {"x": u * np.cos(x)}


def mean_of_sines(x: Array) -> tuple[Array, Vjp]:
    """f(x) = the mean of sin x, a scalar."""
    return np.asarray(np.sin(x).sum() / x.size), lambda u: {"x": u / x.size * np.cos(x)}


def steep(x: Array) -> tuple[Array, Vjp]:
    """f(x) = 1/(x - 1) for x close to 1: a pole within reach of a large step."""
    value = 1 / (x - 1)
    return value, lambda u: {"x": -u * value * value}


def _near_pole(rng: np.random.Generator, size: int) -> dict[str, Any]:
    return {"x": 1 + rng.uniform(2.0**-5, 2.0**-3, size)}


def flat(x: Array) -> tuple[Array, Vjp]:
    """f(x) = x⁴ at 0 and beside it: value and gradient vanish together."""
    square = x * x
    return square * square, lambda u: {"x": 4 * u * x * square}


def _with_exact_zeros(rng: np.random.Generator, size: int) -> dict[str, Any]:
    x = rng.standard_normal(size)
    x[::2] = 0
    return {"x": x}


def saturated(x: Array) -> tuple[Array, Vjp]:
    """f(x) = log(1 + eˣ) of ±10⁴, where eˣ has no number."""
    positive = x > 0
    e = np.exp(np.where(positive, -x, x))
    value = np.where(positive, x, 0) + np.log1p(e)
    return value, lambda u: {"x": u * np.where(positive, 1 / (1 + e), e / (1 + e))}


def _far_out(rng: np.random.Generator, size: int) -> dict[str, Any]:
    return {"x": rng.choice([-1e4, -3.0, 3.0, 1e4], size) + rng.uniform(size=size)}


def with_dropout(x: Array) -> tuple[Array, Vjp]:
    """f(x) = tanh x with a mask from a generator that is seeded inside: the same at every call."""
    kept = (np.random.default_rng(3).uniform(size=x.shape) < KEPT).astype(x.real.dtype)
    t = kept * np.tanh(x)
    return t, lambda u: {"x": u * kept * (1 - t * t)}


def oscillating(x: Array) -> tuple[Array, Vjp]:
    """f(x) = sin(10⁴ x): a step of a thousandth crosses a whole period."""
    return np.sin(FREQUENCY * x), lambda u: {"x": u * (FREQUENCY * np.cos(FREQUENCY * x))}


def _logsumexp_otherwise(x: Array) -> tuple[Array, Vjp]:
    value, _ = kinks.logsumexp(x)
    return value, lambda u: {"x": u * np.exp(x - value)}


def _sinc_otherwise(x: Array) -> tuple[Array, Vjp]:
    value, _ = kinks.sinc(x)

    def vjp(u: Array) -> Arrays:
        safe = np.where(x == 0, 1, x)
        slope = (safe * np.cos(safe) - np.sin(safe)) / (safe * safe)
        return {"x": np.where(x == 0, 0, u * slope)}

    return value, vjp


RELU_AT_ZERO = tuple(
    Awkward(
        name=f"relu' = {slope:g} at 0",
        story="At 0 any slope from 0 to 1 is right, and no difference finds more than one of them: "
        "torch's gradcheck rejects relu there (pytorch #114234).",
        sizes=ELEMENTWISE,
        plant=plant(kinks.with_zeros("x"), kinks.relu_with(slope), "x"),
    )
    for slope in (0.0, 0.5, 1.0)
)


AWKWARD_POINTS = (
    *RELU_AT_ZERO,
    Awkward(
        name="abs at 0, slope 0",
        story="Any slope from -1 to 1 is right; most engines return 0.",
        sizes=ELEMENTWISE,
        plant=plant(kinks.with_zeros("x"), _absolute_at(0.0), "x"),
    ),
    Awkward(
        name="abs at 0, slope 1",
        story="The derivative from the right is as right as any.",
        sizes=ELEMENTWISE,
        plant=plant(kinks.with_zeros("x"), _absolute_at(1.0), "x"),
    ),
    Awkward(
        name="max with ties, to the first",
        story="Of several largest entries the first gets all of the gradient, as in max pooling.",
        sizes=ELEMENTWISE,
        plant=plant(kinks.with_ties, kinks.largest_in_row, "X"),
    ),
    Awkward(
        name="max with ties, shared",
        story="Of several largest entries each gets its share, as in HIPS autograd and amax.",
        sizes=ELEMENTWISE,
        plant=plant(kinks.with_ties, _shared_among_winners, "X"),
    ),
    Awkward(
        name="kink at a distance of 1e-6",
        story="There is a derivative, and every difference with a longer step gets another.",
        sizes=ELEMENTWISE,
        plant=plant(_beside_zero, kinks.relu, "x"),
    ),
    Awkward(
        name="norm at 0, gradient 0",
        story="A row of zeros, where any vector of length up to 1 is right.",
        sizes=ELEMENTWISE,
        plant=plant(kinks.LENGTHS.sample, kinks.lengths, "X"),
    ),
    Awkward(
        name="huber at its joint",
        story="The second derivative jumps where half of the entries are: differences are of first "
        "order there, and their extrapolation is of no use.",
        sizes=ELEMENTWISE,
        plant=plant(_at_joint, huber, "x"),
    ),
    Awkward(
        name="|x|³ at 0",
        story="The third derivative jumps where half of the entries are.",
        sizes=ELEMENTWISE,
        plant=plant(_with_exact_zeros, cubed_absolute, "x"),
    ),
    Awkward(
        name="exactly linear",
        story="Differences are exact, or all rounding: the Taylor test's remainder has no rate.",
        sizes=ELEMENTWISE,
        plant=plant(normal("x"), linear, "x", true=_three_times),
    ),
    Awkward(
        name="identity",
        story="Value and gradient are copies of what was given.",
        sizes=ELEMENTWISE,
        plant=plant(normal("x"), identity, "x"),
    ),
    Awkward(
        name="constant",
        story="The gradient is exactly zero, and so is everything it could be relative to.",
        sizes=ELEMENTWISE,
        plant=plant(normal("x"), constant, "x"),
    ),
    Awkward(
        name="piecewise constant",
        story="Zero wherever there is a derivative; beyond the next jump, a difference is not.",
        sizes=ELEMENTWISE,
        plant=plant(_beside_integers, rounded_off, "x"),
    ),
    Awkward(
        name="zero by cancellation",
        story="The sum of a softmax is constant, and its gradient is computed as rounding.",
        sizes=ELEMENTWISE,
        plant=plant(normal("x"), sum_of_softmax, "x", true=_zero_for),
    ),
    Awkward(
        name="independent of one argument",
        story="That argument's gradient is exactly zero, and right.",
        sizes=ELEMENTWISE,
        plant=plant(normal("x", "w"), _zero_in_part, "x", "w"),
    ),
    Awkward(
        name="values of 1e-12",
        story="Below every absolute tolerance.",
        sizes=ELEMENTWISE,
        plant=_scaled({"float64": -12, "float32": -12}),
    ),
    Awkward(
        name="values of 1e12",
        story="Above every absolute tolerance.",
        sizes=ELEMENTWISE,
        plant=_scaled({"float64": 12, "float32": 12}),
    ),
    Awkward(
        name="values of 1e-30",
        story="Whose squares are below float32's range.",
        sizes=ELEMENTWISE,
        plant=_scaled({"float64": -30, "float32": -30}),
    ),
    Awkward(
        name="values of 1e30",
        story="Whose squares are above float32's range.",
        sizes=ELEMENTWISE,
        plant=_scaled({"float64": 30, "float32": 30}),
    ),
    Awkward(
        name="Hilbert matrix",
        story="Solving loses as many digits as the condition of the matrix has, in any code.",
        sizes=(2, 3, 4),
        plant=plant(_hilbert, hilbert_solve, "b", "d"),
    ),
    Awkward(
        name="difference of roots",
        story="√(x + 1) - √x for x of 10⁴, where the formula as it stands loses eight digits.",
        sizes=ELEMENTWISE,
        plant=plant(_large, difference_of_roots, "x", true=_difference_the_other_way),
    ),
    Awkward(
        name="difference of nearly equal numbers",
        story="Arguments that agree in three digits: moving both by one rounding moves the "
        "gradient by a thousand.",
        sizes=ELEMENTWISE,
        plant=plant(_near_pair, nearly_equal, "x", "y"),
    ),
    Awkward(
        name="ill-scaled arguments",
        story="One of 1e-8 with gradients of 1e8, one of 1e8 with gradients of 1e-8: one step for "
        "both is wrong for both.",
        sizes=ELEMENTWISE,
        plant=plant(_ill_scaled_pair, ill_scaled, "x", "y"),
    ),
    Awkward(
        name="entries of all sizes",
        story="Gradients of eight orders of magnitude in one array.",
        sizes=ELEMENTWISE,
        plant=plant(_of_all_sizes, entries_of_all_sizes, "x"),
    ),
    Awkward(
        name="large offset",
        story="1e6 + sin x: in the values, six digits of it are gone; in the gradient, none.",
        sizes=ELEMENTWISE,
        plant=plant(normal("x"), offset, "x"),
    ),
    Awkward(
        name="mean over all entries",
        story="Every entry's gradient is 1/n of what one expects.",
        sizes=ELEMENTWISE,
        plant=plant(normal("x"), mean_of_sines, "x"),
    ),
    Awkward(
        name="near a pole",
        story="1/(x - 1) within 1/32 of 1: long steps jump over the pole.",
        sizes=ELEMENTWISE,
        plant=plant(_near_pole, steep, "x"),
    ),
    Awkward(
        name="x⁴ at 0",
        story="Value, gradient and second derivative vanish together, in every other entry.",
        sizes=ELEMENTWISE,
        plant=plant(_with_exact_zeros, flat, "x"),
    ),
    Awkward(
        name="saturated",
        story="log(1 + eˣ) of ±10⁴: slopes of exactly 0 and 1, by a formula that never sees ∞.",
        sizes=ELEMENTWISE,
        plant=plant(_far_out, saturated, "x"),
    ),
    Awkward(
        name="sinc at 0",
        story="A removable 0/0, removed.",
        sizes=ELEMENTWISE,
        plant=plant(kinks.with_zeros("x"), kinks.sinc, "x", true=_sinc_otherwise),
    ),
    Awkward(
        name="logsumexp of -inf",
        story="Entries of -∞ are terms of 0, with gradients of 0; their differences are NaN.",
        sizes=ELEMENTWISE,
        plant=plant(kinks.after_infinities, kinks.logsumexp, "x", true=_logsumexp_otherwise),
    ),
    Awkward(
        name="elu for large arguments",
        story="eˣ is infinite in the branch that is not taken, and is not computed.",
        sizes=ELEMENTWISE,
        plant=plant(kinks.SMOOTH_ELU.sample, kinks.smooth_elu, "z"),
    ),
    Awkward(
        name="seeded dropout",
        story="A generator inside, seeded there: it looks random and is a function.",
        sizes=ELEMENTWISE,
        plant=plant(normal("x"), with_dropout, "x"),
    ),
    Awkward(
        name="sin(10⁴ x)",
        story="Differences with steps of 1e-3 and more are noise.",
        sizes=ELEMENTWISE,
        plant=plant(normal("x"), oscillating, "x"),
    ),
)
