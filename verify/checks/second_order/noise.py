"""The rounding noise of second derivatives."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

import numpy as np

from reference_impls.computation import Array, Arrays
from verify.checks.second_order.question import Hvp, Question
from verify.error_model.arrays import largest, pair, pairing_size, unit_roundoff
from verify.error_model.measurement import fits_float32, nudged
from verify.error_model.noise import PAIRING, Noise, pooled


def noise_of_second(
    question: Question, hvps: Sequence[Hvp], counts: Sequence[int], rng: np.random.Generator
) -> Noise:
    """Of S(v), of S(w) and of the two pairings, what all implementations are allowed."""
    here, both = counts
    own = _points(question, here, question.dtype, rng)
    single = _points(question, both, "float32", rng) if fits_float32(question.floating) else []
    factors = rng.uniform(1, 2, len(own[1:]))
    noises = [noise for hvp in hvps if (noise := _measured(question, hvp, (own, single), factors))]
    if noises:
        return pooled(noises)
    shapes = {name: question.v[name].shape for name in question.wrt} | {PAIRING: ()}
    nothing = dict.fromkeys(shapes, 0.0)
    errors = {name: np.zeros(each) for name, each in shapes.items()}
    return Noise(errors, nothing, nothing, nothing, nothing)


def _points(question: Question, count: int, dtype: str, rng: np.random.Generator) -> list[Arrays]:
    """The primals as they are, then moved by one rounding."""
    moved = nudged(question.floating, np.ones(()), rng, max(0, count - 1), dtype)
    # The primals themselves, where they have the dtype: a graph that was built there is used again.
    first = question.primals if dtype == question.dtype else _in_dtype(question.primals, dtype)
    return [first, *(question.primals | primals for primals, _ in moved)][:count]


def _in_dtype(arrays: Arrays, dtype: str) -> Arrays:
    return {n: a.astype(dtype) if a.dtype.kind == "f" else a for n, a in arrays.items()}


def _measured(
    question: Question,
    hvp: Hvp,
    points: tuple[Sequence[Arrays], Sequence[Arrays]],
    factors: Array,
) -> Noise | None:
    """The noise of one implementation, or None if there is none to be had.

    It is measured in three ways, none of which sees everything: S from one point to the next;
    S(cv)/c against S(v), the same but for rounding; and float32 against float64. A sum of many
    equal terms has the same rounding error at all points, and another for every factor c; and an
    engine whose float32 is float64 halfway shows too little in the last.
    """
    own, single = points
    v, w = question.v, question.w
    first: Arrays = {}
    changes: list[list[Arrays]] = [[], [], []]
    # What is raised at the primals themselves is reported as a check; float32 need not be taken.
    with suppress(Exception):
        first = _sampled(hvp, own[0], v, w)
        scaled = [_sampled(hvp, own[0], v, w, factor) for factor in factors]
        moved = [_sampled(hvp, point, v, w) for point in own[1:]]
        changes[:2] = [
            [_in_units(each, first, question.dtype) for each in some] for some in (moved, scaled)
        ]
    with suppress(Exception):
        for point in single:
            x, p, q = point, _in_dtype(v, "float32"), _in_dtype(w, "float32")
            narrow = _sampled(hvp, x, p, q)
            x, p, q = (_in_dtype(each, "float64") for each in (x, p, q))
            changes[2].append(_in_units(narrow, _sampled(hvp, x, p, q), "float32"))
    if not (first and any(changes)):
        return None
    found = {name: [_rms([each[name] for each in some]) for some in changes] for name in first}
    errors = {name: np.asarray(np.sqrt(sum(map(np.square, each)))) for name, each in found.items()}
    if not all(np.isfinite(array).all() for array in errors.values()):
        return None
    spread = {name: largest(change) for name, (change, *_) in found.items()}
    scale = {name: largest(array) for name, array in first.items()}
    of_v, of_w = ({name: first[name][k] for name in v} for k in (0, 1))
    scale[PAIRING] = max(pairing_size(of_v, w), pairing_size(of_w, v))
    return Noise(errors, spread, scale, spread, dict.fromkeys(errors, 0.0))


def _sampled(hvp: Hvp, primals: Arrays, v: Arrays, w: Arrays, factor: float = 1.0) -> Arrays:
    """S(cv)/c and S(cw)/c, stacked, and both pairings, in the dtype of what is given."""
    of_v, of_w = (_scaled(hvp(primals, _scaled(each, factor)), 1 / factor) for each in (v, w))
    found = {name: np.stack([of_v[name], of_w[name]]) for name in v}
    return found | {PAIRING: np.asarray([pair(of_v, w), pair(of_w, v)])}


def _scaled(arrays: Mapping[str, Array], factor: float) -> Arrays:
    return {name: np.asarray(array * array.dtype.type(factor)) for name, array in arrays.items()}


def _in_units(got: Arrays, expected: Arrays, dtype: str) -> Arrays:
    """The difference, in units of the unit roundoff."""
    return {name: (got[name] - expected[name]) / unit_roundoff(dtype) for name in expected}


def _rms(samples: Sequence[Array]) -> Array:
    """Over the samples, and over the first axis of each; 0 without samples."""
    if not samples:
        return np.zeros(())
    squares = sum(np.mean(np.square(sample, dtype=np.float64), axis=0) for sample in samples)
    return np.asarray(np.sqrt(squares / len(samples)))
