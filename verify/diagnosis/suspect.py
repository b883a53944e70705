"""One argument's gradient h under suspicion, its probes, and when a hypothesis explains it.

A probe is a Gaussian tangent v with ⟨h, v⟩ and the true ⟨g, v⟩; its scale is the root of Σ (h v)².
A hypothesis gives a corrected gradient c. It explains h if, for `PROBES` tangents, ⟨c, v⟩ is the
truth up to u⁰·⁴ of the scale, for the unit roundoff u, and if no more than `EXPLAINED` of the
residuals ⟨h - g, v⟩ is left.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from reference_impls.computation import Array
from verify.diagnosis.witness import Witness
from verify.error_model.arrays import inner, norm, root_mean_square
from verify.error_model.noise import SAFETY
from verify.oracles.estimate import Estimate

PROBES = 4
"""Tangents that a hypothesis must hold for: a false one practically never does for so many."""

SAMPLES = 16
"""Entries of a large argument that are looked at at random."""

SMALL = 24
"""Of an argument with no more entries, every true one is asked for, and nothing is inferred."""

EXPLAINED = 0.02
"""What a hypothesis may leave of the residual."""

LEVEL = 0.03
"""Every other probe gives the entries of h equal weights, down to this fraction of their typical
size, so that one entry which dominates the others does not speak for them."""


@dataclass(frozen=True)
class Probe:
    """One tangent v of one argument: ⟨h, v⟩, the true ⟨g, v⟩, and the root of Σ (h v)²."""

    tangent: Array
    got: float
    truth: Estimate
    scale: float

    @property
    def residual(self) -> float:
        """⟨h - g, v⟩."""
        return self.got - self.truth.value

    @property
    def size(self) -> float:
        """What the residual must be small beside: the scale, or the truth where that is larger."""
        return max(self.scale, abs(self.truth.value))


@dataclass
class Suspect:
    """One argument's gradient under suspicion.

    Attributes:
        name: of the argument.
        got: its gradient h, in float64.
        witness: tells the truth about it.
        unit: the unit roundoff of the dtype it was computed in.
        probes: what has been asked so far.
    """

    name: str
    got: Array
    witness: Witness
    unit: float
    probes: list[Probe] = field(default_factory=list)

    @property
    def tight(self) -> float:
        """The relative error up to which a part of h is right."""
        return float(self.unit**0.64)

    @property
    def loose(self) -> float:
        """The relative error that is left to a hypothesis."""
        return float(self.unit**0.4)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the gradient."""
        return self.got.shape

    def probe(self, count: int) -> list[Probe]:
        """So many probes: Gaussian, every other one with all entries of h weighed alike."""
        while len(self.probes) < count:
            tangent = self.witness.tangent(self.name, self.shape)
            if len(self.probes) % 2:
                tangent = self._levelled(tangent)
            self.probes.append(self._measure(tangent))
        return self.probes[:count]

    def entry(self, flat: int) -> Estimate:
        """The true one, in the order of memory."""
        return self.witness.entry(self.name, flat, self.shape)

    def is_wrong_at(self, flat: int) -> bool:
        """Is this entry wrong by more than the oracle and rounding explain?"""
        known, here = self.entry(flat), float(self.got.flat[flat])
        size = max(abs(here), abs(known.value))
        allowed = known.error_bar + self.sharpness * size + SAFETY * self.unit * self.typical
        return abs(here - known.value) > allowed

    @property
    def sharpness(self) -> float:
        """The relative error up to which a part of h counts as right, where another part is wrong.

        It is a hundredth of the error of the whole: small faults are not lost, and rounding is not
        taken for one.
        """
        whole = max((abs(probe.residual) / probe.size for probe in self.probes), default=0.0)
        return min(max(0.01 * whole, 8 * self.unit), self.tight)

    @property
    def typical(self) -> float:
        """The root mean square of the entries of h."""
        return root_mean_square(self.got)

    def _levelled(self, tangent: Array) -> Array:
        weights = np.maximum(np.abs(self.got), LEVEL * self.typical)
        if not weights.all():
            return tangent
        levelled = tangent * (weights.min() / weights)
        return np.asarray(levelled * (norm(tangent) / norm(levelled)))

    def _measure(self, tangent: Array) -> Probe:
        truth = self.witness.along({self.name: tangent})
        return Probe(tangent, inner(self.got, tangent), truth, norm(self.got * tangent))


@dataclass(frozen=True)
class Finding:
    """A fault, what the sentence says of its gradients, and where it can be seen.

    Attributes:
        fault: its class.
        names: of the arguments it shows in.
        predicate: what the gradient of each of them does.
        suspect: the one to show an entry of.
        corrected: what that gradient would be without the fault; None if the fault does not tell.
        is_excused: is it, by what was seen, no mistake?
    """

    fault: str
    names: list[str]
    predicate: str
    suspect: Suspect
    corrected: Array | None = None
    is_excused: bool = False


def names_of(suspects: Iterable[Suspect]) -> list[str]:
    """Of the arguments, in this order."""
    return [suspect.name for suspect in suspects]


def explains(suspect: Suspect, corrected: Array) -> bool:
    """Is `corrected` the true gradient, as far as the probes tell?"""
    probes: list[Probe] = []
    left: list[float] = []
    for count in range(1, PROBES + 1):
        probes = suspect.probe(count)
        probe = probes[-1]
        left.append(inner(corrected, probe.tangent) - probe.truth.value)
        size = max(norm(corrected * probe.tangent), abs(probe.truth.value))
        if not abs(left[-1]) <= probe.truth.error_bar + suspect.loose * size:
            return False
    return _is_explained(left, probes)


def _is_explained(left: Sequence[float], probes: Sequence[Probe]) -> bool:
    """Is little of the residual left, and the oracle sharp enough to see that?"""
    before = math.hypot(*(probe.residual for probe in probes))
    bars = math.hypot(*(probe.truth.error_bar for probe in probes))
    return bars <= 0.1 * before and math.hypot(*left) <= EXPLAINED * before + bars


@dataclass(frozen=True)
class Nearness:
    """How far apart two numbers may be that count as the same: relatively, and in any case."""

    relative: float
    absolute: float


def nearnesses(suspect: Suspect) -> tuple[Nearness, ...]:
    """First for entries that were rounded once, then for those of a longer computation."""
    loose = 1e-9 if suspect.unit < 1e-12 else 64 * suspect.unit
    return Nearness(4 * suspect.unit, 0.0), Nearness(loose, suspect.unit * suspect.typical)
