"""What an oracle says: a derivative and how far off it may be."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

NOISE_STEP = 2.0**-44


NOISE_POINTS = 8


NOISE_FACTOR = 8.0


BLUNT = 1e-6
"""An oracle whose error bar is a larger fraction of the derivative resolves too little."""


Scalar = complex | float


Functional = Callable[[Scalar], Scalar]


@dataclass(frozen=True)
class Estimate:
    """A derivative, the largest error it is thought to have, and the oracle it comes from."""

    value: float
    error_bar: float
    oracle: str


UNKNOWN_DERIVATIVE = Estimate(np.nan, np.inf, "Richardson")


def is_blunt(estimate: Estimate, scale: float = 0.0) -> bool:
    """Does it resolve too little beside its terms? Where nobody tells those, beside itself.

    Args:
        estimate: of a derivative.
        scale: of what it is added up from.
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
