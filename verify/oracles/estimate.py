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
    """A derivative, the largest error it is thought to have, and the oracle that gave it."""

    value: float
    error_bar: float
    oracle: str


UNKNOWN_DERIVATIVE = Estimate(np.nan, np.inf, "Richardson")


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
