"""What float64 shows of an answer in float32, before that is called wrong.

The noise of float32 counts for a few times the size of S at most, as a mistake in float32 alone
must not pass for it. What is seen in float64 has no such mistake in it. There a sum of a hundred
thousand terms, one after the other, loses as many units as in float32; and a tie that float32
settles the other way is a jump beside the point.
"""

from collections.abc import Sequence
from functools import reduce

import numpy as np

from reference_impls.computation import Array, Arrays
from verify.checks.second_order.answers import Answers
from verify.checks.second_order.noise import Probes, asked, noise_in_own_dtype
from verify.checks.second_order.question import Question
from verify.error_model.arrays import largest, pairing_size
from verify.error_model.jumps import in_noise, jumps_of
from verify.error_model.measurement import fits_float32
from verify.error_model.noise import INSTABILITY, PAIRING


def noise_of_float64(
    question: Question, answers: Sequence[Answers], count: int, rng: np.random.Generator
) -> Arrays:
    """Of S(v) and S(w), by argument, and of both pairings: the largest of all implementations.

    Args:
        question: in float32; of another dtype there is nothing to add.
        answers: of all implementations.
        count: of the points and factors that noise is measured at.
        rng: of these, and of the points beside ties.
    """
    if question.dtype == "float64" or not fits_float32(question.floating):
        return {}
    measured = [_measured(question, each, count, rng) for each in answers]
    names = set().union(*measured)
    return {
        name: reduce(np.maximum, [each[name] for each in measured if name in each])
        for name in names
    }


def _measured(question: Question, answers: Answers, count: int, rng: np.random.Generator) -> Arrays:
    wide = question.in_dtype("float64")

    def results(primals: Arrays) -> Arrays:
        return asked(answers.hvp, wide.primals | primals, wide.v, wide.w)

    try:
        here = results(wide.floating)
    except Exception:  # noqa: BLE001 -- float64 need not be taken
        return {}
    jumps = jumps_of(results, question.floating, rng)
    noise = noise_in_own_dtype(wide, answers.hvp, Probes.drawn(wide, count, 0, rng), here)
    found = {}
    for name, array in here.items():
        jump = in_noise(jumps[name]).max(axis=0) if name in jumps else np.zeros(())
        size = _pairing_size(wide, here) if name == PAIRING else largest(array)
        found[name] = np.maximum(jump, _believed(noise.get(name, np.zeros(())), size))
    return found


def _pairing_size(question: Question, here: Arrays) -> float:
    """Of ⟨S(v), w⟩ or ⟨S(w), v⟩, from both S stacked."""
    of_v, of_w = ({name: here[name][k] for name in question.wrt} for k in range(2))
    return max(pairing_size(of_v, question.w), pairing_size(of_w, question.v))


def _believed(noise: Array, size: float) -> Array:
    """What trembles by more is unstable, as a difference quotient is: that is no excuse."""
    return np.where(noise > INSTABILITY * size, 0.0, noise)
