"""The truth g, known through ⟨g, v⟩ = ⟨u, J v⟩ alone, and every question counted.

The oracle is asked along tangents v, of the scale of the primals, so that it stays where the
function has a value. An entry of g is ⟨g, s eᵢ⟩ / s, for s the scale of its argument.
"""

import math
from collections.abc import Callable
from contextlib import suppress

import numpy as np

from reference_impls.computation import Array, Arrays
from verify.error_model.arrays import scale_of
from verify.oracles.estimate import Estimate

Derivative = Callable[[Arrays], Estimate]
"""From tangents v by argument, zero for those that are missing, to an estimate of ⟨u, J v⟩."""

MAX_CALLS = 96
"""Evaluations of the truth at most, whatever the size; one more may go to the reported entry."""

BLIND = Estimate(np.nan, np.inf, "none")


class Witness:
    """The truth, asked no more often than allowed; it never raises, and an entry is asked once."""

    def __init__(self, truth: Derivative, primals: Arrays, rng: np.random.Generator) -> None:
        self._truth = truth
        self._entries: dict[tuple[str, int], Estimate] = {}
        self.primals = primals
        self.rng = rng
        self.calls = 0

    def size(self, name: str) -> float:
        """The scale of an argument, and so of its tangents; 1 for one that is zero."""
        return scale_of(np.asarray(self.primals[name])) if name in self.primals else 1.0

    def along(self, tangents: Arrays) -> Estimate:
        """⟨g, v⟩; `BLIND` when nothing more may be asked."""
        if self.calls >= MAX_CALLS:
            return BLIND
        return self._ask(tangents)

    def entry(
        self, name: str, flat: int, shape: tuple[int, ...], *, extra: bool = False
    ) -> Estimate:
        """One entry of the true gradient; an extra one is not refused."""
        if (name, flat) not in self._entries:
            if self.calls >= MAX_CALLS and not extra:
                return BLIND
            size = self.size(name)
            basis = np.zeros(shape)
            basis.flat[flat] = size
            along = self._ask({name: basis})
            known = Estimate(along.value / size, along.error_bar / size, along.oracle)
            self._entries[name, flat] = known
        return self._entries[name, flat]

    def known_entries(self, name: str) -> dict[int, Estimate]:
        """The true entries that were asked for so far, by place in memory."""
        return {flat: known for (each, flat), known in self._entries.items() if each == name}

    def tangent(self, name: str, shape: tuple[int, ...]) -> Array:
        """A Gaussian tangent of the argument's scale."""
        return np.asarray(self.size(name) * self.rng.standard_normal(shape))

    def _ask(self, tangents: Arrays) -> Estimate:
        self.calls += 1
        with suppress(Exception):  # a function may have no value beside the primals
            estimate = self._truth(tangents)
            if math.isfinite(estimate.value) and math.isfinite(estimate.error_bar):
                return estimate
        return BLIND
