"""HIPS autograd's own primitives, each at points of its domain.

The names are those of NumPy and SciPy. A function of one array is drawn uniformly from an interval;
what takes more, or wants a matrix of its own kind, says how it is drawn.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import autograd.numpy as anp
import autograd.scipy.special as asp
import numpy as np

from reference_impls.computation import Array
from reference_impls.engines.hips.function import from_autograd
from verify.trust.field.sampled import Draw, Sampled, between, normal, subjects_of
from verify.trust.field.subject import LeftOut, Subject

LIBRARY = "autograd"

SHAPES = ((), (5,), (2, 3))
"""Of the arrays that a function of any shape is checked at."""


def _primitive(function: Callable[..., Any], draws: tuple[Draw, ...]) -> Sampled:
    return Sampled(from_autograd(function), draws)


def _between(low: float, high: float, arguments: int = 1) -> tuple[Draw, ...]:
    return tuple(between(low, high, *[shape] * arguments) for shape in SHAPES)


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


def _definite(size: int) -> Draw:
    def draw(rng: np.random.Generator) -> tuple[Array, ...]:
        root = rng.standard_normal((size, size))
        return (root @ root.T + size * np.eye(size),)

    return draw


def _symmetric(matrix: Any) -> Any:  # noqa: ANN401 -- an array, or autograd's box of one
    return 0.5 * (matrix + anp.transpose(matrix))


def _others() -> dict[str, Sampled]:
    """What is not a function of each entry by itself."""
    linalg, fft = anp.linalg, anp.fft
    return {
        "dot": _primitive(anp.dot, (normal((3,), (3,)), normal((2, 3), (3, 4)))),
        "matmul": _primitive(anp.matmul, (normal((2, 3), (3, 4)), normal((2, 2, 3), (2, 3, 2)))),
        "inner": _primitive(anp.inner, (normal((3,), (3,)), normal((2, 3), (4, 3)))),
        "outer": _primitive(anp.outer, (normal((3,), (4,)),)),
        "tensordot": _primitive(anp.tensordot, (normal((2, 3, 4), (3, 4, 2)),)),
        "kron": _primitive(anp.kron, (normal((2, 2), (2, 3)),)),
        "cross": _primitive(anp.cross, (normal((4, 3), (4, 3)),)),
        "einsum": _primitive(lambda a, b: anp.einsum("ij,jk->ik", a, b), (normal((2, 3), (3, 4)),)),
        "transpose": _primitive(anp.transpose, (normal((2, 3)),)),
        "reshape": _primitive(lambda a: anp.reshape(a, (6,)), (normal((2, 3)),)),
        "concatenate": _primitive(
            lambda a, b: anp.concatenate([a, b], axis=0), (normal((2, 3), (1, 3)),)
        ),
        "where": _primitive(
            lambda a, b: anp.where(np.arange(3) > 0, a, b), (normal((2, 3), (2, 3)),)
        ),
        "clip": _primitive(lambda a: anp.clip(a, -0.5, 0.5), (normal((3, 4)),)),
        "sort": _primitive(anp.sort, (normal((6,)),)),
        "diag": _primitive(anp.diag, (normal((3, 3)),)),
        "trace": _primitive(anp.trace, (normal((3, 3)),)),
        "triu": _primitive(anp.triu, (normal((3, 3)),)),
        "tril": _primitive(anp.tril, (normal((3, 3)),)),
        "roll": _primitive(lambda a: anp.roll(a, 2), (normal((2, 3)),)),
        "tile": _primitive(lambda a: anp.tile(a, (2, 2)), (normal((2, 3)),)),
        "repeat": _primitive(lambda a: anp.repeat(a, 2, axis=1), (normal((2, 3)),)),
        "inv": _primitive(linalg.inv, (_definite(3),)),
        "pinv": _primitive(linalg.pinv, (normal((4, 2)),)),
        "det": _primitive(linalg.det, (_definite(3), normal((3, 3)))),
        "slogdet": _primitive(lambda a: linalg.slogdet(a)[1], (_definite(3),)),
        "solve": _primitive(linalg.solve, (normal((3, 3), (3,)), normal((3, 3), (3, 2)))),
        "norm": _primitive(linalg.norm, (normal((2, 3)),)),
        "norm: nuclear": _primitive(lambda a: linalg.norm(a, "nuc"), (normal((2, 3)),)),
        "cholesky": _primitive(lambda a: linalg.cholesky(_symmetric(a)), (_definite(3),)),
        "eigh: values": _primitive(lambda a: linalg.eigh(_symmetric(a))[0], (_definite(3),)),
        "svd: values": _primitive(lambda a: linalg.svd(a, compute_uv=False), (normal((3, 2)),)),
        "fft": _primitive(lambda a: anp.real(fft.fft(a)), (normal((6,)),)),
        "irfft of rfft": _primitive(lambda a: fft.irfft(fft.rfft(a)), (normal((6,)),)),
        "logsumexp": _primitive(asp.logsumexp, _between(-2.0, 2.0)[1:]),
    }


@cache
def primitives() -> dict[str, Sampled]:
    """All of them, by name."""
    found: dict[str, Sampled] = {}
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
                        found[name] = _primitive(getattr(module, name), draws)
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
    return subjects_of(LIBRARY, name, primitives()[name], seed, dtype, most_entries)
