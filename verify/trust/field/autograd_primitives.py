"""HIPS autograd's own primitives, each at points of its domain.

The names are those of NumPy and SciPy. A function of one array is drawn uniformly from an interval;
what takes more, or wants a matrix of its own kind, says how it is drawn.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import autograd.numpy as anp
import autograd.scipy.special as asp
import numpy as np

from reference_impls.computation import Array
from reference_impls.engines.hips.function import from_autograd
from verify.trust.field.subject import TOO_MANY, LeftOut, Subject

LIBRARY = "autograd"

SHAPES = ((), (5,), (2, 3))
"""Of the arrays that a function of any shape is checked at."""

Draw = Callable[[np.random.Generator], tuple[Array, ...]]
"""Draws the primals of one sample."""


@dataclass(frozen=True)
class Primitive:
    """A primitive, and its samples."""

    function: Callable[..., Any]
    draws: tuple[Draw, ...]


def _between(low: float, high: float, arguments: int = 1) -> tuple[Draw, ...]:
    def draws(shape: tuple[int, ...]) -> Draw:
        return lambda rng: tuple(
            np.asarray(rng.uniform(low, high, shape)) for _ in range(arguments)
        )

    return tuple(map(draws, SHAPES))


UNARY = {
    (-3.0, 3.0): "sin cos tan sinh cosh tanh arctan arcsinh exp exp2 expm1 square sinc negative "
    "absolute fabs sign floor ceil deg2rad rad2deg degrees radians real conj",
    (0.1, 5.0): "log log2 log10 log1p sqrt reciprocal cbrt",
    (-0.9, 0.9): "arcsin arccos arctanh",
    (1.1, 5.0): "arccosh",
}
"""Of `autograd.numpy`, by the interval they are drawn from; a name NumPy lacks is not there."""

REDUCTIONS = "sum mean prod var std max min cumsum"
"""Of arrays with any number of axes."""

BINARY = {
    (0.2, 3.0): "add subtract multiply divide true_divide power arctan2 hypot logaddexp logaddexp2 "
    "maximum minimum fmax fmin mod remainder",
}

SPECIAL = {
    (0.3, 5.0): "gamma gammaln digamma psi j0 j1 y0 y1 i0 i1 erf erfc",
    (-3.0, 3.0): "expit erf erfc",
    (0.05, 0.95): "logit erfinv",
}
"""Of `autograd.scipy.special`."""


def _matrix(rows: int, columns: int) -> Draw:
    return lambda rng: (rng.standard_normal((rows, columns)),)


def _two(one: tuple[int, ...], other: tuple[int, ...]) -> Draw:
    return lambda rng: (rng.standard_normal(one), rng.standard_normal(other))


def _definite(size: int) -> Draw:
    def draw(rng: np.random.Generator) -> tuple[Array, ...]:
        root = rng.standard_normal((size, size))
        return (root @ root.T + size * np.eye(size),)

    return draw


def _symmetric(matrix: Any) -> Any:  # noqa: ANN401 -- an array, or autograd's box of one
    return 0.5 * (matrix + anp.transpose(matrix))


def _others() -> dict[str, Primitive]:
    """What is not a function of each entry by itself."""
    linalg, fft = anp.linalg, anp.fft
    return {
        "dot": Primitive(anp.dot, (_two((3,), (3,)), _two((2, 3), (3, 4)))),
        "matmul": Primitive(anp.matmul, (_two((2, 3), (3, 4)), _two((2, 2, 3), (2, 3, 2)))),
        "inner": Primitive(anp.inner, (_two((3,), (3,)), _two((2, 3), (4, 3)))),
        "outer": Primitive(anp.outer, (_two((3,), (4,)),)),
        "tensordot": Primitive(anp.tensordot, (_two((2, 3, 4), (3, 4, 2)),)),
        "kron": Primitive(anp.kron, (_two((2, 2), (2, 3)),)),
        "cross": Primitive(anp.cross, (_two((4, 3), (4, 3)),)),
        "einsum": Primitive(lambda a, b: anp.einsum("ij,jk->ik", a, b), (_two((2, 3), (3, 4)),)),
        "transpose": Primitive(anp.transpose, (_matrix(2, 3),)),
        "reshape": Primitive(lambda a: anp.reshape(a, (6,)), (_matrix(2, 3),)),
        "concatenate": Primitive(
            lambda a, b: anp.concatenate([a, b], axis=0), (_two((2, 3), (1, 3)),)
        ),
        "where": Primitive(lambda a, b: anp.where(np.arange(3) > 0, a, b), (_two((2, 3), (2, 3)),)),
        "clip": Primitive(lambda a: anp.clip(a, -0.5, 0.5), (_matrix(3, 4),)),
        "sort": Primitive(anp.sort, (lambda rng: (rng.standard_normal(6),),)),
        "diag": Primitive(anp.diag, (_matrix(3, 3),)),
        "trace": Primitive(anp.trace, (_matrix(3, 3),)),
        "triu": Primitive(anp.triu, (_matrix(3, 3),)),
        "tril": Primitive(anp.tril, (_matrix(3, 3),)),
        "roll": Primitive(lambda a: anp.roll(a, 2), (_matrix(2, 3),)),
        "tile": Primitive(lambda a: anp.tile(a, (2, 2)), (_matrix(2, 3),)),
        "repeat": Primitive(lambda a: anp.repeat(a, 2, axis=1), (_matrix(2, 3),)),
        "inv": Primitive(linalg.inv, (_definite(3),)),
        "pinv": Primitive(linalg.pinv, (_matrix(4, 2),)),
        "det": Primitive(linalg.det, (_definite(3), _matrix(3, 3))),
        "slogdet": Primitive(lambda a: linalg.slogdet(a)[1], (_definite(3),)),
        "solve": Primitive(linalg.solve, (_two((3, 3), (3,)), _two((3, 3), (3, 2)))),
        "norm": Primitive(linalg.norm, (_matrix(2, 3),)),
        "norm: nuclear": Primitive(lambda a: linalg.norm(a, "nuc"), (_matrix(2, 3),)),
        "cholesky": Primitive(lambda a: linalg.cholesky(_symmetric(a)), (_definite(3),)),
        "eigh: values": Primitive(lambda a: linalg.eigh(_symmetric(a))[0], (_definite(3),)),
        "svd: values": Primitive(lambda a: linalg.svd(a, compute_uv=False), (_matrix(3, 2),)),
        "fft": Primitive(lambda a: anp.real(fft.fft(a)), (lambda rng: (rng.standard_normal(6),),)),
        "irfft of rfft": Primitive(
            lambda a: fft.irfft(fft.rfft(a)), (lambda rng: (rng.standard_normal(6),),)
        ),
        "logsumexp": Primitive(asp.logsumexp, _between(-2.0, 2.0)[1:]),
    }


@cache
def primitives() -> dict[str, Primitive]:
    """All of them, by name."""
    found: dict[str, Primitive] = {}
    for module, tables, arguments in (
        (anp, (UNARY, {(0.2, 2.0): REDUCTIONS}), 1),
        (anp, (BINARY,), 2),
        (asp, (SPECIAL,), 1),
    ):
        for table in tables:
            for (low, high), names in table.items():
                for name in names.split():
                    if hasattr(module, name):
                        draws = _between(low, high, arguments)
                        found[name] = Primitive(getattr(module, name), draws)
    return found | _others()


def functions() -> list[str]:
    """Their names."""
    return list(primitives())


def subjects(name: str, seed: int, dtype: str, most_entries: int) -> Iterator[Subject | LeftOut]:
    """Every sample of a primitive as something to check.

    Args:
        name: of the primitive.
        seed: of the samples.
        dtype: ``float64`` or ``float32``.
        most_entries: samples with more numbers to differentiate with respect to are left out.
    """
    primitive = primitives()[name]
    for number, draw in enumerate(primitive.draws):
        primals = draw(np.random.default_rng((seed, number)))
        entries = sum(primal.size for primal in primals)
        if entries > most_entries:
            reason = TOO_MANY.format(most_entries)
            yield LeftOut(LIBRARY, name, number, seed, dtype, entries, reason)
            continue
        cast = tuple(np.asarray(primal, dtype) for primal in primals)
        yield Subject(LIBRARY, name, number, seed, dtype, from_autograd(primitive.function), cast)
