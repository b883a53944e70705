"""The hypotheses about a wrong gradient, in the order in which they are tried.

First come faults that all wrong arguments share, then faults of one of the worst arguments alone,
then the places in the worst that are wrong. The first hypothesis that explains the residual is the
finding. A class is named only where its mark was seen; those whose mark is in values, or in other
gradients, are tried only where these can be asked for.
"""

import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import numpy as np

from reference_impls.computation import Array, Arrays, Vjp
from verify.diagnosis.addition import additive
from verify.diagnosis.cancelled_kinks import kinks_cancel
from verify.diagnosis.conclusion import not_finite, nothing_found, report, unrecognised
from verify.diagnosis.dependence import cotangent_ignored, dropped, leaked
from verify.diagnosis.diagonal import entry_by_entry
from verify.diagnosis.digits import lost_digits
from verify.diagnosis.flat_values import clipped, straight_through
from verify.diagnosis.inquiry import Inquiry
from verify.diagnosis.other_dtype import gradients_depend_on_dtype
from verify.diagnosis.places import located
from verify.diagnosis.rearrangement import rearranged, swapped
from verify.diagnosis.reduction import over_reduced
from verify.diagnosis.rounding import rounded
from verify.diagnosis.scaling import factor_of_all, factor_of_one, lengths_of
from verify.diagnosis.surroundings import Surroundings
from verify.diagnosis.suspect import Finding, Suspect
from verify.diagnosis.symmetry import symmetric_part_only
from verify.diagnosis.witness import Derivative, Witness
from verify.diagnosis.words import Diagnosis

WORST = 3
"""Of so many arguments, those that are most wrong, faults of one alone are looked for."""


def diagnose(
    got: Arrays,
    truth: Derivative,
    *,
    cotangent: Array,
    vjp: Vjp | None,
    dtype: str,
    rng: np.random.Generator,
    primals: Arrays,
    around: Surroundings | None = None,
) -> Diagnosis:
    """The class of the fault in a gradient that is known to be wrong.

    Args:
        got: what the implementation returned, by argument: real arrays of the primals' shapes.
        truth: ⟨u, J v⟩ for tangents v that are float64 arrays by argument. It may raise, or give
            NaN or an infinite error bar, where the oracle is of no use.
        cotangent: u.
        vjp: the implementation's own VJP, to see whether it depends on u; it may raise.
        dtype: of the computation, ``float64`` or ``float32``.
        rng: for tangents and samples.
        primals: the arguments, by name, and possibly others.
        around: values and gradients beside the point, where they can be had.

    Returns:
        A diagnosis, "unknown" if nothing is recognised or the oracle is too blunt.

    Raises:
        ValueError: there is no argument with an entry.
    """
    wide = {name: np.asarray(array, np.float64) for name, array in got.items() if np.size(array)}
    if not wide:
        raise ValueError("diagnose was given no gradient with an entry, and needs one")
    witness = Witness(truth, primals, rng)
    broken = [name for name, array in wide.items() if not np.isfinite(array).all()]
    if broken:
        return not_finite(broken[0], wide[broken[0]], witness)
    inquiry = Inquiry.open(wide, witness, dtype)
    if not inquiry.wrong:
        return nothing_found(inquiry)
    asked = _Asked(inquiry, lengths_of(primals, cotangent), cotangent, vjp, dtype, around)
    return report(asked.finding(), inquiry)


@dataclass(frozen=True)
class _Asked:
    """Of an inquiry that found something wrong, what else the hypotheses need; see `diagnose`."""

    inquiry: Inquiry
    lengths: Mapping[int, str]
    cotangent: Array
    vjp: Vjp | None
    dtype: str
    around: Surroundings | None

    def finding(self) -> Finding:
        inquiry = self.inquiry
        return (
            lost_digits(inquiry)
            or cotangent_ignored(inquiry, self.cotangent, self.vjp)
            or self._beside(lambda around: kinks_cancel(inquiry, around))
            or dropped(inquiry)
            or factor_of_all(inquiry, self.lengths)
            or swapped(inquiry)
            or self._of_flat_values()
            or self._alone()
            or self._beside(lambda around: gradients_depend_on_dtype(inquiry, around, self.dtype))
            or located(inquiry.wrong[0])
            or unrecognised(inquiry)
        )

    def _of_flat_values(self) -> Finding | None:
        for suspect in self.inquiry.wrong[:WORST]:
            finding = self._beside(partial(straight_through, suspect))
            if finding:
                return finding
        return self._beside(lambda around: clipped(self.inquiry, around, self.vjp))

    def _alone(self) -> Finding | None:
        """The hypotheses about one argument alone, each of which costs a handful of calls."""
        for suspect in self.inquiry.wrong[:WORST]:
            finding = (
                leaked(suspect)
                or factor_of_one(
                    suspect, self.lengths, self.cotangent if self.vjp is None else None
                )
                or over_reduced(suspect)
                or additive(suspect, self.cotangent)
                or symmetric_part_only(suspect, self.around)
                or self._by_entry(suspect)
                or rearranged(suspect)
                or rounded(suspect)
            )
            if finding:
                return finding
        return None

    def _by_entry(self, suspect: Suspect) -> Finding | None:
        return self._beside(lambda around: entry_by_entry(suspect, around, self.vjp))

    def _beside(self, hypothesis: Callable[[Surroundings], Finding | None]) -> Finding | None:
        """A hypothesis that asks for more than the truth; where it cannot be had, none."""
        if self.around is None:
            return None
        with np.errstate(all="ignore"), warnings.catch_warnings(), suppress(Exception):
            warnings.simplefilter("ignore")
            return hypothesis(self.around)
        return None
