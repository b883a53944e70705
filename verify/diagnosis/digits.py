"""h is right to so many digits, and no further, in most of its entries, or in a few.

What is off by less than a millionth has no pattern that could be told: a factor of 1 + 10⁻⁹, a
finite difference and a constant of float32 all look alike, and so does an iteration that stopped
early, which shows in the few entries that were last to converge. So the digits are counted, unless
every entry of h is a number of a narrower dtype. An entry that is off by more than a millionth of
itself, and weak beside the others, has not lost digits: it is wrong.
"""

import math

from verify.diagnosis.bisection import entries_tree
from verify.diagnosis.inquiry import Inquiry
from verify.diagnosis.rounding import rounded
from verify.diagnosis.scaling import factor_between
from verify.diagnosis.suspect import PROBES, SAMPLES, SMALL, Finding, Suspect, names_of

DIGITS = 1e-6
"""Errors below this fraction of the scale are told as digits. In float32 that is rounding."""

ALIKE = 0.5
"""At least this share of the entries is off, where digits are lost and not entries."""


def lost_digits(inquiry: Inquiry) -> Finding | None:
    """Off by so little, and nearly everywhere, that only the right digits can be told."""
    wrong = inquiry.wrong
    error = 0.0
    for suspect in wrong:
        error = max(error, _error(suspect))
        if error > DIGITS:
            return None
    for suspect in wrong:
        narrowed = rounded(suspect)
        if narrowed:
            return narrowed
    if not error:
        return None
    few = [suspect for suspect in wrong if not _is_off_everywhere(suspect)]
    if not all(_is_nearly_right(suspect) for suspect in few):
        return None
    predicate = f"is right to {math.floor(-math.log10(error))} digits"
    if few:
        predicate += ", and further in most entries: an iteration that stopped early inside?"
    else:
        predicate += f"{_exactly(wrong)}: a float32 constant, or a finite difference, inside?"
    return Finding("lost digits", names_of(wrong), predicate, wrong[0])


def _exactly(wrong: list[Suspect]) -> str:
    """The factor that it is off by; of single numbers any is a multiple, so that none is told."""
    alone = len(wrong) == 1 and wrong[0].got.size > 1
    factor = factor_between(wrong[0]) if alone else None
    return f", {factor.times} what it should be" if factor else ""


def _is_nearly_right(suspect: Suspect) -> bool:
    """Is the entry that is furthest off right to as many digits, beside itself?"""
    known = suspect.witness.known_entries(suspect.name)
    wrong = [flat for flat in known if suspect.is_wrong_at(flat)]
    for flat in wrong or [entries_tree(suspect).worst()]:
        true = suspect.entry(flat)
        here = float(suspect.got.flat[flat])
        if not abs(here - true.value) <= DIGITS * max(abs(here), abs(true.value)) + true.error_bar:
            return False
    return True


def _error(suspect: Suspect) -> float:
    """The largest residual along a probe, beside the probe's own size; of one, if that is large."""
    probes = suspect.probe(1)
    if abs(probes[0].residual) <= DIGITS * probes[0].size:
        probes = suspect.probe(PROBES)
    sizes = [probe.size for probe in probes]
    if not all(size > 0 and math.isfinite(size) for size in sizes):
        return math.inf
    return max(abs(probe.residual) / probe.size for probe in probes)


def _is_off_everywhere(suspect: Suspect) -> bool:
    """Are most entries that say something off, or too near to the truth for the oracle to tell?"""
    count = suspect.got.size
    if count == 1:
        return True
    places = range(count) if count <= SMALL else suspect.witness.rng.choice(count, SAMPLES)
    telling = off = 0
    for flat in map(int, places):
        known = suspect.entry(flat)
        if not abs(known.value) > known.error_bar:
            continue
        telling += 1
        off += suspect.is_wrong_at(flat)
        if off >= ALIKE * len(places):
            return True  # whatever the others say
    return off >= ALIKE * telling > 0
