"""h = P g for a permutation P of the entries: transposes, rolls, flips, swaps and others.

A P from a short list is undone, and P⁻¹ h must explain all. Another is found from true values of
entries that stand elsewhere in h: if most of them moved by the same displacement, it is a roll; if
they merely moved, and all the numbers are there (known or by their sum), a permutation. A number is
found by chance as well: decoys a few tolerances away must not be found as often.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
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

MOST_AXES = 4

CANDIDATES = 1000


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
    for fault, predicate, corrected in chain(
        _transposes(suspect.got), _rolls(suspect.got), _flips(suspect.got)
    ):
        if explains(suspect, corrected):
            return Finding(fault, [suspect.name], predicate, suspect, corrected)
    return None


def _transposes(got: Array) -> Iterator[tuple[str, str, Array]]:
    """Undone: axes exchanged, and entries read in the order of another memory layout."""
    shape = got.shape
    if not 2 <= got.ndim <= MOST_AXES or sum(length > 1 for length in shape) < 2:
        return
    orders = [axes for axes in permutations(range(got.ndim)) if axes != tuple(range(got.ndim))]
    for axes in orders:
        if tuple(shape[axis] for axis in axes) == shape:
            exchanged = "is transposed"
            if got.ndim > 2:
                exchanged += f": its axes are in the order {', '.join(map(str, np.argsort(axes)))}"
            yield "transpose", exchanged, got.transpose(axes)
    for axes in orders:
        layout = tuple(shape[axis] for axis in axes)
        if layout != shape:
            undone = got.reshape(layout).transpose(np.argsort(axes))
            text = f"has the entries of its transpose, of shape {layout}, in memory order"
            yield "transpose", text, undone


def _rolls(got: Array) -> Iterator[tuple[str, str, Array]]:
    for axis, length in enumerate(got.shape):
        shifts = [shift for shift in SHIFTS if 2 * abs(shift) <= length]
        for shift in dict.fromkeys(shift % length for shift in shifts):
            yield _roll(got, {axis: shift})
    if got.ndim > 1:
        for shift in SHIFTS[:2]:
            undone = np.roll(got, -shift)
            yield "roll", f"is rolled by {shift} in the order of its memory", undone


def _roll(got: Array, shifts: Mapping[int, int]) -> tuple[str, str, Array]:
    """Undone: a roll by so much along each axis, told by the shorter way round."""
    short = {axis: _shorter(shift, got.shape[axis]) for axis, shift in shifts.items()}
    text = " and ".join(f"by {shift} along axis {axis}" for axis, shift in short.items())
    undone = np.roll(got, [-shift for shift in short.values()], list(short))
    return "roll", f"is rolled {text}", undone


def _shorter(shift: int, length: int) -> int:
    shift %= length
    return shift if 2 * shift <= length else shift - length


def _flips(got: Array) -> Iterator[tuple[str, str, Array]]:
    long = [axis for axis, length in enumerate(got.shape) if length > 1]
    for count in range(1, min(len(long), MOST_AXES) + 1):
        for axes in combinations(long, count):
            where = "axis" if count == 1 else "axes"
            text = f"is reversed along {where} {listed([str(axis) for axis in axes])}"
            yield "permutation", text, np.flip(got, axes)


def moved_entries(suspect: Suspect, samples: Mapping[int, Estimate]) -> Finding | None:
    """The true values of entries are all found in h, at other places."""
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


def _by_chance(suspect: Suspect, values: Mapping[int, Estimate], nearness: "Nearness") -> bool:
    """So near to any number, one is often found: tried with numbers that need not be there."""
    if suspect.got.size <= SMALL:
        return False
    # Where many entries are alike, one find is no more than that.
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
    """The displacement that most samples share, if it undoes all, in this shape or its own."""
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
        fault, predicate, corrected = _roll(suspect.got.reshape(shape), moved)
        if shape != suspect.shape:
            predicate = f"is rolled by {_shorter(shifts[0], shape[0])} in the order of its memory"
        corrected = corrected.reshape(suspect.shape)
        if explains(suspect, corrected):
            return Finding(fault, [suspect.name], predicate, suspect, corrected)
    return None


def _same_multiset(suspect: Suspect, samples: Mapping[int, Estimate]) -> bool:
    """The same numbers in another order: all of them where known, else their sum."""
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
    """The one axis along which all of them moved."""
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
