"""Where h is wrong: a few entries, or all, from true entries and by halving.

Of a small argument every true entry is asked for, of a large one `SAMPLES` at random. If most of
them are wrong, the fault is everywhere: entries were moved. If few are, halving finds
the first and the last wrong entry, with log₂ n questions each; what lies between is a block, or is
searched further.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from verify.diagnosis.bisection import entries_tree
from verify.diagnosis.blocks import block_between, exact_block
from verify.diagnosis.rearrangement import moved_entries
from verify.diagnosis.scaling import some_signs
from verify.diagnosis.suspect import SAMPLES, SMALL, Finding, Suspect, explains, nearnesses
from verify.diagnosis.witness import MAX_CALLS
from verify.diagnosis.words import FEW, listed
from verify.error_model.arrays import index_of
from verify.oracles.estimate import Estimate


def located(suspect: Suspect) -> Finding | None:
    """Entries that were moved, a few that are wrong, or a block of them."""
    count = suspect.got.size
    if count == 1:
        return None
    chosen = (
        range(count)
        if count <= SMALL
        else sorted(int(i) for i in suspect.witness.rng.choice(count, SAMPLES, replace=False))
    )
    known = {flat: suspect.entry(flat) for flat in chosen}
    samples = {flat: each for flat, each in known.items() if math.isfinite(each.value)}
    wrong = [flat for flat in samples if suspect.is_wrong_at(flat)]
    return (
        _everywhere(suspect, samples, wrong)
        or (_places(suspect, wrong) if len(samples) == count else None)
        or (_by_halving(suspect, 0 if wrong else len(samples)) if count > SMALL else None)
        or some_signs(suspect, suspect.witness.known_entries(suspect.name))
    )


def _everywhere(
    suspect: Suspect, samples: Mapping[int, Estimate], wrong: Sequence[int]
) -> Finding | None:
    # An entry that is right and zero says nothing: a fault in all entries would not show there.
    telling = [
        flat
        for flat, known in samples.items()
        if flat in wrong or abs(known.value) > known.error_bar
    ]
    if len(wrong) >= 0.75 * len(telling) > 0:
        finding = moved_entries(suspect, samples)
        if finding:
            return finding
    if len(wrong) >= max(3, 0.25 * len(telling)):
        return some_signs(suspect, samples)
    return None


def _by_halving(suspect: Suspect, right: int) -> Finding | None:
    """The first and the last wrong entry, and from there what lies between.

    Args:
        suspect: with more than `SMALL` entries.
        right: how many entries looked at at random were all right; 0 if one of them was not.
    """
    tree = entries_tree(suspect)
    if not tree.root.is_wrong:
        return None
    first, last = tree.end(leftmost=True), tree.end(leftmost=False)
    if not suspect.is_wrong_at(first) or not suspect.is_wrong_at(last):
        return None
    if first == last:
        return _places(suspect, [first])
    block = block_between(suspect, first, last)
    if block:
        return block
    wrong = tree.wrong_leaves(FEW, lambda: suspect.witness.calls < MAX_CALLS)
    if wrong.complete and all(suspect.is_wrong_at(flat) for flat in wrong.found):
        return _places(suspect, wrong.found)
    return _here_and_there(suspect, right)


def _here_and_there(suspect: Suspect, right: int) -> Finding | None:
    """Some wrong entries were found, and not all; entries looked at at random were right.

    Args:
        suspect: with more than `SMALL` entries.
        right: how many were looked at at random; 0 if one of them was wrong.
    """
    if right < SAMPLES:
        return None
    known = sorted(suspect.witness.known_entries(suspect.name))
    wrong = [index_of(flat, suspect.shape) for flat in known if suspect.is_wrong_at(flat)]
    predicate = f"has a few wrong entries, {listed(wrong)} among them; "
    predicate += f"{right} others, looked at at random, are right"
    return Finding("a few entries", [suspect.name], predicate, suspect)


def _places(suspect: Suspect, wrong: Sequence[int]) -> Finding | None:
    """What to say where all wrong entries are known: exchanged, a block, or a few."""
    if not wrong or not _are_all(suspect, wrong):
        return None
    mask = np.zeros(suspect.got.size, bool)
    mask[list(wrong)] = True
    inside = mask.reshape(suspect.shape)
    exchanged = _exchanged(suspect, wrong)
    if exchanged:
        return exchanged
    block = exact_block(suspect, inside)
    if block:
        return block
    if len(wrong) > FEW or not suspect.got[~inside].any():
        return None
    where = listed([index_of(flat, suspect.shape) for flat in wrong])
    entries = "1 wrong entry" if len(wrong) == 1 else f"{len(wrong)} wrong entries"
    how = _all_of_them(suspect, wrong)
    predicate = f"has {entries}, {where}{how}; its others are right"
    return Finding("a few entries", [suspect.name], predicate, suspect)


def _all_of_them(suspect: Suspect, wrong: Sequence[int]) -> str:
    if not any(suspect.got.flat[flat] for flat in wrong):
        return " (zero)" if len(wrong) == 1 else " (all zero)"
    if all(abs(suspect.entry(flat).value) <= suspect.entry(flat).error_bar for flat in wrong):
        return " (should be zero)"
    return ""


def _are_all(suspect: Suspect, wrong: Sequence[int]) -> bool:
    """Are these all wrong entries: does the residual vanish with the truth in their places?"""
    corrected = suspect.got.copy()
    for flat in wrong:
        corrected.flat[flat] = suspect.entry(flat).value
    return explains(suspect, corrected)


def _exchanged(suspect: Suspect, wrong: Sequence[int]) -> Finding | None:
    if len(wrong) < 2:
        return None
    truths = [suspect.entry(flat) for flat in wrong]
    got = np.sort([float(suspect.got.flat[flat]) for flat in wrong])
    expected = np.sort([known.value for known in truths])
    near = nearnesses(suspect)[-1]
    allowed = max(known.error_bar for known in truths) + near.relative * np.abs(expected)
    if not (np.abs(got - expected) <= allowed).all():
        return None
    # Near its own truth, an entry has not moved.
    stayed = [abs(suspect.got.flat[flat] - suspect.entry(flat).value) for flat in wrong]
    if (np.array(stayed) <= allowed.max()).all():
        return None
    where = listed([index_of(flat, suspect.shape) for flat in wrong])
    predicate = f"has the entries {where} exchanged among themselves"
    return Finding("permutation", [suspect.name], predicate, suspect)
