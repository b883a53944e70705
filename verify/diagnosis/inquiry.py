"""Whose gradient is wrong: one probe for each argument, or halving where there are many.

An argument is wrong if |⟨h - g, v⟩| exceeds the oracle's error bar by more than rounding explains.
Rounding may explain u⁰·⁶⁴ of the probe's size, and `SAFETY` u of the largest probe's, for the unit
roundoff u.
"""

import math
from dataclasses import dataclass

import numpy as np

from reference_impls.computation import Arrays
from verify.diagnosis.bisection import Halving, Leaves, Residual
from verify.diagnosis.suspect import Probe, Suspect, names_of
from verify.diagnosis.witness import MAX_CALLS, Witness
from verify.error_model.arrays import inner, norm, unit_roundoff
from verify.error_model.noise import SAFETY

SEPARATE = 24
"""Up to so many arguments are looked at one by one, more by halving."""


@dataclass(frozen=True)
class Inquiry:
    """What the first probes told of every argument.

    Attributes:
        wrong: the suspects whose gradients are wrong, the worst first.
        right: the names of those that are right.
        unjudged: the names of those that the oracle is too blunt for, or that were not reached.
        names: of all arguments, in order.
    """

    wrong: list[Suspect]
    right: list[str]
    unjudged: list[str]
    names: tuple[str, ...]

    @classmethod
    def open(cls, got: Arrays, witness: Witness, dtype: str) -> "Inquiry":
        """Probes every argument; of many, only those that halving finds wrong."""
        unit = unit_roundoff(dtype)
        everyone = [Suspect(name, array, witness, unit) for name, array in got.items()]
        suspects, complete = everyone, True
        if len(everyone) > SEPARATE:
            leaves = _wrong_by_halving(everyone)
            suspects, complete = [everyone[i] for i in leaves.found], leaves.complete
        probes = {suspect.name: suspect.probe(1)[0] for suspect in suspects}
        whole = max((probe.scale for probe in probes.values()), default=0.0)
        excess = {
            suspect.name: _excess(probes[suspect.name], suspect.tight, SAFETY * unit * whole)
            for suspect in suspects
        }
        # The error that the checker saw may not stand out in any probe: then the largest must do.
        limit = min(1.0, 0.999 * max(excess.values(), default=0.0))
        wrong = [suspect for suspect in suspects if excess[suspect.name] > limit]
        wrong.sort(key=lambda suspect: -excess[suspect.name])
        rest = [name for name in got if name not in names_of(wrong)]
        blunt = {
            name
            for name, probe in probes.items()
            if not probe.truth.error_bar <= everyone[0].loose * max(probe.size, whole)
        }
        unjudged = [name for name in rest if name in blunt or not (complete or name in probes)]
        right = [name for name in rest if name not in unjudged]
        return cls(wrong, right, unjudged, tuple(got))


def _excess(probe: Probe, tight: float, rounding: float) -> float:
    """By how much the residual exceeds the oracle's bar, in units of what rounding may explain."""
    beyond = abs(probe.residual) - probe.truth.error_bar
    allowed = tight * probe.size + rounding
    return beyond / max(allowed, float(np.finfo(float).tiny)) if beyond > 0 else 0.0


def _wrong_by_halving(suspects: list[Suspect]) -> Leaves:
    """The positions of those that are wrong, of many; at most half of all questions go here."""
    witness = suspects[0].witness
    tangents = [witness.tangent(suspect.name, suspect.shape) for suspect in suspects]
    pairings = [inner(suspect.got, v) for suspect, v in zip(suspects, tangents, strict=True)]
    norms = [norm(suspect.got * v) for suspect, v in zip(suspects, tangents, strict=True)]

    def measure(low: int, high: int) -> Residual:
        chosen = {suspects[i].name: tangents[i] for i in range(low, high)}
        truth = witness.along(chosen)
        return Residual(math.fsum(pairings[low:high]) - truth.value, truth.error_bar)

    def allow(low: int, high: int) -> float:
        return suspects[0].tight * math.hypot(*norms[low:high])

    tree = Halving(len(suspects), measure, allow)
    return tree.wrong_leaves(SEPARATE, lambda: witness.calls < MAX_CALLS // 2)
