"""h = c g for one number c: a constant factor, a sign, 1/N; and signs wrong in some entries.

Least squares find the c that fits ⟨h, v⟩ = c ⟨g, v⟩ best, with each probe divided by its scale. The
residuals and the oracle's bars tell how exactly c is known, and the shortest number in that range
is told. Every fault of a single entry is a factor: there only a round number counts as one.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from reference_impls.computation import Array, Arrays
from verify.diagnosis.inquiry import Inquiry
from verify.diagnosis.suspect import (
    EXPLAINED,
    PROBES,
    Finding,
    Probe,
    Suspect,
    names_of,
    nearnesses,
)
from verify.error_model.arrays import inner, norm
from verify.error_model.noise import SAFETY
from verify.oracles.estimate import Estimate


@dataclass(frozen=True)
class Factor:
    """A measured number, and how far it may be off, relatively."""

    value: float
    tolerance: float

    def is_near(self, number: float) -> bool:
        """Is it this number, as far as it was measured?"""
        return abs(self.value - number) <= self.tolerance * abs(self.value)

    @property
    def times(self) -> str:
        """``2 times``, ``1/3 of``."""
        text = str(self)
        return f"{text} of" if text.startswith("1/") else f"{text} times"

    def is_one_over(self, number: float) -> bool:
        """Is it the reciprocal of this number, as far as it was measured?"""
        return abs(self.value * number - 1) <= self.tolerance

    def __str__(self) -> str:
        """``2``, ``1.0005``, ``1/3``: the shortest number that it may be."""
        fraction = Fraction(self.value).limit_denominator(99)
        plain = fraction.denominator > 1 and abs(fraction.numerator) < 99
        decimals = [_plain(f"{self.value:.{digits}g}") for digits in range(1, 18)]
        shortest = next((text for text in decimals if self.is_near(float(text))), decimals[-1])
        if plain and self.is_near(float(fraction)) and len(str(fraction)) < len(shortest):
            return str(fraction)
        return shortest


def _plain(text: str) -> str:
    """``10`` for ``1e+01``."""
    return repr(float(text)).removesuffix(".0")


def factor_between(suspect: Suspect) -> Factor | None:
    """The c with h = c g, if there is one that is not 1."""
    return _common_factor(suspect.probe(PROBES), suspect.loose, suspect.unit)


def factor_of_all(inquiry: Inquiry, lengths: Mapping[int, str]) -> Finding | None:
    """The same factor in all arguments that are wrong, where these are several."""
    wrong = inquiry.wrong
    if len(wrong) < 2:
        return None
    each = PROBES if len(wrong) <= 3 else 2 if len(wrong) <= 8 else 1
    probes = [probe for suspect in wrong for probe in suspect.probe(each)]
    factor = _common_factor(probes, wrong[0].loose, wrong[0].unit)
    return _scaled(factor, wrong, lengths) if factor else None


def factor_of_one(
    suspect: Suspect, lengths: Mapping[int, str], cotangent: Array | None
) -> Finding | None:
    """One argument off by a factor; of a single entry, only by a round one."""
    factor = factor_between(suspect)
    if factor is None:
        return None
    if cotangent is not None and np.size(cotangent) == 1 and factor.is_one_over(cotangent.item()):
        predicate = f"is {factor.times} what it should be, one over the cotangent: that is ignored"
        return Finding("cotangent ignored", [suspect.name], predicate, suspect)
    if suspect.got.size == 1 and not _is_round(factor, lengths):
        return None  # any two numbers differ by some factor
    return _scaled(factor, [suspect], lengths)


def _common_factor(probes: Sequence[Probe], loose: float, unit: float) -> Factor | None:
    """The c with ⟨h, v⟩ = c ⟨g, v⟩ for all probes, if there is one."""
    scales = np.array([probe.scale for probe in probes])
    if not (scales > 0).all():
        return None
    got = np.array([probe.got for probe in probes]) / scales
    truths = np.array([probe.truth.value for probe in probes]) / scales
    bars = np.array([probe.truth.error_bar for probe in probes]) / scales
    square = inner(truths, truths)
    if not (math.isfinite(square) and square > 0):
        return None
    factor = inner(got, truths) / square
    left = got - factor * truths
    before = norm(got - truths)
    sharp = norm(bars) * max(abs(factor), 1.0) <= 0.1 * before
    if not sharp or not (np.abs(left) <= loose + abs(factor) * bars).all():
        return None
    if not factor or norm(left) > EXPLAINED * before + abs(factor) * norm(bars):
        return None
    off = (norm(left) / abs(factor) + norm(bars)) / math.sqrt(square)
    found = Factor(factor, 8 * off + SAFETY * unit)
    return None if found.is_near(1) else found


def _scaled(factor: Factor, suspects: list[Suspect], lengths: Mapping[int, str]) -> Finding:
    suspect, names = suspects[0], names_of(suspects)
    corrected = suspect.got / factor.value
    if factor.is_near(-1):
        return Finding("sign", names, "has the wrong sign", suspect, corrected)
    for length, description in lengths.items():
        reason = _reason(factor, length, description)
        if reason:
            times = f"1/{length:,} of" if factor.is_near(1 / length) else factor.times
            predicate = f"is {times} what it should be: {reason}"
            return Finding("1/N", names, predicate, suspect, corrected)
    predicate = f"is {factor.times} what it should be"
    return Finding("constant factor", names, predicate, suspect, corrected)


def _reason(factor: Factor, length: int, description: str) -> str | None:
    """Why a factor comes from a mean over so many, if it does."""
    if length < 3:  # 2 and 1/2 have other causes
        return None
    fewer = length - 1
    reasons = {
        1 / length: f"divided once too often by {length:,}, {description}",
        length: f"not divided by {length:,}, {description}",
    }
    if length >= 5:  # 2/3, 3/2, 3/4 and 4/3 have other causes, too
        reasons |= {
            length / fewer: f"divided by {fewer:,} in place of {length:,}, {description}",
            fewer / length: f"divided by {length:,}, {description}, in place of {fewer:,}",
        }
    return next((text for number, text in reasons.items() if factor.is_near(number)), None)


def lengths_of(primals: Arrays, cotangent: Array) -> dict[int, str]:
    """What N in 1/N may be, and in words what has that length: an axis rather than an array."""
    found: dict[int, str] = {}
    shapes = {name: np.shape(primal) for name, primal in primals.items()}
    shapes["the value"] = np.shape(cotangent)
    for name, shape in shapes.items():
        for axis, length in enumerate(shape):
            found.setdefault(length, f"the length of axis {axis} of {name}")
    for name, shape in shapes.items():
        found.setdefault(math.prod(shape), f"the number of entries of {name}")
    return found


def _is_round(factor: Factor, lengths: Mapping[int, str]) -> bool:
    """Is it a number that somebody would write, and known so well that chance is unlikely?"""
    if factor.tolerance > 1e-5:
        return False
    digits = 5 if factor.tolerance < 1e-7 or abs(factor.value - 1) < 0.01 else 4
    written = factor.is_near(float(f"{factor.value:.{digits}g}"))
    fraction = Fraction(factor.value).limit_denominator(12)
    is_fraction = abs(factor.value) <= 12 and factor.is_near(float(fraction))
    return written or is_fraction or any(_reason(factor, length, "") for length in lengths)


def some_signs(suspect: Suspect, samples: Mapping[int, Estimate]) -> Finding | None:
    """Every sampled entry is right but for its sign, and more have the wrong one than to list."""
    near = nearnesses(suspect)[-1]
    if len(samples) < 6 or not all(
        abs(abs(suspect.got.flat[flat]) - abs(known.value))
        <= known.error_bar + near.relative * abs(known.value) + near.absolute
        for flat, known in samples.items()
    ):
        return None
    wrong = [flat for flat in samples if suspect.is_wrong_at(flat)]
    # Off by hardly more than is allowed, an entry is near the right one, and not its opposite.
    if len(wrong) < 3 or any(suspect.got.flat[flat] * samples[flat].value >= 0 for flat in wrong):
        return None
    values = [samples[flat].value for flat in wrong]
    right = [known.value for flat, known in samples.items() if flat not in wrong]
    if (suspect.got >= 0).all() and all(value >= 0 for value in right):
        predicate = "has lost its signs: it is the absolute value of what it should be"
    elif max(values) < 0 or min(values) > 0:
        truth = "negative" if values[0] < 0 else "positive"
        predicate = f"has the wrong sign where it should be {truth}"
    else:
        predicate = f"has the wrong sign in {len(wrong)} of {len(samples)} entries looked at"
    return Finding("sign", [suspect.name], predicate, suspect)
