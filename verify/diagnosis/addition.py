"""h = g + c D for one number c: a regularisation or an offset.

D is the argument, its signs or 1. c is fitted to ⟨h - g, v⟩ = c ⟨D, v⟩ by least squares, and
h - c D must then explain all. Of a loss, c is told for a cotangent of 1, whatever it was: a weight
decay of 0.3 that is missing is then 0.3.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reference_impls.computation import Array
from verify.diagnosis.scaling import Factor
from verify.diagnosis.suspect import PROBES, Finding, Suspect, explains
from verify.error_model.arrays import inner


@dataclass(frozen=True)
class Addend:
    """A D of which a multiple may have been added.

    Attributes:
        fault: the class that this would be.
        description: of D, in words; empty for ones.
        direction: D.
    """

    fault: str
    description: str
    direction: Array


def additive(suspect: Suspect, cotangent: Array) -> Finding | None:
    """h = g + c D, for D the argument itself, its signs, or ones."""
    per = float(np.ravel(cotangent)[0]) if np.size(cotangent) == 1 else 1.0
    if suspect.got.size < 2:
        return None
    for addend in _addends(suspect):
        amount = _amount(suspect, addend.direction)
        if amount is not None:
            corrected = suspect.got - amount * addend.direction
            predicate = _predicate(addend, amount / (per or 1.0), suspect.loose)
            return Finding(addend.fault, [suspect.name], predicate, suspect, corrected)
    return None


def _predicate(addend: Addend, amount: float, tolerance: float) -> str:
    size = Factor(abs(amount), tolerance)
    if addend.fault == "offset":
        return f"is too {'large' if amount > 0 else 'small'} by {size} everywhere"
    if amount < 0:
        return f"lacks {size} times {addend.description}"
    return f"has {size} times {addend.description} too much"


def _addends(suspect: Suspect) -> Iterator[Addend]:
    primal = suspect.witness.primals.get(suspect.name)
    if primal is not None and np.shape(primal) == suspect.shape and np.any(primal):
        wide = np.asarray(primal, np.float64)
        yield Addend("regularisation", suspect.name, wide)
        if wide.min() < 0 < wide.max():
            yield Addend("regularisation", f"the sign of {suspect.name}", np.sign(wide))
    yield Addend("offset", "", np.ones(suspect.shape))


def _amount(suspect: Suspect, direction: Array) -> float | None:
    """The c that fits best, if h - c D is then the truth."""
    probes = suspect.probe(PROBES)
    scales = np.array([probe.size for probe in probes])
    if not (scales > 0).all():
        return None
    along = np.array([inner(direction, probe.tangent) for probe in probes]) / scales
    residuals = np.array([probe.residual for probe in probes]) / scales
    square = inner(along, along)
    if not square > 0:
        return None
    amount = inner(along, residuals) / square
    return amount if explains(suspect, suspect.got - amount * direction) else None
