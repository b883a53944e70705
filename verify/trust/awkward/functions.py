"""Functions that are awkward to check, with their right VJPs, and where to ask for them."""

from dataclasses import replace
from typing import Any

import numpy as np

from reference_impls.computation import Array, Arrays, Vjp
from verify.trust.faults import kinks
from verify.trust.functions import normal, softmax
from verify.trust.planted import (
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
"""The distance from a kink: less than the steps of most differences."""


FREQUENCY = 1e4


KEPT = 0.9


ILL_SCALED = 1e8


OFFSET = 1e6


def plant(sample: Sample, make_vjp: MakeVjp, *wrt: str, true: MakeVjp | None = None) -> Plant:
    """Plants a function with its right VJP."""
    right = planted(Host(sample, make_vjp, wrt), lambda unchanged: unchanged)
    return lambda size, dtype, rng: replace(right(size, dtype, rng), true_vjp=true)


def scaled_sine(power: dict[str, int]) -> Plant:
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


def absolute_at(slope: float) -> MakeVjp:
    """f(x) = |x|, with this slope at 0."""
    return lambda x: kinks.absolute(x, slope)


def shared_among_winners(X: Array) -> tuple[Array, Vjp]:
    """f(X) = the largest of every row; each entry that equals it gets its share."""
    value, _ = kinks.largest_in_row(X)
    winners = (value[:, None] == X).astype(X.real.dtype)
    return value, lambda u: {"X": u[:, None] * winners / winners.sum(axis=1, keepdims=True)}


def beside_zero(rng: np.random.Generator, size: int) -> dict[str, Any]:
    """Every fifth entry is `BESIDE` from the kink at 0."""
    x = kinks.with_zeros("x")(rng, size)["x"]
    return {"x": np.where(x == 0, BESIDE * rng.choice([-1.0, 1.0], size), x)}


def huber(x: Array) -> tuple[Array, Vjp]:
    """f(x) = x²/2 up to |x| = 1, |x| - 1/2 beyond: once differentiable, and not twice at 1."""
    magnitude = np.where(x < 0, -x, x)
    value = np.where(magnitude <= 1, x * x / 2, magnitude - 0.5)
    return value, lambda u: {"x": u * np.clip(x, -1, 1)}


def at_joint(rng: np.random.Generator, size: int) -> dict[str, Any]:
    """Every other entry is at 1 or -1."""
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


def three_times(x: Array) -> tuple[Array, Vjp]:
    """`linear`, with its gradient as a sum of three."""
    value, _ = linear(x)
    w = np.cos(np.arange(x.size, dtype=x.real.dtype))
    return value, lambda u: {"x": u * w + u * w + u * w}


def constant(x: Array) -> tuple[Array, Vjp]:
    """f(x) = 7 everywhere."""
    return np.full_like(x, 7), lambda u: {"x": u * np.zeros_like(x)}


def beside_integers(rng: np.random.Generator, size: int) -> dict[str, Any]:
    """Within 0.3 of whole numbers."""
    return {"x": rng.integers(-4, 5, size) + rng.uniform(-0.3, 0.3, size)}


def rounded_off(x: Array) -> tuple[Array, Vjp]:
    """f(x) = the nearest integer: constant wherever it has a derivative."""
    return np.round(x), lambda u: {"x": u * np.zeros_like(x)}


def sum_of_softmax(x: Array) -> tuple[Array, Vjp]:
    """f(x) = the sum of n softmax x, which is n: each entry's gradient is rounding."""
    value, vjp = softmax(x)
    return np.asarray(value.sum()), lambda u: vjp(u * np.ones_like(x))


def zero_for(x: Array) -> tuple[Array, Vjp]:
    """`sum_of_softmax`, with a gradient of exact zeros."""
    value, _ = sum_of_softmax(x)
    return value, lambda u: {"x": u * np.zeros_like(x)}


def zero_in_part(x: Array, w: Array) -> tuple[Array, Vjp]:
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


def hilbert(rng: np.random.Generator, size: int) -> dict[str, Any]:
    """Its diagonal is raised by less than 10⁻⁴."""
    return {"b": rng.standard_normal(size), "d": 1e-4 * rng.uniform(0.5, 1.0, size)}


def difference_of_roots(x: Array) -> tuple[Array, Vjp]:
    """f(x) = √(x + 1) - √x for large x, written so that nothing cancels."""
    value = 1 / (np.sqrt(x + 1) + np.sqrt(x))
    return value, lambda u: {"x": -u * value / (2 * np.sqrt(x + 1) * np.sqrt(x))}


def difference_the_other_way(x: Array) -> tuple[Array, Vjp]:
    """1/(2 √(x + 1)) - 1/(2 √x), over one denominator."""
    value, _ = difference_of_roots(x)

    def vjp(u: Array) -> Arrays:
        a, b = np.sqrt(x + 1), np.sqrt(x)
        return {"x": -u / (2 * a * b * (a + b))}

    return value, vjp


def large(rng: np.random.Generator, size: int) -> dict[str, Any]:
    """Between 1 and 2 times 10⁴."""
    return {"x": 1e4 * (1 + rng.uniform(size=size))}


def nearly_equal(x: Array, y: Array) -> tuple[Array, Vjp]:
    """f(x, y) = (x - y)² for y within 10⁻³ of x: the difference has lost three digits."""
    residual = x - y
    return residual * residual, lambda u: {"x": 2 * u * residual, "y": -2 * u * residual}


def near_pair(rng: np.random.Generator, size: int) -> dict[str, Any]:
    """Two vectors that differ by about 10⁻³."""
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


def ill_scaled_pair(rng: np.random.Generator, size: int) -> dict[str, Any]:
    """An x of about 10⁻⁸ and a y of about 10⁸."""
    return {
        "x": rng.standard_normal(size) / ILL_SCALED,
        "y": rng.standard_normal(size) * ILL_SCALED,
    }


def entries_of_all_sizes(x: Array) -> tuple[Array, Vjp]:
    """f(x) = Σ eˣ for x from -12 to 6: gradients of eight orders of magnitude side by side."""
    e = np.exp(x)
    return np.asarray(e.sum()), lambda u: {"x": u * e}


def of_all_sizes(rng: np.random.Generator, size: int) -> dict[str, Any]:
    """From -12 to 6."""
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


def near_pole(rng: np.random.Generator, size: int) -> dict[str, Any]:
    """Between 1/32 and 1/8 above 1."""
    return {"x": 1 + rng.uniform(2.0**-5, 2.0**-3, size)}


def flat(x: Array) -> tuple[Array, Vjp]:
    """f(x) = x⁴ at 0 and beside it: value and gradient vanish together."""
    square = x * x
    return square * square, lambda u: {"x": 4 * u * x * square}


def with_exact_zeros(rng: np.random.Generator, size: int) -> dict[str, Any]:
    """Every other entry is 0."""
    x = rng.standard_normal(size)
    x[::2] = 0
    return {"x": x}


def saturated(x: Array) -> tuple[Array, Vjp]:
    """f(x) = log(1 + eˣ) of ±10⁴, where eˣ has no number."""
    positive = x > 0
    e = np.exp(np.where(positive, -x, x))
    value = np.where(positive, x, 0) + np.log1p(e)
    return value, lambda u: {"x": u * np.where(positive, 1 / (1 + e), e / (1 + e))}


def far_out(rng: np.random.Generator, size: int) -> dict[str, Any]:
    """Within 1 of ±3 or ±10⁴."""
    return {"x": rng.choice([-1e4, -3.0, 3.0, 1e4], size) + rng.uniform(size=size)}


def with_dropout(x: Array) -> tuple[Array, Vjp]:
    """f(x) = tanh x with a mask from a generator that is seeded inside: the same at every call."""
    kept = (np.random.default_rng(3).uniform(size=x.shape) < KEPT).astype(x.real.dtype)
    t = kept * np.tanh(x)
    return t, lambda u: {"x": u * kept * (1 - t * t)}


def oscillating(x: Array) -> tuple[Array, Vjp]:
    """f(x) = sin(10⁴ x): a step of a thousandth crosses a whole period."""
    return np.sin(FREQUENCY * x), lambda u: {"x": u * (FREQUENCY * np.cos(FREQUENCY * x))}


def logsumexp_otherwise(x: Array) -> tuple[Array, Vjp]:
    """`kinks.logsumexp`, with the gradient e^(x - value)."""
    value, _ = kinks.logsumexp(x)
    return value, lambda u: {"x": u * np.exp(x - value)}


def sinc_otherwise(x: Array) -> tuple[Array, Vjp]:
    """`kinks.sinc`, with the gradient (x cos x - sin x)/x²."""
    value, _ = kinks.sinc(x)

    def vjp(u: Array) -> Arrays:
        safe = np.where(x == 0, 1, x)
        slope = (safe * np.cos(safe) - np.sin(safe)) / (safe * safe)
        return {"x": np.where(x == 0, 0, u * slope)}

    return value, vjp
