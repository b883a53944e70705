"""Gradients where the values do not move: of a staircase, or of what was clipped.

A staircase, such as round(x), has a derivative of zero, and its values are constant between jumps.
Where a value was clipped it does not move either. So ⟨g, v⟩ is the truth for the cotangent without
its entries there, and vjp(u without them) = g if the gradient of everything else is right.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reference_impls.computation import Array, Arrays, Vjp
from verify.diagnosis.dependence import is_zero_by_truth
from verify.diagnosis.inquiry import Inquiry
from verify.diagnosis.surroundings import Surroundings
from verify.diagnosis.suspect import Finding, Suspect, explains, names_of

NEAR = 2.0**-14
"""Over so small a fraction of the primals, every entry of a value changes that depends on them."""

FAR = (0.25, 1.0, 4.0)
"""Fractions of the primals over which a staircase has jumped somewhere."""

HARDLY = 2.0**-30
"""A smooth function moves over so small a fraction of a step; a staircase does not."""


@dataclass(frozen=True)
class Slope:
    """The slope of a function of one number that is known by name."""

    name: str
    entries: Array


def straight_through(suspect: Suspect, around: Surroundings) -> Finding | None:
    """Not zero, though the values are a staircase in this argument."""
    if not is_zero_by_truth(suspect) or not _is_staircase(suspect, around):
        return None
    whose = _whose(suspect, around)
    predicate = f"is not zero, and the values are a staircase: straight-through or surrogate{whose}"
    return Finding("straight-through", [suspect.name], predicate, suspect, np.zeros(suspect.shape))


def _is_staircase(suspect: Suspect, around: Surroundings) -> bool:
    """Do values jump over long steps, and are they constant between the jumps?"""
    name = suspect.name
    tangent = suspect.witness.tangent(name, suspect.shape)
    here = around.value({})
    for length in FAR:
        there = around.value({name: length * tangent})
        moved = there != here
        if moved.any():
            again = around.value({name: length * (1 + HARDLY) * tangent})
            return bool((again == there)[moved].mean() > 1 / 2)
    return False


def _whose(suspect: Suspect, around: Surroundings) -> str:
    """Of what function the gradient is, where it is known; the value has the argument's shape."""
    u = np.asarray(around.cotangent, np.float64)
    if u.shape != suspect.shape or not u.all():
        return ""
    got, x = suspect.got / u, np.asarray(around.primals[suspect.name], np.float64)
    for slope in _known_slopes(x, got):
        if np.allclose(got, slope.entries, rtol=suspect.loose, atol=suspect.loose):
            return f"; its gradient is that of {slope.name}"
    return "; its gradient is that of another function"


def _known_slopes(x: Array, got: Array) -> Iterator[Slope]:
    yield Slope("the identity", np.ones_like(x))
    inside, outside = np.abs(x[got != 0]), np.abs(x[got == 0])
    if inside.size and outside.size and inside.max() < outside.min():
        yield Slope(f"clip, at {inside.max():.3g} or a little more", np.where(got != 0, 1.0, 0.0))
    yield Slope("tanh", 1 - np.tanh(x) ** 2)
    s = (1 + np.tanh(x / 2)) / 2
    yield Slope("the sigmoid", s * (1 - s))


def clipped(inquiry: Inquiry, around: Surroundings, vjp: Vjp | None) -> Finding | None:
    """The gradient of a value that was clipped, as if it had not been."""
    if vjp is None:
        return None
    stuck = _clipped_entries(inquiry, around)
    if stuck is None:
        return None
    u = np.asarray(around.cotangent)
    corrected = vjp(np.asarray(np.where(stuck, 0, u), u.dtype))
    found = [each for each in inquiry.wrong if _is_mended(each, corrected)]
    if not found:
        return None
    count = (
        f"{int(stuck.sum()):,} of {stuck.size:,} entries" if stuck.size > 1 else "its only entry"
    )
    predicate = f"is that of the value before it was clipped, which it was in {count}"
    first = found[0]
    return Finding("clipped value", names_of(found), predicate, first, _wide(corrected, first))


def _is_mended(suspect: Suspect, corrected: Arrays) -> bool:
    array = _wide(corrected, suspect)
    return array.shape == suspect.shape and explains(suspect, array)


def _wide(gradients: Arrays, suspect: Suspect) -> Array:
    return np.asarray(gradients[suspect.name], np.float64)


def _clipped_entries(inquiry: Inquiry, around: Surroundings) -> npt.NDArray[np.bool_] | None:
    """Where the value is its largest or smallest, and does not move; None if that is nowhere."""
    witness = inquiry.wrong[0].witness
    names = [name for name in inquiry.names if name in witness.primals]
    ray = {name: witness.tangent(name, np.shape(witness.primals[name])) for name in names}
    here = around.value({})
    stuck = here == around.value({name: NEAR * tangent for name, tangent in ray.items()})
    ends = (here == here.max()) | (here == here.min())
    if here.shape != np.shape(around.cotangent) or not stuck.any() or (stuck & ~ends).any():
        return None
    far = (
        around.value({name: sign * length * tangent for name, tangent in ray.items()})
        for length in FAR
        for sign in (1, -1)
    )
    # Where it never moves, it is no function of the arguments that was clipped.
    return np.asarray(stuck) if any((each != here)[stuck].any() for each in far) else None
