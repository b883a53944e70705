"""Halving: which parts of a range carry the residual ⟨h - g, v⟩ of one fixed tangent v.

The residual is a sum over the range, so that of a right half is the whole's less the left half's,
and its error bar the sum of both. log₂ n measurements lead to one wrong leaf of n.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from verify.diagnosis.suspect import Suspect
from verify.error_model.arrays import norm
from verify.error_model.noise import SAFETY


@dataclass(frozen=True)
class _Part:
    """A range of entries, the residual of a fixed tangent on it, and what is allowed that."""

    low: int
    high: int
    residual: float
    error_bar: float
    allowed: float

    @property
    def is_wrong(self) -> bool:
        return abs(self.residual) > self.error_bar + self.allowed


class Halving:
    """Halves of halves of a range; a right half's residual is the whole's less the left one's."""

    def __init__(
        self,
        count: int,
        measure: Callable[[int, int], tuple[float, float]],
        allow: Callable[[int, int], float],
    ) -> None:
        self._measure = measure
        self._allow = allow
        self._halves: dict[tuple[int, int], tuple[_Part, _Part]] = {}
        self.root = _Part(0, count, *measure(0, count), allow(0, count))

    def halves(self, part: _Part) -> tuple[_Part, _Part]:
        """Both halves of a part, measured once."""
        key = part.low, part.high
        if key not in self._halves:
            low, high = key
            middle = (low + high) // 2
            residual, bar = self._measure(low, middle)
            left = _Part(low, middle, residual, bar, self._allow(low, middle))
            right = _Part(
                middle,
                high,
                part.residual - residual,
                part.error_bar + bar,
                self._allow(middle, high),
            )
            self._halves[key] = left, right
        return self._halves[key]

    def end(self, *, leftmost: bool) -> int:
        """The first wrong leaf, or the last."""
        part = self.root
        while part.high - part.low > 1:
            left, right = self.halves(part)
            wanted, other = (left, right) if leftmost else (right, left)
            part = wanted if wanted.is_wrong else other
        return part.low

    def worst(self) -> int:
        """A leaf with a large residual: always down the half that has the larger one."""
        part = self.root
        while part.high - part.low > 1:
            part = max(self.halves(part), key=lambda half: abs(half.residual))
        return part.low

    def wrong_leaves(self, most: int, may_go_on: Callable[[], bool]) -> tuple[list[int], bool]:
        """The wrong leaves in order, and whether these are all."""
        found: list[int] = []
        stack = [self.root] if self.root.is_wrong else []
        while stack:
            part = stack.pop()
            if part.high - part.low == 1:
                found.append(part.low)
            elif (part.low, part.high) in self._halves or may_go_on():
                left, right = self.halves(part)
                stack += [half for half in (right, left) if half.is_wrong]
            else:
                return found, False
            if len(found) > most:
                return found, False
        return found, True


def entries_tree(suspect: Suspect) -> Halving:
    """Over the entries of an argument, with a tangent none of whose entries is nearly zero."""
    rng, shape, count = suspect.witness.rng, suspect.shape, suspect.got.size
    size = suspect.witness.size(suspect.name)
    tangent = size * rng.uniform(0.5, 1.5, count) * rng.choice([-1.0, 1.0], count)
    terms = suspect.got.ravel() * tangent
    typical = SAFETY * suspect.unit * suspect.typical

    def measure(low: int, high: int) -> tuple[float, float]:
        part = np.zeros(count)
        part[low:high] = tangent[low:high]
        truth = suspect.witness.along({suspect.name: part.reshape(shape)})
        return float(terms[low:high].sum()) - truth.value, truth.error_bar

    def allow(low: int, high: int) -> float:
        return suspect.sharpness * norm(terms[low:high]) + typical * norm(tangent[low:high])

    return Halving(count, measure, allow)
