"""One case, a function at one point in one dtype: every implementation against everything.

In this order, each step resting on the ones before it:

1. contract: names, shapes, dtypes, finiteness; what every VJP does (`contract`).
2. stability: an implementation's rounding errors are not far above the others'.
3. value: the implementations' values, pair by pair.
4. vjp: their cotangents Jᵀu, pair by pair, entry by entry, for a Gaussian u.
5. oracle: ⟨Jᵀu, v⟩ against ⟨u, J v⟩ from values alone, for Gaussian v.
6. extremes: finite far away, where the derivative is (`extremes`).
7. precision: f and Jᵀu, entry by entry, against the manual derivation carried out in a wider dtype.

At a kink, where the derivative is another on either side, one step stands for 4 to 6: the gradients
beside it against values, and the choice against what lies between those (`kink`).

Step 5 differentiates the values of an implementation that step 3 found no fault with, always in
float64: a float32 gradient is judged against the float64 derivative at the same point. What it
finds wrong is looked into, until it is known how (`verify.diagnosis`). Step 7 is taken where
nothing before it speaks against the manual derivation, and tells how many digits each
implementation has.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from reference_impls.computation import Arrays, cast
from reference_impls.engines.manual.backend import Manual
from reference_impls.function import Function
from verify.checks.case import Case, CatalogueCase, Result
from verify.checks.check import BudgetSpentError, Check, RefusalError, one_line
from verify.checks.first_order.appeal import Appeal, if_one_function
from verify.checks.first_order.contract import observe
from verify.checks.first_order.dot_test import DotTest, OracleTest
from verify.checks.first_order.explanation import contract_check
from verify.checks.first_order.extremes import extremes
from verify.checks.first_order.kink import (
    KinkTest,
    beside,
    is_hidden_kink,
    noises_beside,
)
from verify.checks.first_order.left_out import OF_PAIRS, first_of, left_out, unexplained
from verify.checks.first_order.observation import Broken, Kept, Observed, Refused
from verify.checks.first_order.oracle import NoOracle, Oracle, Values
from verify.checks.first_order.pairs import blamed, compare_values, compare_vjps, suspects
from verify.checks.first_order.precision import (
    ByHand,
    precision_at_kink,
    precision_checks,
    undecided,
)
from verify.checks.first_order.stability import stability_check
from verify.checks.first_order.ties import TIE
from verify.checks.noises import Noises
from verify.diagnosis.other_dtype import values_apart
from verify.error_model.noise import PAIRING
from verify.oracles.estimate import NOISE_POINTS


def verify_case(
    case: Case,
    functions: Sequence[Function],
    noises: Noises | None = None,
    points: int = NOISE_POINTS,
    by_hand: ByHand | None = None,
) -> list[Check]:
    """Every check of one case, in order.

    What a function's budget has nothing left for is left out, and the last check says what.

    Args:
        case: the function and the point.
        functions: implementations of it, each with a name of its own.
        noises: of these at the point, if they have been measured.
        points: how many to measure an oracle's noise at.
        by_hand: the derivation to carry out with more digits, if any; that of a computation of the
            catalogue is its own.
    """
    if by_hand is None and isinstance(case, CatalogueCase):
        by_hand = ByHand(case.computation.by_hand)
    noises = noises or Noises.of(case, functions)
    if len(functions) == 1 and noises.each:
        (function,) = functions
        own = if_one_function(case, function, noises.each[function.name])
        noises = Noises.of_one(function.name, own)
    look = _Look(case, tuple(functions), noises, points, by_hand)
    checks: list[Check] = []
    missing: dict[str, BudgetSpentError] = {}
    for kind, step in look.steps.items():
        try:
            checks += step(look, checks)
        except BudgetSpentError as spent:  # of what comes after, much may be known already
            missing[kind] = spent
    if kinds := [kind for kind in missing if kind not in OF_PAIRS]:
        why = missing[kinds[0]]
        checks.append(left_out(functions[0].name, first_of(kinds), kinds, why))
    return checks


@dataclass(frozen=True)
class _Look:
    """A case's implementations, and what the steps find out about them, each thing once.

    Attributes:
        case: the function and the point.
        functions: the implementations.
        at_point: their noise there.
        points: how many to measure an oracle's noise at.
        by_hand: the derivation to carry out with more digits, if any.
    """

    case: Case
    functions: tuple[Function, ...]
    at_point: Noises
    points: int
    by_hand: ByHand | None

    @cached_property
    def named(self) -> dict[str, Function]:
        return {function.name: function for function in self.functions}

    @cached_property
    def observed(self) -> list[Observed]:
        # All wrong in float32, it lets a float64 array be off by 6·10⁻⁸ of its scale at most; in
        # float32 it would excuse itself.
        is_double = self.case.dtype == "float64"
        noise = self.at_point.measured if is_double else self.at_point.allowed
        return [observe(self.case, noise, each) for each in self.functions]

    @cached_property
    def results(self) -> list[Result]:
        return [each.result for each in self.observed if isinstance(each, Kept)]

    @cached_property
    def values(self) -> list[Check]:
        return compare_values(self.results, self.at_point.allowed, self.appeals)

    @cached_property
    def sound(self) -> list[Function]:
        """Those whose results, and values, nothing speaks against."""
        suspected = suspects(self.values)
        return [self.named[each.name] for each in self.results if each.name not in suspected]

    @cached_property
    def oracle(self) -> Oracle | NoOracle:
        """From values that nothing speaks against."""
        trusted = self.sound
        if self.stands_alone:
            # Its gradient may be no array at all: its values are all there is to go by.
            seen = [each for each in self.observed if not isinstance(each, Refused)]
            trusted = [self.named[each.name] for each in seen]
        if not trusted:
            return NoOracle("no values to differentiate that nothing speaks against")
        # Bodies that take complex numbers first: the complex step is the sharper oracle.
        forward = max(reversed(trusted), key=lambda each: each.takes_complex).forward
        values = Values(self.case, forward)
        try:
            return Oracle.of(values, self.at_point.allowed, self.points, self._cotangents)
        except RefusalError as error:
            return NoOracle(f"at a point beside the primals, {error}", error.__cause__)
        except Exception as error:  # noqa: BLE001 -- it did not at the primals themselves
            return NoOracle(f"at a point beside the primals it {one_line(error)}")

    @property
    def _cotangents(self) -> list[Arrays]:
        found = (each.result for each in self.observed if isinstance(each, Kept | Broken))
        return [result.cotangents for result in found if result]

    @property
    def steps(self) -> "Mapping[str, Step]":
        try:
            return AT_KINK if self.kinks else WHERE_SMOOTH
        except BudgetSpentError:
            return WHERE_SMOOTH  # of which whatever has to know will ask again, and be left out

    @cached_property
    def kinks(self) -> bool:
        if isinstance(self.oracle, NoOracle):
            return False
        if self.oracle.kinks:
            return True
        is_doubted = any(map(self._is_doubted, self.dot_tests.values()))
        return is_doubted and (
            is_hidden_kink(self.case, self.oracle) or self._is_kinked_inside(self.oracle)
        )

    @staticmethod
    def _is_doubted(check: Check) -> bool:
        """No agreement, or one for the jump of a tie alone, which is a kink where it is at x."""
        return check.verdict != "agree" or check.detail == TIE

    def _is_kinked_inside(self, oracle: Oracle) -> bool:
        """Is there a kink that the format hides which a function computes in?"""
        inside = next(
            (found for each in self.appeals.values() if (found := each.computes_in)), None
        )
        size = self.at_point.allowed.natural[PAIRING]
        return inside is not None and oracle.is_kinked(inside.unit, size)

    @cached_property
    def dot_tests(self) -> dict[str, Check]:
        """The worst of every result's, as where f is smooth."""
        if isinstance(self.oracle, NoOracle) or self.oracle.kinks:
            return {}
        return {result.name: self._tested(result, self.oracle) for result in self.results}

    def is_wrong(self, result: Result) -> bool:
        """Does a dot test convict it, where f is smooth?"""
        if isinstance(self.oracle, NoOracle) or self.kinks:
            return False
        return self._tested(result, self.oracle).verdict == "disagree"

    def _tested(self, result: Result, oracle: Oracle) -> Check:
        if self.at_point.of_each(result.name).apart and self.case.dtype != "float64":
            return self._of_another_function(result)
        return self._oracle_test(result, oracle).worst(alone=self.stands_alone)

    def _of_another_function(self, result: Result) -> Check:
        """A float32 gradient cannot be held against a float64 derivative of other values."""
        forward = self.named[result.name].forward
        narrow, wide = (forward(cast(self.case.primals, dtype)) for dtype in ("float32", "float64"))
        detail = f"cannot be judged, as {values_apart(narrow, wide)}"
        return Check(result.name, "oracle", "values of float64", "inconclusive", detail)

    @property
    def stands_alone(self) -> bool:
        return len(self.functions) == 1

    @cached_property
    def noises(self) -> Noises:
        """At the point, or beside it where that is a kink."""
        return (
            noises_beside(self.case, self.functions, self.at_point) if self.kinks else self.at_point
        )

    @cached_property
    def appeals(self) -> dict[str, Appeal]:
        """Every implementation's, by name; each measures only what it is asked for."""
        each = self.at_point.of_each
        return {name: Appeal(self.case, self.named[name], each(name)) for name in self.named}

    def test(self, result: Result) -> DotTest:
        return DotTest(self.case, self.noises.allowed, result, "kink")

    def _oracle_test(self, result: Result, oracle: Oracle) -> OracleTest:
        test = DotTest(self.case, self.at_point.allowed, result)
        return OracleTest(test, oracle, self.appeals[result.name])

    def explained(self, result: Result, oracle: Oracle) -> Check:
        """The worst dot test of a result, and how the gradient is wrong if it is."""
        check = self.dot_tests[result.name]
        if check.verdict != "disagree" or self.kinks:
            return check
        try:
            return self._oracle_test(result, oracle).explained(check)
        except BudgetSpentError as spent:
            return unexplained(self.case, check, spent)


def _contract(look: _Look, _: Sequence[Check]) -> list[Check]:
    return [
        contract_check(
            look.case,
            look.named[each.name],
            each,
            lambda: look.oracle,
            alone=look.stands_alone,
            is_wrong=look.is_wrong,
        )
        for each in look.observed
    ]


def _stability(look: _Look, _: Sequence[Check]) -> list[Check]:
    primals = beside(look.case) if look.kinks else look.case.primals
    return [
        stability_check(look.appeals[result.name], look.noises, primals, look.named)
        for result in look.results
    ]


def _values(look: _Look, _: Sequence[Check]) -> list[Check]:
    return look.values


def _vjps(look: _Look, _: Sequence[Check]) -> list[Check]:
    return compare_vjps(look.results, look.noises.allowed, look.appeals)


def _oracle(look: _Look, _: Sequence[Check]) -> list[Check]:
    oracle = look.oracle
    if isinstance(oracle, NoOracle):
        return [
            Check(result.name, "oracle", "none", "unsupported", oracle.reason, cause=oracle.cause)
            for result in look.results
        ]
    return [look.explained(result, oracle) for result in look.results]


def _extremes(look: _Look, _: Sequence[Check]) -> list[Check]:
    return [check for function in look.sound for check in extremes(look.case, function)]


def _precision(look: _Look, before: Sequence[Check]) -> list[Check]:
    if look.by_hand is None:
        return []
    # Who asked for the digits of the one function there is gets them, right or wrong.
    if not look.by_hand.is_asked_for and Manual.name in blamed(before):
        return []
    refusals = [each.reason for each in look.observed if isinstance(each, Refused)]
    noise = look.noises.allowed
    found = precision_checks(look.case, look.by_hand, look.results, noise, look.appeals)
    return [undecided(each, refusals[0]) for each in found] if refusals else found


def _kink(look: _Look, _: Sequence[Check]) -> list[Check]:
    if isinstance(look.oracle, NoOracle):
        return []
    tests = [
        KinkTest(look.test(result), look.named[result.name], look.oracle) for result in look.results
    ]
    return [check for test in tests for check in test.checks()]


def _precision_at_kink(look: _Look, _: Sequence[Check]) -> list[Check]:
    return precision_at_kink(look.by_hand, look.results) if look.by_hand else []


Step = Callable[[_Look, Sequence[Check]], list[Check]]
"""From a look at a case, and the checks before, to more checks."""

WHERE_SMOOTH: dict[str, Step] = {
    "contract": _contract,
    "stability": _stability,
    "value": _values,
    "vjp": _vjps,
    "oracle": _oracle,
    "extremes": _extremes,
    "precision": _precision,
}
AT_KINK: dict[str, Step] = {
    "contract": _contract,
    "stability": _stability,
    "value": _values,
    "kink": _kink,
    "precision": _precision_at_kink,
}
"""The steps, in the order of the list above, by the kind of the checks that are made."""
