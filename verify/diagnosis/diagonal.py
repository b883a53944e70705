"""VJPs that act entry by entry: of a Jacobian's diagonal alone, or with another slope.

vjp(u)ᵢ depends on uᵢ alone if vjp(m u) = m vjp(u) for a mask m. If the values do not act so (an
entry moves when another entry of x does), all that is off the diagonal is missing. If they do, h is
u times a slope, and that may be one of a few formulas in x and the value y, which are easily
confused.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reference_impls.computation import Array, Vjp
from verify.diagnosis.surroundings import Surroundings
from verify.diagnosis.suspect import Finding, Suspect, nearnesses
from verify.error_model.arrays import largest

STEP = 2.0**-17
"""Of a central difference of values, in units of the primals: its error is about 10⁻¹⁰."""

LOOKED_AT = 4
"""Entries whose diagonal element is looked at."""

CLOSE = 1e-6
"""A slope that is known from a difference counts as another that is so near."""


@dataclass(frozen=True)
class Formula:
    """A slope in terms of x and the value y, entry by entry."""

    text: str
    entries: Array


def entry_by_entry(suspect: Suspect, around: Surroundings, vjp: Vjp | None) -> Finding | None:
    """The VJP acts entry by entry, and should not, or does it with a slope that is recognised."""
    u = np.asarray(around.cotangent)
    if vjp is None or suspect.got.size < 2 or u.shape != suspect.shape or not u.all():
        return None
    mask = suspect.witness.rng.random(u.shape) < 0.5
    if mask.all() or not mask.any() or not _acts_by_entry(suspect, vjp, u, mask):
        return None
    slope = suspect.got / np.asarray(u, np.float64)
    if _spreads(suspect, around, mask):
        return _diagonal(suspect, around, slope)
    return _another_slope(suspect, around, slope)


def _acts_by_entry(suspect: Suspect, vjp: Vjp, u: Array, mask: npt.NDArray[np.bool_]) -> bool:
    part = np.asarray(vjp(np.asarray(np.where(mask, u, 0), u.dtype))[suspect.name], np.float64)
    near = nearnesses(suspect)[0].relative
    wanted = np.where(mask, suspect.got, 0.0)
    return part.shape == suspect.shape and bool(
        (np.abs(part - wanted) <= near * np.abs(suspect.got)).all()
    )


def _spreads(suspect: Suspect, around: Surroundings, mask: npt.NDArray[np.bool_]) -> bool:
    """Do entries of the value move when only others of the argument do?"""
    tangent = np.where(mask, suspect.witness.tangent(suspect.name, suspect.shape), 0.0)
    moved = around.value({suspect.name: STEP * tangent}) != around.value({})
    return bool(moved[~mask].any())


def _diagonal(suspect: Suspect, around: Surroundings, slope: Array) -> Finding:
    name, size = suspect.name, STEP * suspect.witness.size(suspect.name)
    places = suspect.witness.rng.choice(slope.size, min(LOOKED_AT, slope.size), replace=False)
    is_diagonal = True
    for flat in map(int, places):
        basis = np.zeros(slope.shape)
        basis.flat[flat] = size
        ahead, behind = around.value({name: basis}), around.value({name: -basis})
        own = float((ahead - behind).flat[flat]) / (2 * size)
        is_diagonal &= abs(own - slope.flat[flat]) <= CLOSE * largest(slope)
    missing = "every entry of the value depends on other entries of it, too"
    predicate = f"is that of the Jacobian's diagonal alone, and {missing}"
    if not is_diagonal:
        written = next(_matching(suspect, around, slope), None)
        which = f"u times {written.text}, " if written else ""
        predicate = f"is {which}taken entry by entry, as if the Jacobian were diagonal: {missing}"
    return Finding("diagonal of the Jacobian only", [name], predicate, suspect)


def _another_slope(suspect: Suspect, around: Surroundings, slope: Array) -> Finding | None:
    """Both act by entry: the slope that was taken, and the one that it should be."""
    taken = next(_matching(suspect, around, slope), None)
    if taken is None:
        return None
    name = suspect.name
    tangent = np.full(slope.shape, STEP * suspect.witness.size(name))
    ahead, behind = around.value({name: tangent}), around.value({name: -tangent})
    true = (ahead - behind) / (2 * tangent)
    if _are_close(true, slope):
        return None
    wanted = next(_matching(suspect, around, true), None)
    text = f"{taken.text} in place of {wanted.text}" if wanted else taken.text
    where = ", where y is the value" if "y" in text else ""
    predicate = f"has the slope {text}{where}"
    corrected = np.asarray(around.cotangent, np.float64) * true
    return Finding("wrong slope", [name], predicate, suspect, corrected)


def _matching(suspect: Suspect, around: Surroundings, slope: Array) -> Iterator[Formula]:
    x, y = np.asarray(around.primals[suspect.name], np.float64), around.value({})
    for formula in _formulas(suspect.name, x, y):
        if _are_close(formula.entries, slope):
            yield formula


def _are_close(one: Array, slope: Array) -> bool:
    return largest(one - slope) <= CLOSE * largest(slope)


def _formulas(name: str, x: Array, y: Array) -> Iterator[Formula]:
    yield Formula("y", y)
    yield Formula("y (1 - y)", y * (1 - y))
    yield Formula("1 - y²", 1 - y * y)
    yield Formula("1 - y", 1 - y)
    yield Formula("1 + y", 1 + y)
    yield Formula(name, x)
    yield Formula(f"{name} (1 - {name})", x * (1 - x))
    yield Formula(f"1 - {name}²", 1 - x * x)
    yield Formula(f"1 - {name}", 1 - x)
