"""Gradients that are wrong at this very point, and right on either side of it.

relu(x) - relu(-x) is x, and smooth. By the chain rule its slope at 0 is what was chosen for the
slope of relu there, twice, which may be 0. The mark is that h jumps where f has one derivative: the
gradients at x + εv and x - εv are nearly the same, and are right, and h is not.
"""

from collections.abc import Sequence

import numpy as np

from reference_impls.computation import Array, Arrays
from verify.diagnosis.inquiry import Inquiry
from verify.diagnosis.surroundings import Surroundings
from verify.diagnosis.suspect import Finding, Suspect, explains, names_of
from verify.diagnosis.words import FEW, listed
from verify.error_model.arrays import index_of, largest

FAULT = "kinks cancel"
"""The class."""

ASIDE = 2.0**-30
"""How far to go to the side, in units of the primals: a smooth gradient hardly changes."""


def kinks_cancel(inquiry: Inquiry, around: Surroundings) -> Finding | None:
    """The gradient beside the point is right, on both sides, and another than at the point."""
    witness = inquiry.wrong[0].witness
    names = [name for name in inquiry.names if name in witness.primals]
    ray = {name: ASIDE * witness.tangent(name, np.shape(witness.primals[name])) for name in names}
    here, ahead = around.gradients({}), around.gradients(ray)
    if not any(_jumps(suspect, here, ahead) for suspect in inquiry.wrong):
        return None
    behind = around.gradients({name: -tangent for name, tangent in ray.items()})
    found: list[Suspect] = []
    places: list[str] = []
    for suspect in inquiry.wrong:
        beside = _between(suspect, ahead[suspect.name], behind[suspect.name])
        if beside is not None and _jumps(suspect, here, ahead) and explains(suspect, beside):
            found.append(suspect)
            places += _places(suspect, beside)
    if not found:
        return None
    first = found[0]
    corrected = (ahead[first.name] + behind[first.name]) / 2
    return Finding(FAULT, names_of(found), at_this_point_alone(places), first, corrected)


def at_this_point_alone(places: Sequence[str]) -> str:
    """What the gradient does, that is wrong in these places."""
    return (
        f"is wrong at this very point, at {listed(places)}, and right on either side of it: "
        "kinks that cancel, or a special case of the code"
    )


def _jumps(suspect: Suspect, here: Arrays, ahead: Arrays) -> bool:
    one, other = here[suspect.name], ahead[suspect.name]
    return largest(other - one) > suspect.loose * max(largest(one), largest(other))


def _between(suspect: Suspect, ahead: Array, behind: Array) -> Array | None:
    """The gradient beside the point, if it is the same on both sides."""
    if ahead.shape != suspect.shape or behind.shape != suspect.shape:
        return None
    scale = largest(ahead)
    if not np.isfinite(scale) or largest(ahead - behind) > suspect.loose * scale:
        return None
    return np.asarray((ahead + behind) / 2)


def _places(suspect: Suspect, beside: Array) -> list[str]:
    off = np.abs(suspect.got - beside) > suspect.loose * largest(beside)
    named = [index_of(int(flat), suspect.shape) for flat in np.flatnonzero(off)[: FEW + 1]]
    more = int(off.sum()) - len(named)
    return [f"{suspect.name}{index}" for index in named] + [""] * more
