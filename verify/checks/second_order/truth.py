"""Second derivatives that no engine computed: an oracle's, from first-order gradients."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reference_impls.computation import Arrays, cast
from verify.checks.check import one_line
from verify.checks.second_order.question import Gradient, Question
from verify.error_model.arrays import pairing_size, unit_roundoff
from verify.error_model.noise import SAFETY
from verify.oracles.careful import carefully
from verify.oracles.complex_step import COMPLEX, COMPLEX_STEP, complex_step
from verify.oracles.derivative import derivative
from verify.oracles.estimate import BLUNT, NOISE_POINTS, Estimate, Scalar, or_nan
from verify.oracles.richardson import FIRST_STEPS

OTHER_WAYS = ((0, 1), (1, 1), (1, -1), (1, 2), (2, -1))
"""Combinations of v and w along which the complex step may be confirmed, if it is not along v."""


@dataclass(frozen=True)
class ByComplexStep:
    """The complex step is valid, and has every entry.

    Attributes:
        estimate: of ⟨S(w), v⟩.
        of_v: S(v), float64.
    """

    estimate: Estimate
    of_v: Arrays


@dataclass(frozen=True)
class ByDifferences:
    """Differences of gradients have one number.

    Attributes:
        estimate: of ⟨S(w), v⟩.
        still: how wide the bar may be where S is zero: what rounding in the gradient leaves of a
            difference; where none of the differences shows a change, `BLUNT` of the change that a
            gradient of this size would show.
    """

    estimate: Estimate
    still: float


@dataclass(frozen=True)
class NoTruth:
    """Why the oracle could not be evaluated."""

    reason: str


Truth = ByComplexStep | ByDifferences | NoTruth


class GradientOracle:
    """⟨S(w), v⟩ as the derivative of first-order gradients; none is evaluated twice at a point.

    Args:
        question: the primals and tangents.
        gradient: Jᵀu by an implementation that is trusted.
    """

    def __init__(self, question: Question, gradient: Gradient) -> None:
        self._gradient = gradient
        self._primals = question.primals | cast(question.floating, np.float64)
        self._v = cast(question.v, np.float64)
        self._w = cast(question.w, np.float64)
        self._along_v = self._functional(self._v)

    def truth(self, points: int) -> Truth:
        """What is found with noise measured at so many points.

        With `NOISE_POINTS`, before anything is called wrong, the complex step is confirmed in more
        ways than one, and differences are taken with more care.
        """
        try:
            return self._truth(points)
        except Exception as error:  # noqa: BLE001 -- it did not raise at the primals themselves
            if points == NOISE_POINTS:
                # The domain may end within a step, and there are shorter ones.
                estimate = carefully(or_nan(self._along_v))
                if np.isfinite(estimate.error_bar):
                    return self._by_differences(estimate)
            reason = f"the gradient, at a point beside the primals, {one_line(error)}"
            return NoTruth(reason)

    def _truth(self, points: int) -> Truth:
        estimate = derivative(self._along_v, points)
        is_last = points == NOISE_POINTS
        if is_last and not _is_sure(estimate) and self._is_analytic():
            estimate = complex_step(self._along_v, points)
        if estimate.oracle == COMPLEX:
            return ByComplexStep(estimate, self._along_v.every_entry())
        return self._by_differences(carefully(self._along_v) if is_last else estimate)

    def _by_differences(self, estimate: Estimate) -> ByDifferences:
        rounding = SAFETY * unit_roundoff(np.float64) / FIRST_STEPS[0]
        return ByDifferences(estimate, self.size * (BLUNT if estimate.value == 0.0 else rounding))

    @property
    def size(self) -> float:
        """That of ⟨S(w), v⟩ for a gradient that changes by its size.

        Tangents are at the scale of the primals, so that most do.
        """
        return pairing_size(self.here, self._w)

    @property
    def here(self) -> Arrays:
        """The gradient at the primals."""
        return self._along_v.gradient(0.0)

    def _is_analytic(self) -> bool:
        """Is the complex step found valid along any of a few other ways from the same point?

        A gradient of many kinked units has a kink on either side of nearly every point, near enough
        to spoil the differences that would confirm the step. Another way leads past others.
        """
        return any(_is_sure(derivative(along)) for along in self._other_ways())

    def _other_ways(self) -> Iterator["_Functional"]:
        for a, b in OTHER_WAYS:
            yield self._functional({n: a * v + b * self._w[n] for n, v in self._v.items()})

    def _functional(self, tangents: Arrays) -> "_Functional":
        return _Functional(self._gradient, self._primals, tangents, self._w)


def _is_sure(estimate: Estimate) -> bool:
    return estimate.oracle == COMPLEX and estimate.error_bar <= BLUNT * abs(estimate.value)


class _Functional:
    """φ(h) = ⟨J(x + hv)ᵀu, w⟩, each value computed once."""

    def __init__(self, gradient: Gradient, primals: Arrays, v: Arrays, w: Arrays) -> None:
        self._gradient, self._primals, self._v, self._w = gradient, primals, v, w
        self._values: dict[Scalar, Scalar] = {}
        # Of all gradients, those at these steps are asked for again, and they may be large.
        self._kept: dict[Scalar, Arrays | None] = {0.0: None, 1j * COMPLEX_STEP: None}

    def __call__(self, h: Scalar) -> Scalar:
        if h not in self._values:
            moved = self.gradient(h)
            total: Scalar = sum(np.sum(moved[name] * w).item() for name, w in self._w.items())
            self._values[h] = total
        return self._values[h]

    def gradient(self, h: Scalar) -> Arrays:
        """J(x + hv)ᵀu."""
        kept = self._kept.get(h)
        if kept is not None:
            return kept
        moved = {name: self._primals[name] + h * v for name, v in self._v.items()}
        found = self._gradient(self._primals | moved)
        if h in self._kept:
            self._kept[h] = found
        return found

    def every_entry(self) -> Arrays:
        """The derivative of J(x + hv)ᵀu at h = 0 by the complex step: S(v)."""
        stepped = self.gradient(1j * COMPLEX_STEP)
        return {name: np.asarray(np.imag(stepped[name])) / COMPLEX_STEP for name in self._v}
