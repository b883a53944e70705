"""⟨Jᵀu, v⟩ of an implementation against ⟨u, J v⟩ from values: the dot test, whatever the size.

(Claerbout, *Earth Soundings Analysis*, 1992, chapter 5.) One number for all entries together tells
*that* a gradient is wrong; *how* it is wrong is then asked of the same oracle, in other directions.
"""

from dataclasses import dataclass, replace

import numpy as np

from reference_impls.computation import Arrays
from reference_impls.function import Function
from verify.checks.case import Case, Result
from verify.checks.check import Check, severity
from verify.checks.compare import make_worst
from verify.checks.first_order.explanation import diagnosed, told
from verify.checks.first_order.oracle import Oracle
from verify.diagnosis import Derivative
from verify.diagnosis.symmetry import FAULT as SYMMETRIC
from verify.diagnosis.symmetry import symmetrised
from verify.error_model.arrays import pair, pairing_norm, unit_roundoff
from verify.error_model.noise import PAIRING, SAFETY, Noise
from verify.oracles.complex_step import COMPLEX
from verify.oracles.estimate import BLUNT, Estimate, is_blunt

RESOLVED = 1e-4
"""Where the tolerance is more than this of an argument's terms, they are tested alone."""

CREDIBLE = 8.0
"""A bar so wide that no test passes by it is one of differences across many kinks: errors of right
gradients are then several times that, as in sorts of 10,000 entries and more."""


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
            detail = f"the oracle's error bar is {estimate.error_bar:.1e}"
            return replace(check, verdict="inconclusive", detail=detail)
        return check

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
    """

    test: DotTest
    oracle: Oracle

    def worst(self, function: Function, *, alone: bool) -> Check:
        """The worst of the dot tests, and how the gradient is wrong if it is.

        Args:
            function: whose result it is.
            alone: is there no other implementation, whose every entry this one's was compared
                with? Then an argument whose share of the dot product is too small to see has a
                test of its own.
        """
        tests = [
            self._seconded(self.test.along(k, estimate), tangents, estimate)
            for k, (tangents, estimate) in enumerate(
                zip(self.test.case.directions, self.oracle.estimates, strict=True)
            )
        ]
        if alone:
            tests += self._hidden_arguments(tests[0])
        worst = max(tests, key=severity)
        return self._explained(worst, function) if worst.verdict == "disagree" else worst

    def _seconded(self, check: Check, tangents: Arrays, estimate: Estimate) -> Check:
        """No single look accuses.

        A complex step is taken again from both sides, and redone with real values: a term that has
        a kink, or is wrong on complex numbers, may be too weak beside the others to show at once.
        Quick Richardson is redone in full. Where kinks blur that too, two very short differences
        must agree.
        """
        if check.verdict != "disagree":
            return check
        second = self.oracle.by_values(tangents)
        scale = self.test.scale(tangents)
        if estimate.oracle != COMPLEX and is_blunt(second, scale):
            second = _confirmed(estimate, self.oracle.between_kinks(tangents, scale))
        elif estimate.oracle == COMPLEX:
            again = self.oracle.truth(tangents)
            second = second if _contradict(second, again) else again
        return self.test.against(tangents, second)

    def _hidden_arguments(self, together: Check) -> list[Check]:
        """Tests of those arguments that the tolerance of all together would hide mistakes in."""
        case, noise = self.test.case, self.test.noise
        if len(case.wrt) == 1:
            return []
        tolerance = together.worst.tolerance if together.worst else 0.0
        everywhere = case.directions[0]
        # Few entries may show little noise by luck: what all together lose, they may lose as well.
        lost = max(pairing_norm(noise.errors, everywhere), float(noise.pairings[0]))
        relative = lost / max(self.test.scale(everywhere), float(np.finfo(case.dtype).tiny))
        tests = []
        for name in case.wrt:
            tangents = {name: everywhere[name]}
            share = self.test.scale(tangents)
            if RESOLVED * share < tolerance:
                truth = self.oracle.truth(tangents)
                found = self.test.against(tangents, truth, relative * share)
                tests.append(self._without_kink(found, tangents))
        return tests

    def _without_kink(self, found: Check, tangents: Arrays) -> Check:
        """All together have not shown the complex step to be valid for a term that is so weak."""
        if found.verdict != "disagree":
            return found
        if self.oracle.sides(tangents):
            detail = "there is a kink here, too weak to be judged beside the other arguments"
            return replace(found, verdict="inconclusive", detail=detail)
        again = self.test.against(tangents, self.oracle.by_values(tangents))
        return again if again.verdict == "agree" else found

    def _explained(self, wrong: Check, function: Function) -> Check:
        """How it is wrong; or why it is not, where the diagnosis finds an excuse that holds."""
        case = self.test.case
        _, vjp = function.make_vjp(case.primals)
        truth = self.oracle.truth if wrong.against == COMPLEX else self.oracle.by_values
        found = diagnosed(case, self.test.result.cotangents, truth, vjp, function)
        if found.is_excused and found.fault == SYMMETRIC:
            excused = self._along_symmetric(truth, found.argument)
            if excused.verdict == "agree":
                return replace(excused, detail=found.sentence)
        elif found.is_excused:
            return replace(wrong, verdict="inconclusive", detail=found.sentence)
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
