"""h = P g for a permutation P of the entries: transposes, rolls, flips, swaps and others.

For each P of a short list, P⁻¹ h is tried as the truth. Any other P is found from true values of
single entries that stand elsewhere in h. If most of them moved by the same displacement, it is a
roll. If they moved in other ways, and h has all the numbers of g (as their sum tells, where not all
are known), it is a permutation. Since a number may be found by chance, decoys a few tolerances away
from the true values are looked for as well, and must not be found as often.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, combinations, permutations

import numpy as np
import numpy.typing as npt

from reference_impls.computation import Array
from verify.diagnosis.inquiry import Inquiry
from verify.diagnosis.suspect import (
    SAMPLES,
    SMALL,
    Finding,
    Nearness,
    Suspect,
    explains,
    names_of,
    nearnesses,
)
from verify.diagnosis.words import FEW, listed
from verify.error_model.arrays import index_of, norm
from verify.error_model.noise import SAFETY
from verify.oracles.estimate import Estimate

SHIFTS = (1, -1, 2, -2, 3, -3)
"""Of the rolls that are tried without a hint."""

MOST_AXES = 4
"""Beyond these, there are too many orders of axes to try."""

CANDIDATES = 1000
"""A true value that is found in more places than this does not tell where an entry went."""


@dataclass(frozen=True)
class Undone:
    """A rearrangement, and h with it undone.

    Attributes:
        fault: its class.
        predicate: what the gradient would then do.
        corrected: what the gradient would then be.
    """

    fault: str
    predicate: str
    corrected: Array


def swapped(inquiry: Inquiry) -> Finding | None:
    """Two arguments of one shape have each other's gradient."""
    for one, other in combinations(inquiry.wrong[:FEW], 2):
        if one.shape != other.shape or not one.got.any() or not other.got.any():
            continue
        if explains(one, other.got) and explains(other, one.got):
            predicate = "is that of the other"
            return Finding(
                "swapped arguments", names_of([one, other]), predicate, one, corrected=other.got
            )
    return None


def rearranged(suspect: Suspect) -> Finding | None:
    """Transposed, rolled or reversed, in a way from a short list."""
    got = suspect.got
    for undone in chain(_transposes(got), _rolls(got), _flips(got)):
        if explains(suspect, undone.corrected):
            return _finding(suspect, undone)
    return None


def _finding(suspect: Suspect, undone: Undone) -> Finding:
    return Finding(undone.fault, [suspect.name], undone.predicate, suspect, undone.corrected)


def _transposes(got: Array) -> Iterator[Undone]:
    """Axes exchanged, or entries laid out in the order of another memory layout."""
    shape = got.shape
    if not 2 <= got.ndim <= MOST_AXES or sum(length > 1 for length in shape) < 2:
        return
    orders = [axes for axes in permutations(range(got.ndim)) if axes != tuple(range(got.ndim))]
    for axes in orders:
        if tuple(shape[axis] for axis in axes) == shape:
            exchanged = "is transposed"
            if got.ndim > 2:
                exchanged += f": its axes are in the order {', '.join(map(str, np.argsort(axes)))}"
            yield Undone("transpose", exchanged, got.transpose(axes))
    for axes in orders:
        layout = tuple(shape[axis] for axis in axes)
        if layout != shape:
            undone = got.reshape(layout).transpose(np.argsort(axes))
            text = f"has the entries of its transpose, of shape {layout}, in memory order"
            yield Undone("transpose", text, undone)


def _rolls(got: Array) -> Iterator[Undone]:
    for axis, length in enumerate(got.shape):
        shifts = [shift for shift in SHIFTS if 2 * abs(shift) <= length]
        for shift in dict.fromkeys(shift % length for shift in shifts):
            yield _roll(got, {axis: shift})
    if got.ndim > 1:
        for shift in SHIFTS[:2]:
            undone = np.roll(got, -shift)
            text = f"is rolled by {shift} in the order of its memory"
            yield Undone("roll", text, undone)


def _roll(got: Array, shifts: Mapping[int, int]) -> Undone:
    """A roll by so much along each axis, in words the shorter way round."""
    short = {axis: _shorter(shift, got.shape[axis]) for axis, shift in shifts.items()}
    text = " and ".join(f"by {shift} along axis {axis}" for axis, shift in short.items())
    undone = np.roll(got, [-shift for shift in short.values()], list(short))
    return Undone("roll", f"is rolled {text}", undone)


def _shorter(shift: int, length: int) -> int:
    shift %= length
    return shift if 2 * shift <= length else shift - length


def _flips(got: Array) -> Iterator[Undone]:
    long = [axis for axis, length in enumerate(got.shape) if length > 1]
    for count in range(1, min(len(long), MOST_AXES) + 1):
        for axes in combinations(long, count):
            where = "axis" if count == 1 else "axes"
            text = f"is reversed along {where} {listed([str(axis) for axis in axes])}"
            yield Undone("permutation", text, np.flip(got, axes))


def moved_entries(suspect: Suspect, samples: Mapping[int, Estimate]) -> Finding | None:
    """The true values of all sampled entries stand in h, at other places."""
    least = SAFETY * suspect.unit * suspect.typical
    values = {
        flat: known for flat, known in samples.items() if abs(known.value) > known.error_bar + least
    }
    if len(values) < 3:
        return None
    near = {flat: _found(suspect, known, nearnesses(suspect)[-1]) for flat, known in values.items()}
    near = {flat: places for flat, places in near.items() if len(places) <= CANDIDATES}
    roll = _voted_roll(suspect, near, suspect.shape)
    if suspect.got.ndim > 1:
        roll = roll or _voted_roll(suspect, near, (suspect.got.size,))
    return roll or _permuted(suspect, values, samples)


def _permuted(
    suspect: Suspect, values: Mapping[int, Estimate], samples: Mapping[int, Estimate]
) -> Finding | None:
    for nearness in nearnesses(suspect):
        found = {flat: _found(suspect, known, nearness) for flat, known in values.items()}
        moved = {
            flat: int(places[0])
            for flat, places in found.items()
            if len(places) and flat not in places
        }
        missing = sum(not len(places) for places in found.values())
        if missing > len(found) // 8 or len(moved) < 2 or _by_chance(suspect, values, nearness):
            continue
        if _same_multiset(suspect, samples):
            shape = suspect.shape
            shown = ", ".join(
                f"{index_of(place, shape)} holds what belongs at {index_of(flat, shape)}"
                for flat, place in list(moved.items())[:3]
            )
            predicate = f"has its entries permuted{_along(moved, suspect.shape)}: {shown}"
            return Finding("permutation", [suspect.name], predicate, suspect)
    return None


def _by_chance(suspect: Suspect, values: Mapping[int, Estimate], nearness: Nearness) -> bool:
    """May the true values have been found by chance: are decoys found in h as well?"""
    if suspect.got.size <= SMALL:
        return False
    # Where many entries are alike, many finds are one.
    found = [_found(suspect, known, nearness) for known in values.values()]
    different = {int(places[0]) for places in found if len(places)}
    elsewhere = 1 + 8 * nearness.relative
    decoys = [
        Estimate(elsewhere * known.value, known.error_bar, known.oracle)
        for known in values.values()
    ]
    count = sum(len(_found(suspect, decoy, nearness)) > 0 for decoy in decoys)
    return len(different) < SAMPLES // 4 or count > len(values) // 5


def _found(suspect: Suspect, known: Estimate, nearness: Nearness) -> npt.NDArray[np.intp]:
    allowed = known.error_bar + nearness.relative * abs(known.value) + nearness.absolute
    return np.flatnonzero(np.abs(suspect.got - known.value) <= allowed)


def _voted_roll(
    suspect: Suspect, found: Mapping[int, npt.NDArray[np.intp]], shape: tuple[int, ...]
) -> Finding | None:
    """The roll by the displacement that most samples share, if undoing it gives the truth.

    Args:
        suspect: in question.
        found: for each sample, the places in h that have its true value.
        shape: that h is rolled in: its own, or a flat one.
    """
    votes: Counter[tuple[int, ...]] = Counter()
    for flat, places in found.items():
        here = np.unravel_index(flat, shape)
        there = np.unravel_index(places, shape)
        moves = [(t - h) % n for t, h, n in zip(there, here, shape, strict=True)]
        votes.update(set(zip(*(move.tolist() for move in moves), strict=True)))
    for shifts, count in votes.most_common(FEW):
        if 2 * count <= len(found) or not any(shifts):
            continue
        moved = {axis: shift for axis, shift in enumerate(shifts) if shift}
        undone = _roll(suspect.got.reshape(shape), moved)
        undone = replace(undone, corrected=undone.corrected.reshape(suspect.shape))
        if shape != suspect.shape:
            text = f"is rolled by {_shorter(shifts[0], shape[0])} in the order of its memory"
            undone = replace(undone, predicate=text)
        if explains(suspect, undone.corrected):
            return _finding(suspect, undone)
    return None


def _same_multiset(suspect: Suspect, samples: Mapping[int, Estimate]) -> bool:
    """Has h the numbers of g in another order? By all where they are known, or by their sum."""
    if len(samples) == suspect.got.size:
        expected = np.sort([known.value for known in samples.values()])
        bars = max(known.error_bar for known in samples.values())
        allowed = bars + suspect.loose * float(np.abs(expected).max())
        return bool((np.abs(np.sort(suspect.got.ravel()) - expected) <= allowed).all())
    size = suspect.witness.size(suspect.name)
    total = suspect.witness.along({suspect.name: np.full(suspect.shape, size)})
    allowed = total.error_bar + suspect.loose * size * norm(suspect.got)
    return abs(size * float(suspect.got.sum()) - total.value) <= allowed


def _along(moved: Mapping[int, int], shape: tuple[int, ...]) -> str:
    """In words, the axis along which all of them moved; empty if there is not just one."""
    if len(shape) < 2:
        return ""
    changed = [
        {axis for axis, (a, b) in enumerate(zip(here, there, strict=True)) if a != b}
        for here, there in (
            (np.unravel_index(flat, shape), np.unravel_index(place, shape))
            for flat, place in moved.items()
        )
    ]
    axes = set().union(*changed)
    return f" along axis {axes.pop()}" if len(axes) == 1 else ""
