"""One argument's gradient h under suspicion, its probes, and when a hypothesis explains it.

A probe is a Gaussian tangent v with ⟨h, v⟩ and the true ⟨g, v⟩; the scale of its errors is the root
of Σ (h v)². A hypothesis gives a corrected gradient c: it explains h if ⟨c, v⟩ is the truth for
`PROBES` tangents, up to u⁰·⁴ of the scale for the unit roundoff u, and leaves no more than
`EXPLAINED` of the residuals ⟨h - g, v⟩.
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

SAMPLES = 16

SMALL = 24
"""Up to here every true entry is asked for, and nothing is left to inference."""

EXPLAINED = 0.02
"""What a hypothesis may leave of the residual."""

LEVEL = 0.03
"""Every other probe weighs the entries of h alike, down to this fraction of their typical size: one
entry that dominates all others must not speak for them."""


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
        """That of which the residual is to be small: of both pairings."""
        return max(self.scale, abs(self.truth.value))


@dataclass
class Suspect:
    """One argument's gradient under suspicion, in float64, and what has been asked about it."""

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
        """So many probes: Gaussian, and by turns with all entries of h weighed alike."""
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
        """The relative error up to which a part of h counts as right, beside a part that does not.

        A hundredth of the whole's, so that a small fault is not lost, nor rounding taken for one.
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
        corrected: what that gradient would be without the fault, up to a factor of nearly 1.
    """

    fault: str
    names: list[str]
    predicate: str
    suspect: Suspect
    corrected: Array | None = None


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
    """Little of the residual is left, and the oracle is sharp enough to see that."""
    before = math.hypot(*(probe.residual for probe in probes))
    bars = math.hypot(*(probe.truth.error_bar for probe in probes))
    return bars <= 0.1 * before and math.hypot(*left) <= EXPLAINED * before + bars


@dataclass(frozen=True)
class Nearness:
    """How near two numbers are that are to be the same: relatively, and at least."""

    relative: float
    absolute: float


def nearnesses(suspect: Suspect) -> tuple[Nearness, ...]:
    """First as for entries rounded by themselves, then as for those of a longer computation."""
    loose = 1e-9 if suspect.unit < 1e-12 else 64 * suspect.unit
    return Nearness(4 * suspect.unit, 0.0), Nearness(loose, suspect.unit * suspect.typical)
