"""⟨Jᵀu, v⟩ of an implementation against ⟨u, J v⟩ from values: the dot test, whatever the size.

(Claerbout, *Earth Soundings Analysis*, 1992, chapter 5.) One number for all entries together tells
*that* a gradient is wrong; *how* it is wrong is then asked of the same oracle, in other directions.
"""

from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from reference_impls.computation import Arrays
from verify.checks.case import Case, Result
from verify.checks.check import Check, severity
from verify.checks.compare import make_worst
from verify.checks.first_order.appeal import Appeal
from verify.checks.first_order.explanation import diagnosed, told
from verify.checks.first_order.oracle import Oracle
from verify.checks.first_order.remarks import (
    AS_FAR_AS_VALUES_SHOW,
    FEW_DIGITS,
    STILL,
    is_doubted,
    with_digits,
)
from verify.checks.first_order.ties import on_either_side
from verify.diagnosis import Derivative
from verify.diagnosis.symmetry import symmetrised
from verify.error_model.arrays import pair, pairing_norm, unit_roundoff
from verify.error_model.noise import EXCUSE, PAIRING, SAFETY, Noise
from verify.oracles.complex_step import COMPLEX
from verify.oracles.estimate import BLUNT, Estimate, is_blunt

RESOLVED = 1e-4
"""Where the tolerance is more than this of an argument's terms, they are tested alone."""

SMALL = 1e-6
"""An error that is less than this of the terms takes all digits to be seen in."""

CREDIBLE = 8.0
"""A bar so wide that no test passes by it is one of differences across many kinks: errors of right
gradients are then several times that, as in sorts of 10,000 entries and more."""


GROSS = 1e-3
"""Of the value's terms: no rounding that takes fewer than all digits is so large."""

BESIDE = (2.0**-44, 2.0**-30)
"""Steps over which the values of a staircase do not move, unless it is at the edge of a step."""

BEYOND = 2.0**-23
"""Another, which is two roundings of float32."""


@dataclass(frozen=True)
class DotTest:
    """⟨Jᵀu, v⟩ of one result, to be held against what an oracle says of ⟨u, J v⟩.

    Attributes:
        case: with u and the tangents v.
        noise: that is allowed there.
        result: the implementation's.
        kind: of the checks that are made.
    """

    case: Case
    noise: Noise
    result: Result
    kind: str = "oracle"

    def along(self, direction: int, estimate: Estimate, condition: float = 0.0) -> Check:
        """Along one of the case's directions.

        Args:
            direction: which.
            estimate: of ⟨u, J v⟩.
            condition: by which the scale is magnified in the noise, beside what was measured.
        """
        tangents = self.case.directions[direction]
        measured = float(self.noise.pairings[direction]) + condition * self.scale(tangents)
        return self.against(tangents, estimate, measured)

    def against(self, tangents: Arrays, estimate: Estimate, measured: float = 0.0) -> Check:
        """Along any tangents.

        Args:
            tangents: v, by argument.
            estimate: of ⟨u, J v⟩.
            measured: the noise of ⟨Jᵀu, v⟩, as far as it was measured.
        """
        unit, scale = unit_roundoff(self.case.dtype), self.scale(tangents)
        tiny = float(np.finfo(self.case.dtype).tiny)
        # The sum's own measured noise may be small by luck; that of its terms together is not.
        noise = max(measured, pairing_norm(self.noise.errors, tangents))
        worst = make_worst(
            argument=self._subject(tangents),
            index="",
            got=pair(self.result.cotangents, tangents),
            expected=estimate.value,
            units=(unit, max(scale, tiny), noise),
            error_bar=estimate.error_bar,
        )
        check = Check(self.result.name, self.kind, estimate.oracle, "agree", worst=worst)
        if not np.isfinite([estimate.value, estimate.error_bar, scale, noise]).all():
            detail = "the oracle, or the noise, is not finite here"
            return replace(check, verdict="inconclusive", detail=detail)
        resolved = max(SAFETY * unit * (scale + noise), BLUNT * scale, tiny)
        blunt = estimate.error_bar > resolved
        if not worst.accepted and not (blunt and worst.error <= CREDIBLE * estimate.error_bar):
            if self._is_cancelled(tangents, estimate):
                detail = "the gradient is at the noise floor: what was added up in it has cancelled"
                return replace(check, verdict="inconclusive", detail=detail)
            return replace(check, verdict="disagree")
        if blunt:
            return self._where_blunt(check, estimate, scale)
        return check

    def _where_blunt(self, check: Check, estimate: Estimate, scale: float) -> Check:
        """It agrees to the digits that values have, if it is their rounding that leaves no more."""
        size = max(self.noise.natural[PAIRING], estimate.moved)
        is_within = check.worst is not None and check.worst.accepted
        if is_within and scale <= estimate.error_bar <= BLUNT * size:
            return replace(check, detail=AS_FAR_AS_VALUES_SHOW)
        if estimate.is_all_there_is and estimate.error_bar <= FEW_DIGITS * scale:
            digits = int(np.log10(scale / estimate.error_bar))
            detail = f"right to {digits} digits; the values are rounded, and show no more"
            return replace(check, detail=detail)
        detail = f"the oracle's error bar is {estimate.error_bar:.1e}"
        return replace(check, verdict="inconclusive", detail=detail)

    def scale(self, tangents: Arrays) -> float:
        """What the terms of ⟨Jᵀu, v⟩ are of the size of."""
        return pairing_norm(self.result.cotangents, tangents)

    def _subject(self, tangents: Arrays) -> str:
        is_one = self.case.wrt != tuple(tangents)
        return "⟨Jᵀu, v⟩" + (f" of {next(iter(tangents))}" if is_one else "")

    def _is_cancelled(self, tangents: Arrays, estimate: Estimate) -> bool:
        """Is all that could be seen of the gradient, and of the derivative, rounding?"""
        most = np.asarray(abs(estimate.value) + estimate.error_bar, self.case.dtype)
        cotangents = self.result.cotangents
        return all(self.noise.vanishes(name, cotangents[name]) for name in tangents) and (
            self.noise.vanishes(PAIRING, most)
        )


@dataclass(frozen=True)
class OracleTest:
    """A result's dot tests against an oracle, each asked again before it accuses.

    Attributes:
        test: with the result.
        oracle: of the function.
        appeal: for all the noise that there is reason to allow, before it is accused.
    """

    test: DotTest
    oracle: Oracle
    appeal: Appeal

    def worst(self, *, alone: bool) -> Check:
        """The worst of the dot tests, or the first that convicts.

        Args:
            alone: is there no other implementation, whose every entry this one's was compared
                with? Then an argument whose share of the dot product is too small to see has a
                test of its own.
        """
        tests: list[Check] = []
        looks = zip(self.test.case.directions, self.oracle.estimates, strict=True)
        for k, (tangents, estimate) in enumerate(looks):
            tests.append(self._seconded(k, tangents, estimate))
            if tests[-1].verdict == "disagree":
                return tests[-1]
        if alone:
            tests += self._hidden_arguments(tests[0])
        return max(tests, key=severity)

    @cached_property
    def _heard(self) -> DotTest:
        return replace(self.test, noise=self.appeal.noise)

    def _seconded(self, direction: int, tangents: Arrays, estimate: Estimate) -> Check:
        """No single look accuses.

        A complex step is taken again from both sides, and redone with real values: a term that has
        a kink, or is wrong on complex numbers, may be too weak beside the others to show at once.
        Quick Richardson is redone in full. Where kinks blur that too, two very short differences
        must agree. What is still accused then, or was left open, is looked at within a guard.
        """
        check = self.test.along(direction, estimate)
        if not is_doubted(check):
            return check
        second = self.oracle.carefully(tangents)
        scale = self.test.scale(tangents)
        if is_blunt(second, scale) and not second.is_all_there_is:
            nearer = self.oracle.between_kinks(tangents, scale)
            second = nearer if estimate.oracle == COMPLEX else _confirmed(estimate, nearer)
        if estimate.oracle == COMPLEX:
            again = self.oracle.truth(tangents)
            second = second if _contradict(second, again) else again
        measured = float(self.test.noise.pairings[direction])
        judged = self._judged(tangents, second, measured)
        # That nothing moves needs no remark where nothing spoke against it.
        is_still = judged.detail == STILL and check.verdict == "agree"
        return replace(judged, detail="") if is_still else judged

    def _judged(self, tangents: Arrays, estimate: Estimate, measured: float) -> Check:
        """The verdict of the second look, and how many digits are left."""
        check = self.test.against(tangents, estimate, measured)
        if check.verdict == "disagree":
            if not self._is_gross(check):
                check = self._heard.against(tangents, estimate, measured)
            check = self._unless_in_doubt(check, tangents, estimate, measured)
        if is_doubted(check) and self._is_constant(tangents, estimate):
            return replace(check, verdict="agree", detail=STILL)
        size = max(self.test.noise.natural[PAIRING], estimate.moved)
        check = self._not_beyond_a_guard(with_digits(check, size), tangents)
        if check.verdict == "disagree":
            against = partial(self.test.against, tangents, measured=measured)
            check = on_either_side(check, estimate, self.appeal.jumps_along(tangents), against)
        inside = self.appeal.computes_in if check.verdict == "disagree" else None
        if inside and SAFETY * inside.unit > FEW_DIGITS:
            detail = f"it computes in {inside.name}, and its values show too few digits"
            return replace(check, verdict="inconclusive", detail=detail)
        return check

    def _unless_in_doubt(
        self, check: Check, tangents: Arrays, estimate: Estimate, measured: float
    ) -> Check:
        """In float32, a difference quotient and a value that was rounded may be off by as much."""
        if check.verdict != "disagree" or self.test.case.dtype == "float64":
            return check
        doubted = replace(self.test, noise=self.appeal.in_doubt)
        if doubted.against(tangents, estimate, measured).verdict == "disagree":
            return check
        detail = "what is rounded on the way may explain it; in float64 there is no doubt"
        return replace(check, verdict="inconclusive", detail=detail)

    def _is_gross(self, wrong: Check) -> bool:
        """Is an error so large that no tolerance that tells anything could excuse it?"""
        worst = wrong.worst
        size = GROSS * self.test.noise.natural[PAIRING]
        if worst is None or worst.error <= max(FEW_DIGITS * worst.scale, size):
            return False
        # What large terms leave when they cancel has no digit in float32, and shows in this alone.
        residual = unit_roundoff(self.test.case.dtype) * self.appeal.terms(PAIRING)
        return worst.error > SAFETY * EXCUSE * residual

    def _is_constant(self, tangents: Arrays, estimate: Estimate) -> bool:
        """Is it zero where φ is constant, and no derivative from further away to be trusted?"""
        if self.test.scale(tangents) > 0:
            return False
        # Stairs of the function's own jump over long steps, by anything; those of a format add up.
        # Of half precision, a few entries of `ceil` look the same.
        inside = self.appeal.computes_in
        share = 1.0 if inside and SAFETY * inside.unit <= FEW_DIGITS else FEW_DIGITS
        is_known = estimate.error_bar <= share * abs(estimate.value) > 0
        if is_known and inside:
            return False
        phi = self.oracle.values.along(tangents)
        # What rounds to float32 inside, unrecognised, is no staircase for so long.
        steps = (*BESIDE, BEYOND) if is_known else BESIDE
        return all(phi(sign * step) == phi(0.0) for step in steps for sign in (1, -1))

    def _not_beyond_a_guard(self, check: Check, tangents: Arrays) -> Check:
        """At 0, x/max(|x|, 1e-12) is 10¹² x, and steps of any usual length are beyond that."""
        if check.verdict == "agree":
            return check
        nearer = self.oracle.inside_guard(tangents)
        if is_blunt(nearer, self.test.scale(tangents)):
            return check
        again = self.test.against(tangents, nearer)
        return again if again.verdict == "agree" else check

    def _hidden_arguments(self, together: Check) -> list[Check]:
        """Tests of those arguments that the tolerance of all together would hide mistakes in."""
        case, noise = self.test.case, self.test.noise
        if len(case.wrt) == 1:
            return []
        tolerance = together.worst.tolerance if together.worst else 0.0
        everywhere = case.directions[0]
        # Few entries may show little noise by luck: what all together lose, they may lose as well.
        lost = max(pairing_norm(noise.errors, everywhere), float(noise.pairings[0]))
        together_scale = self.test.scale(everywhere)
        relative = lost / together_scale if together_scale else 0.0
        tests = []
        for name in case.wrt:
            tangents = {name: everywhere[name]}
            share = self.test.scale(tangents)
            if RESOLVED * share < tolerance:
                truth = self.oracle.truth(tangents)
                found = self.test.against(tangents, truth, relative * share)
                tests.append(self._without_kink(found, tangents, relative * share))
        return tests

    def _without_kink(self, found: Check, tangents: Arrays, measured: float) -> Check:
        """All together have not shown the complex step to be valid for a term that is so weak."""
        if not is_doubted(found):
            return found
        if self.oracle.sides(tangents):
            detail = "there is a kink here, too weak to be judged beside the other arguments"
            return replace(found, verdict="inconclusive", detail=detail)
        again = self._judged(tangents, self.oracle.carefully(tangents), measured)
        # What code makes of a complex `abs` or cast has no imaginary part.
        sees_it = found.against == COMPLEX and found.worst and found.worst.expected != 0
        is_blind = again.verdict == "inconclusive" or again.detail in (AS_FAR_AS_VALUES_SHOW, STILL)
        return found if is_blind and sees_it else again

    def explained(self, wrong: Check) -> Check:
        """How it is wrong; or why it is not, where the diagnosis finds an excuse that holds."""
        case, function = self.test.case, self.appeal.function
        _, vjp = function.make_vjp(case.primals)
        got, worst = self.test.result.cotangents, wrong.worst
        truth = self.oracle.for_diagnosis(
            got,
            by_values=wrong.against != COMPLEX,
            is_sharp=worst is not None and worst.error <= SMALL * worst.scale,
        )
        found = diagnosed(case, got, truth, vjp, function)
        if found.is_excused:
            exact = self.oracle.truth if wrong.against == COMPLEX else self.oracle.by_values
            excused = self._along_symmetric(exact, found.argument)
            if excused.verdict == "agree":
                return replace(excused, detail=found.sentence)
        return replace(wrong, detail=told(case, found), fault=found.fault)

    def _along_symmetric(self, truth: Derivative, argument: str) -> Check:
        """The worst dot test along directions that are symmetric in one argument.

        Beside others that argument may be weak, and is looked at alone as well.
        """
        tests: list[Check] = []
        for tangents in self.test.case.directions:
            alone = {argument: symmetrised(tangents[argument])}
            tests += [self.test.against(each, truth(each)) for each in (tangents | alone, alone)]
        return max(tests, key=severity)


def _confirmed(first: Estimate, second: Estimate) -> Estimate:
    apart = abs(first.value - second.value) if _contradict(first, second) else 0.0
    return replace(second, error_bar=second.error_bar + apart)


def _contradict(first: Estimate, second: Estimate) -> bool:
    return abs(first.value - second.value) > first.error_bar + second.error_bar
