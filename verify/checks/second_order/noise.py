"""The rounding noise of second derivatives.

It is measured in three ways, none of which sees everything: how S changes from one point to the
next; S(cv)/c against S(v), the same but for rounding; and float32 against float64. A sum of many
equal terms has the same rounding error at all points, and another for every factor c; and an engine
whose float32 is float64 halfway shows too little in the last.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reference_impls.computation import Array, Arrays
from verify.checks.second_order.answers import Answers
from verify.checks.second_order.question import Hvp, Question, in_dtype
from verify.error_model.arrays import largest, pair, pairing_size, unit_roundoff
from verify.error_model.measurement import fits_float32, nudged
from verify.error_model.noise import PAIRING, Noise


@dataclass(frozen=True)
class Probes:
    """Where noise is measured: the same for all implementations.

    Attributes:
        moved: the primals moved by one rounding, in their own dtype.
        factors: c, of the tangents.
        single: the primals in float32, as they are and then moved by one rounding.
    """

    moved: Sequence[Arrays]
    factors: Sequence[float]
    single: Sequence[Arrays]

    @classmethod
    def drawn(cls, question: Question, own: int, single: int, rng: np.random.Generator) -> "Probes":
        """So many moved points and factors, and so many points in float32, where they fit that."""
        moved = _nudged(question, own, question.dtype, rng)
        narrow = []
        if single and fits_float32(question.floating):
            here = in_dtype(question.primals, "float32")
            narrow = [here, *_nudged(question, single - 1, "float32", rng)]
        return cls(moved, rng.uniform(1, 2, own).tolist(), narrow)


def noises_of_second(question: Question, answers: Sequence[Answers], probes: Probes) -> list[Noise]:
    """Of S(v) and S(w), by argument, and of both pairings: that of each implementation.

    It is none at all where nothing can be measured, or nothing is to be.
    """
    measured = (_measured(question, each, probes) for each in answers)
    return [noise for noise in measured if noise] or [_silence(question)]


def _silence(question: Question) -> Noise:
    shapes = {name: question.v[name].shape for name in question.wrt}
    return Noise.silent({**shapes, PAIRING: ()})


def _nudged(question: Question, count: int, dtype: str, rng: np.random.Generator) -> list[Arrays]:
    moved = nudged(question.floating, np.ones(()), rng, count, dtype)
    return [question.primals | primals for primals, _ in moved]


def _measured(question: Question, answers: Answers, probes: Probes) -> Noise | None:
    """The noise of one implementation, or None if there is none to be had."""
    if not (probes.moved or probes.factors or probes.single):
        return None
    here = _sample(question.v, question.w, answers.of_v, answers.of_w)
    moved, scaled = _in_own_dtype(question, answers.hvp, probes, here)
    errors = _combined([moved, scaled, _in_float32(question, answers.hvp, probes)], here)
    if not errors or not all(np.isfinite(array).all() for array in errors.values()):
        return None
    spread = {name: largest(_rms([each[name] for each in moved])) for name in here}
    scale = {name: largest(array) for name, array in here.items()}
    scale[PAIRING] = max(
        pairing_size(answers.of_v, question.w), pairing_size(answers.of_w, question.v)
    )
    return Noise(errors, spread, scale, spread, dict.fromkeys(errors, 0.0))


def _in_own_dtype(
    question: Question, hvp: Hvp, probes: Probes, here: Arrays
) -> tuple[list[Arrays], list[Arrays]]:
    """From one point to the next, and from one factor to another, in units of the roundoff.

    Both are empty if anything is raised beside the primals, which is no fault.
    """
    v, w = question.v, question.w
    try:
        scaled = [asked(hvp, question.primals, v, w, factor) for factor in probes.factors]
        moved = [asked(hvp, point, v, w) for point in probes.moved]
    except Exception:  # noqa: BLE001 -- what is raised at the primals themselves is reported
        return [], []

    def in_units(samples: Sequence[Arrays]) -> list[Arrays]:
        return [_in_units(each, here, question.dtype) for each in samples]

    return in_units(moved), in_units(scaled)


def noise_in_own_dtype(question: Question, hvp: Hvp, probes: Probes, here: Arrays) -> Arrays:
    """The noise that the question's own dtype shows, by name; nothing if there is none to be had.

    Args:
        question: the primals and tangents.
        hvp: of one implementation.
        probes: where to ask again.
        here: what `asked` gives at the primals.
    """
    return _combined(_in_own_dtype(question, hvp, probes, here), here)


def _combined(changes: Sequence[Sequence[Arrays]], here: Arrays) -> Arrays:
    """The root of the sum of the mean squares of each kind of change."""
    if not any(changes):
        return {}
    found = {name: [_rms([each[name] for each in some]) for some in changes] for name in here}
    return {name: np.asarray(np.sqrt(sum(map(np.square, each)))) for name, each in found.items()}


def _in_float32(question: Question, hvp: Hvp, probes: Probes) -> list[Arrays]:
    """float32 against float64 of the same numbers, in units of float32's roundoff."""
    v, w = (in_dtype(each, "float32") for each in (question.v, question.w))
    found: list[Arrays] = []
    for point in probes.single:
        try:
            narrow = asked(hvp, point, v, w)
            x, p, q = (in_dtype(each, "float64") for each in (point, v, w))
            wide = asked(hvp, x, p, q)
        except Exception:  # noqa: BLE001 -- float32 need not be taken
            break
        found.append(_in_units(narrow, wide, "float32"))
    return found


def asked(hvp: Hvp, primals: Arrays, v: Arrays, w: Arrays, factor: float = 1.0) -> Arrays:
    """S(cv)/c and S(cw)/c, stacked by argument, and both pairings."""
    of_v, of_w = (_scaled(hvp(primals, _scaled(each, factor)), 1 / factor) for each in (v, w))
    return _sample(v, w, of_v, of_w)


def _sample(v: Arrays, w: Arrays, of_v: Arrays, of_w: Arrays) -> Arrays:
    """S(v) and S(w), stacked, and both pairings, in the dtype of what is given."""
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
