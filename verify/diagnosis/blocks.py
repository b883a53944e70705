"""Entries that are wrong together: a box, as one would index it, or a stretch of memory.

From the first to the last wrong entry, both are determined: of a box, memory holds one corner first
and the opposite one last. A few entries inside must be wrong, and ⟨h - g, v⟩ must vanish for
tangents v that are zero there.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from verify.diagnosis.suspect import Finding, Suspect
from verify.diagnosis.words import FEW
from verify.error_model.arrays import index_of, inner, norm
from verify.error_model.noise import SAFETY

MOST_OF = 15 / 16
"""Where more is wrong than this, what seems right is more likely to be nearly so by chance."""


def block_between(suspect: Suspect, first: int, last: int) -> Finding | None:
    """All entries of a box, or of a stretch of memory, from the first wrong one to the last."""
    shape = suspect.shape
    corners = [np.unravel_index(flat, shape) for flat in (first, last)]
    low, high = ([int(i) for i in corner] for corner in corners)
    if all(a <= b for a, b in zip(low, high, strict=True)):
        # Of a box, memory holds one corner first and the opposite one last.
        box = tuple(slice(a, b + 1) for a, b in zip(low, high, strict=True))
        inside = np.zeros(shape, bool)
        inside[box] = True
        if _fills(suspect, inside) and _is_right_outside(suspect, inside):
            return _block_finding(suspect, inside, _box_text(box, shape))
    stretch = np.zeros(suspect.got.size, bool)
    stretch[first : last + 1] = True
    inside = stretch.reshape(shape)
    if _fills(suspect, inside) and _is_right_outside(suspect, inside):
        text = (
            f"from {index_of(first, shape)} to {index_of(last, shape)}, in the order of its memory"
        )
        return _block_finding(suspect, inside, text)
    return None


def exact_block(suspect: Suspect, inside: npt.NDArray[np.bool_]) -> Finding | None:
    """A box, or a stretch of memory, that these entries are."""
    count = int(inside.sum())
    if not _least_block(suspect, inside) <= count < inside.size:
        return None
    corners = np.argwhere(inside)
    bounds = zip(corners.min(axis=0).tolist(), corners.max(axis=0).tolist(), strict=True)
    box = tuple(slice(low, high + 1) for low, high in bounds)
    if inside[box].all():
        return _block_finding(suspect, inside, _box_text(box, suspect.shape))
    first, *_, last = np.flatnonzero(inside).tolist()
    if last - first + 1 == count:
        text = f"from {index_of(first, suspect.shape)} to {index_of(last, suspect.shape)}"
        return _block_finding(suspect, inside, f"{text}, in the order of its memory")
    return None


def _block_finding(suspect: Suspect, inside: npt.NDArray[np.bool_], text: str) -> Finding:
    how = "zero" if not suspect.got[inside].any() else "wrong"
    predicate = f"is {how} in a block, {text}, and right elsewhere"
    return Finding("a block of entries", [suspect.name], predicate, suspect)


def _fills(suspect: Suspect, inside: npt.NDArray[np.bool_]) -> bool:
    """Are all entries in there wrong that could be, as far as a few of them tell?"""
    known = suspect.witness.known_entries(suspect.name)
    places = np.flatnonzero(inside)
    if not _least_block(suspect, inside) <= len(places) <= MOST_OF * inside.size:
        return False
    if len(places) > FEW:
        places = suspect.witness.rng.choice(places, FEW, replace=False)
    asked = [flat for flat in known if inside.flat[flat]]
    wrong: set[int] = set()
    for flat in dict.fromkeys(asked + places.tolist()):
        if suspect.is_wrong_at(flat):
            wrong.add(flat)
        elif suspect.got.flat[flat] or abs(suspect.entry(flat).value) > 0:
            return False  # where both are zero, the fault would not show
    return len(wrong) > 1


def _least_block(suspect: Suspect, inside: npt.NDArray[np.bool_]) -> int:
    """Fewer entries than this are a few, not a block; zeros are more telling."""
    return 4 if suspect.got[inside].any() else 2


def _is_right_outside(suspect: Suspect, inside: npt.NDArray[np.bool_]) -> bool:
    """Twice: that errors cancel to a hundredth for one tangent is not so rare."""
    for _ in range(2):
        tangent = np.where(inside, 0.0, suspect.witness.tangent(suspect.name, suspect.shape))
        truth = suspect.witness.along({suspect.name: tangent})
        allowed = suspect.sharpness * norm(suspect.got * tangent) + truth.error_bar
        allowed += SAFETY * suspect.unit * suspect.typical * norm(tangent)
        if not abs(inner(suspect.got, tangent) - truth.value) <= allowed:
            return False
    return True


def _box_text(box: Sequence[slice], shape: tuple[int, ...]) -> str:
    """``[512:, :]``: a box as one would index it."""

    def text(cut: slice, length: int) -> str:
        if cut.stop - cut.start == 1:
            return str(cut.start)
        return f"{cut.start or ''}:{'' if cut.stop == length else cut.stop}"

    return f"[{', '.join(text(cut, n) for cut, n in zip(box, shape, strict=True))}]"
