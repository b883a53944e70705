"""Second derivatives that no engine computed: an oracle's, of first-order gradients."""

from collections.abc import Callable

import numpy as np

from reference_impls.computation import Arrays, cast
from verify.checks.check import one_line
from verify.checks.second_order.question import Gradient, Question, Truth
from verify.error_model.arrays import pairing_size, unit_roundoff
from verify.error_model.noise import SAFETY
from verify.oracles.complex_step import COMPLEX, COMPLEX_STEP, complex_step
from verify.oracles.derivative import derivative
from verify.oracles.estimate import BLUNT, NOISE_POINTS, Functional, Scalar
from verify.oracles.richardson import FIRST_STEPS

OTHER_WAYS = ((0, 1), (1, 1), (1, -1), (1, 2), (2, -1))
"""Combinations of v and w along which the complex step may be confirmed, if it is not along v."""


def truth_about(question: Question, gradient: Gradient, points: int) -> Truth:
    """⟨S(w), v⟩ from first-order gradients, and S(v) where the complex step is valid."""
    primals = question.primals | cast(question.floating, np.float64)
    v, w = cast(question.v, np.float64), cast(question.w, np.float64)

    def along(h: Scalar, tangents: Arrays) -> Arrays:
        return gradient(primals | {name: primals[name] + h * tangents[name] for name in tangents})

    def paired(tangents: Arrays) -> Functional:
        def phi(h: Scalar) -> Scalar:
            moved = along(h, tangents)
            total: Scalar = sum(np.sum(moved[name] * w[name]).item() for name in w)
            return total

        return phi

    try:
        estimate = derivative(paired(v), points)
        is_sure = estimate.oracle == COMPLEX and estimate.error_bar <= BLUNT * abs(estimate.value)
        if points == NOISE_POINTS and not is_sure and _is_analytic(paired, v, w):
            estimate = complex_step(paired(v), points)
        if estimate.oracle != COMPLEX:
            return Truth(estimate, rounding=_over_step(along(0.0, v), w))
        stepped = along(1j * COMPLEX_STEP, v)
    except Exception as error:  # noqa: BLE001 -- it did not at the primals themselves
        return Truth(None, detail=f"the gradient, at a point beside the primals, {one_line(error)}")
    of_v = {name: np.asarray(np.imag(stepped[name])) / COMPLEX_STEP for name in question.wrt}
    return Truth(estimate, of_v)


def _is_analytic(paired: Callable[[Arrays], Functional], v: Arrays, w: Arrays) -> bool:
    """Is the complex step found valid along any of a few other ways from the same point?

    A gradient of many kinked units has a kink on either side of nearly every point, near enough to
    spoil the differences that would confirm the step. Another way leads past others.
    """
    ways = ({name: a * v[name] + b * w[name] for name in v} for a, b in OTHER_WAYS)
    estimates = (derivative(paired(way)) for way in ways)
    return any(e.oracle == COMPLEX and e.error_bar <= BLUNT * abs(e.value) for e in estimates)


def _over_step(gradient: Arrays, w: Arrays) -> float:
    """Tangents are at the scale of the primals: a gradient that did change would, by its size."""
    return SAFETY * unit_roundoff(np.float64) * pairing_size(gradient, w) / FIRST_STEPS[0]
