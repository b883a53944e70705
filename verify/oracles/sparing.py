"""Derivatives along many tangents at one point, from two values each.

A diagnosis asks some fifty times, and wants to see a mistake, not ten digits. How wrong central
differences are, the first few tangents tell, along which two steps are taken.
"""

from dataclasses import dataclass, field

import numpy as np

from verify.oracles.derivative import remembered
from verify.oracles.estimate import (
    NOISE_FACTOR,
    RICHARDSON,
    Estimate,
    Functional,
    Scalar,
    is_blunt,
    real,
)
from verify.oracles.richardson import FIRST_STEPS, GOOD_ENOUGH, extrapolate, richardson

STEPS = (2.0**-16, 2.0**-22)
"""The longer one, unless there are kinks nearby."""

ENTRY_STEP, ENTRY_ROWS, ENTRIES = 2.0**-10, 3, 16
"""So many single entries are told to ten digits in float64, by which they are recognised where they
were moved to."""

LEARNING = 3
"""Tangents along which a second step tells how wrong the first is. A function that curves along
none of them hardly curves."""

MARGIN = 16.0
"""From the largest relative error of those to what is allowed along others."""

MOST = {"float64": 190, "float32": 150}
"""Values, for all tangents together. In float32 a check has looked along one more direction."""

RESERVE = 20
"""Values for single entries beyond those: the entry that is shown is asked for last."""


class SpentError(Exception):
    """No more values may be taken."""


@dataclass
class Sparing:
    """φ'(0) for many φ of one function at one point, with few values more than `MOST`.

    Attributes:
        noise: in a value of φ.
        dtype: of the gradients that are judged.
        is_sharp: are there to be ten digits, for what is wrong by little, and fewer tangents?
    """

    noise: float
    dtype: str
    is_sharp: bool = False
    _errors: list[float] = field(default_factory=list)
    _step: float | None = None
    _spent: int = 0
    _entries: int = 0
    _centre: Scalar | None = None

    def along(self, phi: Functional, scale: float, *, is_entry: bool) -> Estimate:
        """φ'(0), with an error bar that was learned along the first tangents.

        Args:
            phi: along a tangent.
            scale: what a derivative of φ is to be judged beside.
            is_entry: does the tangent move a single entry?

        Raises:
            SpentError: too many values have been taken.
        """
        if self._spent >= MOST[self.dtype] + RESERVE * is_entry:
            raise SpentError

        def counted(h: Scalar) -> Scalar:
            if h == 0 and self._centre is not None:
                return self._centre
            self._spent += 1
            value = phi(h)
            self._centre = value if h == 0 else self._centre
            return value

        if self.is_sharp:
            return self._sharply(counted)
        if self._step is None:
            self._step = self._first_step(counted, scale)
        if is_entry and self.dtype == "float64" and self._step == STEPS[0]:
            self._entries += 1
            if self._entries <= ENTRIES:
                return extrapolate(counted, ENTRY_STEP, self.noise, ENTRY_ROWS)
        slope, rounding = self._slope(counted, self._step)
        size = max(abs(slope), scale)
        if len(self._errors) < LEARNING:
            nearer, rounding = self._slope(counted, self._step / 2)
            self._errors.append(abs(slope - nearer) / (size or 1.0))
            return Estimate(nearer, abs(slope - nearer) + rounding, RICHARDSON)
        return Estimate(slope, MARGIN * max(self._errors) * size + rounding, RICHARDSON)

    def _sharply(self, phi: Functional) -> Estimate:
        """By one table, with the noise that is known; by more where one is not enough."""
        once = remembered(phi)
        table = extrapolate(once, FIRST_STEPS[0], self.noise)
        return table if table.error_bar <= GOOD_ENOUGH * abs(table.value) else richardson(once)

    def _first_step(self, phi: Functional, scale: float) -> float:
        """Of the `STEPS`, the first that agrees with its half; if none does, the one that most."""
        bars: dict[float, float] = {}
        for step in STEPS:
            slope, _ = self._slope(phi, step)
            nearer, rounding = self._slope(phi, step / 2)
            found = Estimate(nearer, abs(slope - nearer) + rounding, RICHARDSON)
            if not is_blunt(found, max(abs(nearer), scale)):
                return step
            bars[step] = found.error_bar
        return min(bars, key=lambda step: bars[step])

    def _slope(self, phi: Functional, step: float) -> tuple[float, float]:
        """And what rounding may add to it."""
        ahead, behind = real(phi, step), real(phi, -step)
        rounding = max(self.noise, float(np.spacing(max(abs(ahead), abs(behind)))))
        return (ahead - behind) / (2 * step), NOISE_FACTOR * rounding / step
