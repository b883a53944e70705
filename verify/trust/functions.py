"""Small functions with right VJPs, to plant faults in.

They take arrays of any floating dtype and, if they are analytic, complex arrays.
"""

from typing import Any

import numpy as np

from reference_impls.computation import Array, Vjp
from verify.trust.planted import Host, Sample, rectangle, side

BUMPS = 0.1
"""The weight of the penalty in `penalised`."""


def squash(x: Array) -> tuple[Array, Vjp]:
    """f(x) = tanh x, elementwise."""
    t = np.tanh(x)
    return t, lambda u: {"x": u * (1 - t * t)}


def square(x: Array) -> tuple[Array, Vjp]:
    """f(x) = x², elementwise."""
    return x * x, lambda u: {"x": 2 * u * x}


def gated(x: Array, w: Array) -> tuple[Array, Vjp]:
    """f(x, w) = w tanh x, elementwise."""
    t = np.tanh(x)
    return w * t, lambda u: {"x": u * w * (1 - t * t), "w": u * t}


def summed(x: Array, y: Array) -> tuple[Array, Vjp]:
    """f(x, y) = tanh(x + y), elementwise: both have the same gradient."""
    t = np.tanh(x + y)
    return t, lambda u: {"x": u * (1 - t * t), "y": u * (1 - t * t)}


def shifted(X: Array, b: Array) -> tuple[Array, Vjp]:
    """f(X, b) = tanh(X + b), the b (c,) added to every row of X (r, c)."""
    t = np.tanh(X + b)

    def vjp(u: Array) -> dict[str, Array]:
        slope = u * (1 - t * t)
        return {"X": slope, "b": slope.sum(axis=0)}

    return t, vjp


def rows_squashed(X: Array) -> tuple[Array, Vjp]:
    """f(X) = tanh X for a matrix (r, c)."""
    t = np.tanh(X)
    return t, lambda u: {"X": u * (1 - t * t)}


def mean_square(x: Array, y: Array) -> tuple[Array, Vjp]:
    """f(x, y) = Σ (x - y)²/n, a scalar."""
    residual = x - y

    def vjp(u: Array) -> dict[str, Array]:
        gradient = u * (2 / x.size) * residual
        return {"x": gradient, "y": -gradient}

    return np.asarray(np.sum(residual * residual) / x.size), vjp


def column_mean(X: Array) -> tuple[Array, Vjp]:
    """f(X) = the means over the rows of tanh X, (c,)."""
    t = np.tanh(X)
    return t.sum(axis=0) / len(X), lambda u: {"X": u * (1 - t * t) / len(X)}


def matvec(A: Array, x: Array) -> tuple[Array, Vjp]:
    """f(A, x) = A x, with A square."""
    return A @ x, lambda u: {"A": u[:, None] * x, "x": u @ A}


def penalised(w: Array, y: Array) -> tuple[Array, Vjp]:
    """f(w, y) = Σ (w - y)²/2 + 0.1 Σ w²/2, a scalar."""
    residual = w - y

    def vjp(u: Array) -> dict[str, Array]:
        return {"w": u * (residual + BUMPS * w), "y": -u * residual}

    return np.asarray((np.sum(residual * residual) + BUMPS * np.sum(w * w)) / 2), vjp


def softmax(x: Array) -> tuple[Array, Vjp]:
    """f(x) = n eˣ/Σ eˣ: of entries of size one, at any n."""
    e = np.exp(x - np.real(x).max())
    p = e / e.sum()

    def vjp(u: Array) -> dict[str, Array]:
        return {"x": x.size * p * (u - np.sum(u * p))}

    return x.size * p, vjp


def centred(x: Array) -> tuple[Array, Vjp]:
    """f(x) = x - mean x."""
    return x - x.sum() / x.size, lambda u: {"x": u - u.sum() / u.size}


def gather(x: Array, index: Array) -> tuple[Array, Vjp]:
    """f(x) = x[index], where an index may be repeated."""

    def vjp(u: Array) -> dict[str, Array]:
        gradient = np.zeros(x.shape, u.dtype)
        np.add.at(gradient, index, u)
        return {"x": gradient}

    return x[index], vjp


def masked_mean_square(x: Array, y: Array, mask: Array) -> tuple[Array, Vjp]:
    """f(x, y) = the mean of (x - y)² where the mask is 1, a scalar."""
    count = int(mask.sum())
    residual = np.where(mask == 1, x - y, 0)

    def vjp(u: Array) -> dict[str, Array]:
        gradient = u * (2 / count) * residual
        return {"x": gradient, "y": -gradient}

    return np.asarray(np.sum(residual * residual) / count), vjp


def affine(X: Array, W: Array, b: Array) -> tuple[Array, Vjp]:
    """f(X, W, b) = X Wᵀ + b for X (m, p), W (q, p), b (q,)."""
    return X @ W.T + b, lambda u: {"X": u @ W, "W": u.T @ X, "b": u.sum(axis=0)}


def normal(*names: str) -> Sample:
    """A sampler of Gaussian vectors of these names."""
    return lambda rng, size: {name: rng.standard_normal(size) for name in names}


def _matrix(rng: np.random.Generator, size: int) -> dict[str, Any]:
    return {"X": rng.standard_normal(rectangle(size))}


def _matrix_and_row(rng: np.random.Generator, size: int) -> dict[str, Any]:
    rows, columns = rectangle(size)
    return {"X": rng.standard_normal((rows, columns)), "b": rng.standard_normal(columns)}


def _square_and_row(rng: np.random.Generator, size: int) -> dict[str, Any]:
    n = side(size)
    return {"X": rng.standard_normal((n, n)), "b": rng.standard_normal(n)}


def _square_and_vector(rng: np.random.Generator, size: int) -> dict[str, Any]:
    n = side(size)
    return {"A": rng.standard_normal((n, n)), "x": rng.standard_normal(n)}


def _with_index(rng: np.random.Generator, size: int) -> dict[str, Any]:
    """Every entry is taken about twice, the first at least three times, and some not at all."""
    index = rng.integers(0, size, 2 * size)
    index[:3] = 0
    return {"x": rng.standard_normal(size), "index": index}


def _with_padding(rng: np.random.Generator, size: int) -> dict[str, Any]:
    """The last quarter is padding."""
    mask = (np.arange(size) < size - size // 4).astype(np.int64)
    return {**normal("x", "y")(rng, size), "mask": mask}


def _empty_batch(rng: np.random.Generator, size: int) -> dict[str, Any]:
    """A linear layer with ``size`` inputs, and a batch without rows."""
    return {
        "X": np.zeros((0, size)),
        "W": rng.standard_normal((2, size)),
        "b": rng.standard_normal(2),
    }


def _one_column(rng: np.random.Generator, size: int) -> dict[str, Any]:
    return {"X": rng.standard_normal((size, 1))}


SQUASH = Host(normal("x"), squash, ("x",))


SQUARE = Host(normal("x"), square, ("x",))


GATED = Host(normal("x", "w"), gated, ("x", "w"))


SHIFTED = Host(_matrix_and_row, shifted, ("X", "b"))


SHIFTED_SQUARE = Host(_square_and_row, shifted, ("X", "b"))


MATRIX = Host(_matrix, rows_squashed, ("X",))


ONE_COLUMN = Host(_one_column, rows_squashed, ("X",))


MEAN_SQUARE = Host(normal("x", "y"), mean_square, ("x", "y"))


COLUMN_MEAN = Host(_matrix, column_mean, ("X",))


MATVEC = Host(_square_and_vector, matvec, ("A", "x"))


PENALISED = Host(normal("w", "y"), penalised, ("w", "y"))


SOFTMAX = Host(normal("x"), softmax, ("x",))


CENTRED = Host(normal("x"), centred, ("x",))


GATHER = Host(_with_index, gather, ("x",))


MASKED = Host(_with_padding, masked_mean_square, ("x", "y"))


EMPTY_BATCH = Host(_empty_batch, affine, ("X", "W", "b"))
