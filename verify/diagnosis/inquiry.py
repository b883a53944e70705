"""Whose gradient is wrong: one probe for each argument, or halving where there are many.

An argument is wrong if |⟨h - g, v⟩| exceeds the oracle's error bar by more than rounding explains:
u⁰·⁶⁴ of the probe's size, and a few units u of the largest probe's, for the unit roundoff u.
"""

import math
from dataclasses import dataclass

import numpy as np

from reference_impls.computation import Arrays
from verify.diagnosis.bisection import Halving
from verify.diagnosis.suspect import Probe, Suspect, names_of
from verify.diagnosis.witness import MAX_CALLS, Witness
from verify.error_model.arrays import inner, norm, unit_roundoff
from verify.error_model.noise import SAFETY

SEPARATE = 24
"""Up to so many arguments are looked at one by one, more by halving."""


@dataclass(frozen=True)
class Inquiry:
    """Who is wrong, the worst first, who is right, and of whom the oracle cannot tell."""

    wrong: list[Suspect]
    right: list[str]
    unjudged: list[str]
    names: tuple[str, ...]

    @classmethod
    def open(cls, got: Arrays, witness: Witness, dtype: str) -> "Inquiry":
        """Probes every argument, or the wrong ones that halving finds where there are many."""
        unit = unit_roundoff(dtype)
        everyone = [Suspect(name, array, witness, unit) for name, array in got.items()]
        suspects, complete = everyone, True
        if len(everyone) > SEPARATE:
            suspects, complete = _suspects_by_halving(everyone)
        probes = {suspect.name: suspect.probe(1)[0] for suspect in suspects}
        whole = max((probe.scale for probe in probes.values()), default=0.0)
        excess = {
            suspect.name: _excess(probes[suspect.name], suspect.tight, SAFETY * unit * whole)
            for suspect in suspects
        }
        # The checker may have seen a smaller error than stands out here: then the largest.
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
    """How far the residual is beyond the oracle's bar, in units of what rounding may explain."""
    beyond = abs(probe.residual) - probe.truth.error_bar
    allowed = tight * probe.size + rounding
    return beyond / max(allowed, float(np.finfo(float).tiny)) if beyond > 0 else 0.0


def _suspects_by_halving(suspects: list[Suspect]) -> tuple[list[Suspect], bool]:
    """Those of many arguments that are wrong, and whether these are all; half the calls go here."""
    witness = suspects[0].witness
    tangents = [witness.tangent(suspect.name, suspect.shape) for suspect in suspects]
    pairings = [inner(suspect.got, v) for suspect, v in zip(suspects, tangents, strict=True)]
    squares = [norm(suspect.got * v) for suspect, v in zip(suspects, tangents, strict=True)]

    def measure(low: int, high: int) -> tuple[float, float]:
        chosen = {suspects[i].name: tangents[i] for i in range(low, high)}
        truth = witness.along(chosen)
        return math.fsum(pairings[low:high]) - truth.value, truth.error_bar

    def allow(low: int, high: int) -> float:
        return suspects[0].tight * math.hypot(*squares[low:high])

    tree = Halving(len(suspects), measure, allow)
    found, complete = tree.wrong_leaves(SEPARATE, lambda: witness.calls < MAX_CALLS // 2)
    return [suspects[i] for i in found], complete
