"""One round of judging: the answers held against the truth, within the noise."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

import numpy as np

from reference_impls.computation import Arrays
from verify.checks.check import Check, Worst
from verify.checks.compare import make_worst, worst_entry
from verify.checks.first_order.dot_test import CREDIBLE
from verify.checks.first_order.remarks import FEW_DIGITS
from verify.checks.second_order.answers import KIND, UNSUPPORTED, Answers
from verify.checks.second_order.noise import Probes, noises_of_second
from verify.checks.second_order.question import FACTOR, Question
from verify.checks.second_order.terms import is_rounding, with_terms
from verify.checks.second_order.truth import (
    ByComplexStep,
    ByDifferences,
    GradientOracle,
    NoTruth,
    Truth,
)
from verify.checks.second_order.wider import noise_of_float64
from verify.error_model.arrays import largest, pair, pairing_size, unit_roundoff
from verify.error_model.noise import EXCUSE, PAIRING, SAFETY, Noise, pooled
from verify.oracles.estimate import BLUNT, Estimate

EVERY_ENTRY = "complex step, every entry"


@dataclass(frozen=True)
class Effort:
    """At how many points things are measured in a round.

    Attributes:
        own: beside the primals, for the noise in their own dtype; and as many factors.
        single: for the noise in float32.
        wide: for what float64 shows of a float32 question.
        oracle: for the oracle's own noise.
    """

    own: int
    single: int
    wide: int
    oracle: int


@dataclass(frozen=True)
class Round:
    """What all implementations are held against, measured with one effort.

    Attributes:
        question: what they were asked.
        answers: theirs.
        truth: what no engine computed.
        noise: the rounding that all of them are allowed.
        oracle: of the gradient, whose size it knows.
        terms: noise beyond that, which residuals speak for: by argument, and of the pairings. None
            but in the last round, and nothing there if S is not linear.
    """

    question: Question
    answers: Sequence[Answers]
    truth: Truth
    noise: Noise
    oracle: GradientOracle
    terms: Arrays | None = None

    @classmethod
    def measured(
        cls,
        effort: Effort,
        question: Question,
        answers: Sequence[Answers],
        oracle: GradientOracle,
        rng: np.random.Generator,
    ) -> "Round":
        """A round with this effort; the generator is for the points at which noise is measured."""
        probes = Probes.drawn(question, effort.own, effort.single, rng)
        noises = noises_of_second(question, answers, probes)
        noise, truth = pooled(noises), oracle.truth(effort.oracle)
        if not effort.wide:
            return cls(question, answers, truth, noise, oracle)
        noise = _raised(noise, noise_of_float64(question, answers, effort.wide, rng))
        last = cls(question, answers, truth, noise, oracle, {})
        # Of a map that is not linear the residual is no rounding, and neither is S(cv)/c - S(v).
        if any(last._linearity(each).verdict == "disagree" for each in answers):
            return last
        return replace(last, terms=with_terms(question, answers, noises))

    @property
    def checks(self) -> list[Check]:
        """Of each implementation by itself, then of each pair of them."""
        alone = [check for each in self.answers for check in self._checks(each)]
        pairs = [
            self._entries(one.name, other.name, one.of_v, other.of_v)
            for one, other in combinations(self.answers, 2)
        ]
        return alone + pairs

    @property
    def _is_last(self) -> bool:
        return self.terms is not None

    @cached_property
    def _usual(self) -> Arrays:
        """The noise of each entry of S, and of the terms that cancel in it."""
        noise = self.noise.cotangents
        if not self.terms:
            return noise
        return {name: np.maximum(array, self.terms[name]) for name, array in noise.items()}

    def _checks(self, each: Answers) -> list[Check]:
        return [
            self._second_call(each),
            self._linearity(each),
            self._zero_tangent(each),
            self._symmetry(each),
            *self._against_truth(each),
            *(
                self._entries(each.name, mode, of_v, each.of_v)
                for mode, of_v in each.others.items()
            ),
        ]

    def _second_call(self, each: Answers) -> Check:
        # The same question again: bad conditioning is no excuse, another order of summation is.
        noise = {
            name: np.minimum(array, EXCUSE * largest(each.of_v[name]))
            for name, array in self.noise.cotangents.items()
        }
        return _entries(each.name, "a second call", each.again, each.of_v, noise)

    def _linearity(self, each: Answers) -> Check:
        of_v, of_w = each.of_v, each.of_w
        wanted = {name: of_v[name] - of_v[name].dtype.type(FACTOR) * of_w[name] for name in of_v}
        # Each term is rounded by itself.
        noise = {
            name: (1 + FACTOR) * self.noise.cotangents[name]
            + np.abs(of_v[name])
            + FACTOR * np.abs(of_w[name])
            for name in of_v
        }
        check = _entries(each.name, "linearity", each.combined, wanted, noise)
        if check.verdict == "disagree" and self._is_last and is_rounding(self.question, each):
            detail = "it differs by rounding, which is as many units in the other dtype"
            return Check(each.name, KIND, check.against, "agree", detail)
        return self._unless_nothing(check, 2 * (1 + FACTOR))

    def _zero_tangent(self, each: Answers) -> Check:
        none = {name: np.zeros_like(array) for name, array in self.noise.cotangents.items()}
        return _entries(each.name, "zero tangent", each.of_zero, self.question.zero, none)

    def _symmetry(self, each: Answers) -> Check:
        mirrored = Estimate(pair(each.of_v, self.question.w), 0.0, "symmetry")
        check = self._of_pairing(each.name, mirrored.oracle, self._pairing(each, mirrored))
        worst = check.worst
        if (
            check.verdict == "inconclusive"
            and worst
            and worst.tolerance <= BLUNT * self.oracle.size
        ):
            # S is zero but for its rounding, as beside a gradient that is constant or linear.
            return replace(check, verdict="agree", detail="")
        return check

    def _against_truth(self, each: Answers) -> list[Check]:
        match self.truth:
            case NoTruth(reason):
                return [Check(each.name, KIND, "oracle", UNSUPPORTED, reason)]
            case ByDifferences(estimate, still):
                return [self._against_estimate(each, estimate, still)]
            case ByComplexStep(estimate, of_v):
                every_entry = self._entries(each.name, EVERY_ENTRY, each.of_v, of_v)
                return [self._against_estimate(each, estimate, 0.0), every_entry]

    def _against_estimate(self, each: Answers, estimate: Estimate, still: float) -> Check:
        worst = self._pairing(each, estimate)
        check = self._of_pairing(each.name, estimate.oracle, worst, estimate.error_bar)
        blunt = max(worst.tolerance - estimate.error_bar, BLUNT * worst.scale, still)
        # An oracle that sees so little must not accuse.
        is_open = check.verdict == "agree" or worst.error <= CREDIBLE * estimate.error_bar
        if is_open and estimate.error_bar > blunt:
            detail = f"the oracle's error bar is {estimate.error_bar:.1e}"
            return replace(check, verdict="inconclusive", detail=detail)
        return check

    def _pairing(self, each: Answers, expected: Estimate) -> Worst:
        """⟨S(w), v⟩ against what it should be."""
        v, w, dtype = self.question.v, self.question.w, self.question.dtype
        scale = max(pairing_size(each.of_w, v), pairing_size(each.of_v, w))
        return make_worst(
            argument="⟨S(w), v⟩",
            index="",
            got=pair(each.of_w, v),
            expected=expected.value,
            units=(
                unit_roundoff(dtype),
                max(scale, float(np.finfo(dtype).tiny)),
                self._noise_of_pairings,
            ),
            error_bar=expected.error_bar,
        )

    def _of_pairing(self, name: str, against: str, worst: Worst, bar: float = 0.0) -> Check:
        check = _judged(name, against, worst, bar)
        return self._unless_nothing(check)

    @property
    def _noise_of_pairings(self) -> float:
        own = float(self.noise.pairings)
        return own if not self.terms else max(own, float(self.terms[PAIRING]))

    def _entries(self, name: str, against: str, got: Arrays, expected: Arrays) -> Check:
        """Two S(v), entry by entry."""
        return self._unless_nothing(_entries(name, against, got, expected, self._usual))

    def _unless_nothing(self, check: Check, times: float = 1.0) -> Check:
        """A disagreement by less than the rounding of the gradient is none, or undecided."""
        worst = check.worst
        if not self._is_last or check.verdict != "disagree" or worst is None:
            return check
        nothing = times * self._nothing(worst.argument)
        if worst.error > nothing:
            return check
        if FEW_DIGITS * worst.scale < nothing < worst.scale:
            detail = "rounding of the gradient leaves less than two digits"
            return replace(check, verdict="inconclusive", detail=detail)
        detail = "it differs by less than the rounding of the gradient"
        return Check(check.implementation, KIND, check.against, "agree", detail)

    def _nothing(self, argument: str) -> float:
        """The rounding of what S, or a pairing, would be if the gradient changed by its size."""
        try:
            here = self.oracle.here
        except Exception:  # noqa: BLE001 -- the oracle's own check says that it cannot be had
            return 0.0
        size = largest(here[argument]) if argument in here else self.oracle.size
        return SAFETY * unit_roundoff(self.question.dtype) * size


def _raised(noise: Noise, others: Arrays) -> Noise:
    raised = {n: np.maximum(array, others[n]) for n, array in noise.errors.items() if n in others}
    return replace(noise, errors={**noise.errors, **raised})


def _entries(name: str, against: str, got: Arrays, expected: Arrays, noise: Arrays) -> Check:
    return _judged(name, against, worst_entry(got, expected, noise))


def _judged(name: str, against: str, worst: Worst, error_bar: float = 0.0) -> Check:
    if not worst.accepted:
        return Check(name, KIND, against, "disagree", worst=worst)
    if worst.error > error_bar and worst.tolerance > worst.scale:
        detail = "rounding noise leaves no digit"
        return Check(name, KIND, against, "inconclusive", detail, worst)
    return Check(name, KIND, against, "agree", worst=worst)
