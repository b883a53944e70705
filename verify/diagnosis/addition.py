"""h = g + c D for one number c: a regularisation or an offset.

D is the argument, its signs or 1. c is fitted to ⟨h - g, v⟩ = c ⟨D, v⟩ by least squares, and
h - c D must then explain all.
"""

from collections.abc import Iterator

import numpy as np

from reference_impls.computation import Array
from verify.diagnosis.scaling import Factor
from verify.diagnosis.suspect import PROBES, Finding, Suspect, explains
from verify.error_model.arrays import inner


def additive(suspect: Suspect) -> Finding | None:
    """h = g + c D, for D the argument itself, its signs, or ones."""
    if suspect.got.size < 2:
        return None
    name = suspect.name
    for fault, of_what, direction in _additions(suspect):
        amount = _amount(suspect, direction)
        if amount is None:
            continue
        size = Factor(abs(amount), suspect.loose)
        if fault == "offset":
            predicate = f"is too {'large' if amount > 0 else 'small'} by {size} everywhere"
        elif amount < 0:
            predicate = f"lacks {size} times {of_what}"
        else:
            predicate = f"has {size} times {of_what} too much"
        return Finding(fault, [name], predicate, suspect, suspect.got - amount * direction)
    return None


def _additions(suspect: Suspect) -> Iterator[tuple[str, str, Array]]:
    primal = suspect.witness.primals.get(suspect.name)
    if primal is not None and np.shape(primal) == suspect.shape and np.any(primal):
        wide = np.asarray(primal, np.float64)
        yield "regularisation", suspect.name, wide
        if wide.min() < 0 < wide.max():
            yield "regularisation", f"the sign of {suspect.name}", np.sign(wide)
    yield "offset", "", np.ones(suspect.shape)


def _amount(suspect: Suspect, direction: Array) -> float | None:
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
