"""S may be what is left of larger terms, and then its rounding is many times its size.

That of a softmax is p (v - p · v), and where p is nearly 1, the difference loses most digits. The
noise of S counts for a few times its size at most, as a mistake in float32 alone must not pass for
it. Before anything is called wrong, that limit is the size of the terms, as far as they show:

- The *residual* S(v - 2w) - S(v) + 2 S(w) is the rounding of the terms, of a map that is linear.
  Whether S is, cannot be judged by it: there, a rounding is told from a mistake by its size in the
  other dtype. It is as many units in either; a mistake is 2²⁹ times as many units in float64.
- S is the change of the gradient when x changes by its size. What is no more than the rounding of
  that gradient is *nothing*.
"""

from collections.abc import Sequence

import numpy as np

from reference_impls.computation import Arrays
from verify.checks.second_order.answers import Answers
from verify.checks.second_order.question import FACTOR, Question
from verify.error_model.arrays import largest, pair, unit_roundoff
from verify.error_model.noise import EXCUSE, PAIRING, SAFETY, Noise, largest_of


def with_terms(question: Question, answers: Sequence[Answers], noises: Sequence[Noise]) -> Arrays:
    """The noise that residuals speak for, by argument and of the pairings.

    Args:
        question: the primals and tangents.
        answers: of all implementations.
        noises: of each of them, without any limit.
    """
    unit = unit_roundoff(question.dtype)
    residuals = [residual_of(each.of_v, each.of_w, each.combined) for each in answers]
    terms = {n: max(largest(each[n]) for each in residuals) / unit for n in question.wrt}
    terms[PAIRING] = max(
        abs(pair(each, along)) / unit for each in residuals for along in (question.v, question.w)
    )
    errors = largest_of(noises).errors
    return {name: np.minimum(array, EXCUSE * terms[name]) for name, array in errors.items()}


def residual_of(of_v: Arrays, of_w: Arrays, combined: Arrays) -> Arrays:
    """S(v - 2w) - S(v) + 2 S(w), in float64."""
    wide = np.float64
    return {
        name: array.astype(wide) - of_v[name].astype(wide) + FACTOR * of_w[name].astype(wide)
        for name, array in combined.items()
    }


def is_rounding(question: Question, answers: Answers) -> bool:
    """Is the residual no more than rounding, by that in the other dtype?"""
    there = question.in_dtype("float32" if question.dtype == "float64" else "float64")
    try:
        of_v, of_w, combined = (
            answers.hvp(there.primals, each) for each in (there.v, there.w, there.combined)
        )
    except Exception:  # noqa: BLE001 -- it may compute in one dtype alone
        return False
    here = _in_units(answers.of_v, answers.of_w, answers.combined)
    other = _in_units(of_v, of_w, combined)
    return all(_alike(here[name], other[name]) for name in question.wrt)


def _in_units(of_v: Arrays, of_w: Arrays, combined: Arrays) -> dict[str, tuple[float, float]]:
    """The residual in units of the roundoff, and the size of what it is the residual of."""
    residual = residual_of(of_v, of_w, combined)
    return {
        name: (
            largest(array) / unit_roundoff(of_v[name].dtype),
            largest(of_v[name]) + FACTOR * largest(of_w[name]),
        )
        for name, array in residual.items()
    }


def _alike(here: tuple[float, float], there: tuple[float, float]) -> bool:
    (one, size), (other, size_there) = here, there
    return one <= SAFETY * max(other, size) and other <= SAFETY * max(one, size_there)
