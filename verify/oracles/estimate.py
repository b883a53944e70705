"""What an oracle answers: a derivative, and how wrong it may be."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

NOISE_STEP = 2.0**-44
"""From one point to the next where noise is measured: any function is straight over so little."""


NOISE_POINTS = 8
"""Where noise is measured, unless a caller can afford fewer only."""


NOISE_FACTOR = 8.0
"""From a standard deviation that a few points have told to an error that is not exceeded."""


BLUNT = 1e-6
"""An oracle whose error bar is a larger fraction of the derivative resolves too little."""


Scalar = complex | float


Functional = Callable[[Scalar], Scalar]
"""φ: a function of one number, differentiated at 0."""


@dataclass(frozen=True)
class Estimate:
    """A derivative, the largest error it is thought to have, and the oracle that gave it.

    Attributes:
        value: of the derivative.
        error_bar: the largest error it is thought to have.
        oracle: that gave it.
        rounding: the bar that the rounding of values would give alone, where that is known.
        moved: how far the values moved that it was taken from.
    """

    value: float
    error_bar: float
    oracle: str
    rounding: float = 0.0
    moved: float = 0.0

    @property
    def is_all_there_is(self) -> bool:
        """Are values rounded so much that no better estimate is to be had from them?

        The differences of extrapolated slopes, which rounding makes as well, are several times it.
        """
        return 0 < self.error_bar <= 16 * self.rounding


RICHARDSON = "Richardson"
"""The oracle that takes differences."""


UNKNOWN_DERIVATIVE = Estimate(np.nan, np.inf, RICHARDSON)


def is_blunt(estimate: Estimate, scale: float = 0.0) -> bool:
    """Is the error bar too wide to judge a gradient by?

    Args:
        estimate: of a derivative.
        scale: of the terms it is the sum of; 0 for an unknown one, for which the derivative stands.
    """
    return not estimate.error_bar <= BLUNT * (scale or abs(estimate.value))


def real(phi: Functional, step: float) -> float:
    """Re φ(h)."""
    return float(np.real(phi(step)))


def noise_of(values: Sequence[float]) -> float:
    """The standard deviation of the rounding error in a function's values at neighbouring points.

    Moré & Wild, *Estimating computational noise*, SIAM J. Sci. Comput. 33 (2011): over so short a
    stretch any function is a straight line, whose second differences have six times the variance
    of the noise.
    """
    curved = np.square(np.diff(values, 2))
    measured = float(np.sqrt(np.mean(curved) / 6)) if curved.size else 0.0
    return max(measured, float(np.spacing(max(map(abs, values)))))


def or_nan(phi: Functional) -> Functional:
    """The same, and not a number where φ raises anything: there h leads out of its domain."""

    def guarded(h: Scalar) -> Scalar:
        try:
            return phi(h)
        except Exception:  # noqa: BLE001 -- in whatever way the code says that h leads too far
            return np.nan

    return guarded
