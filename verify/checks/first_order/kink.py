"""The checks at a kink, where the derivative is another on either side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from reference_impls.computation import Arrays, cast
from reference_impls.function import Function
from verify.checks.case import Case, Stream
from verify.checks.check import OUTSIDE, Check, Worst, one_line, severity
from verify.checks.compare import make_worst, worst_entry
from verify.checks.first_order.dot_test import DotTest
from verify.checks.first_order.hull import PUSH, Hull, hull_around, random_ray
from verify.checks.first_order.oracle import Oracle
from verify.checks.noises import Noises
from verify.diagnosis.cancelled_kinks import FAULT as CANCELLED
from verify.diagnosis.cancelled_kinks import at_this_point_alone
from verify.error_model.arrays import index_of, largest, unit_roundoff
from verify.oracles.estimate import BLUNT, is_blunt

BESIDE = 2.0**-6
"""How far to go from a kink, in units of v: further than the steps of a difference."""

TANGENTS, RAYS = 3, 8
"""Of a tie of three, eight random rays find one and the same entry in the middle once in 2,000
times. Eight rays in three dimensions leave five differences that would be zero."""

LIMIT_NOISE = 4.0
"""Of a limit that is extrapolated from two gradients, in units of theirs; it is √5."""


def beside(case: Case, direction: int = 0, step: float = BESIDE) -> Arrays:
    """The primals x + h v, in float64, for one of the case's directions v and a step h."""
    primals = cast(case.primals, np.float64)
    tangents = cast(case.directions[direction], np.float64)
    return primals | {name: primals[name] + step * tangents[name] for name in tangents}


def noises_beside(case: Case, functions: Sequence[Function], at_kink: Noises) -> Noises:
    """The noise beside the case's point; that at the point if none can be measured there.

    At the kink itself rounding decides the side, and what looks like noise is as large as the jump.
    """
    return Noises.anew(case, beside(case), functions) or at_kink


def is_hidden_kink(case: Case, oracle: Oracle) -> bool:
    """Is there a kink that no ray shows, as at the median of three entries that are equal?"""
    rng = case.generator(Stream.DOUBT)
    tangents = [random_ray(case.primals, case.wrt, rng) for _ in range(TANGENTS)]
    try:
        return oracle.is_folded(rng.standard_normal((RAYS, TANGENTS)), tangents)
    except Exception:  # noqa: BLE001 -- it did not at the primals themselves
        return False


@dataclass(frozen=True)
class KinkTest:
    """A result where the derivative jumps: the gradients beside it, and the choice between them.

    Attributes:
        test: of the kind ``kink``, with the result and the noise beside the kink.
        function: whose result it is.
        oracle: of the function.
    """

    test: DotTest
    function: Function
    oracle: Oracle

    def checks(self) -> list[Check]:
        """Of the gradients beside, of the choice, and of the sums along ties."""
        case, name = self.test.case, self.test.result.name
        try:
            found = [
                check
                for direction in range(len(case.directions))
                for check in self._beside(direction)
            ]
            hull = hull_around(
                self._gradient,
                cast(case.primals, np.float64),
                self.test.result.cotangents,
                self._furthest,
                case.generator(Stream.HULL),
            )
        except Exception as error:  # noqa: BLE001 -- it did not at the primals themselves
            detail = f"there is a kink here, and beside it {one_line(error)}"
            return [Check(name, "kink", "one side", "inconclusive", detail)]
        tied = {argument: self._along_ties(argument, hull) for argument in case.wrt}
        sums = {argument: check for argument, check in tied.items() if check}
        return [max(found, key=severity), self._choice(hull, sums), *sums.values()]

    def _gradient(self, primals: Arrays) -> Arrays:
        _, vjp = self.function.make_vjp(primals)
        return vjp(self.test.case.cotangent.astype(np.float64))

    def _beside(self, direction: int) -> list[Check]:
        """The dot test along v at x - δv and at x + δv."""
        case = self.test.case
        checks: list[Check] = []
        bars: list[float] = []
        for step in (-BESIDE, BESIDE):
            cotangents = self._gradient(beside(case, direction, step))
            there = replace(
                self.test,
                case=replace(case, dtype="float64"),
                result=replace(self.test.result, cotangents=cotangents),
            )
            estimate = self.oracle.beside(direction, step)
            check = there.along(direction, estimate)
            if check.verdict != "agree":
                estimate = self.oracle.beside(direction, step, is_careful=True)
                check = there.along(direction, estimate)
            checks.append(check)
            bars.append(estimate.error_bar)
        # On one side the function may be constant: no error bar is small beside nothing.
        scale = max(check.worst.scale for check in checks if check.worst)
        return [
            replace(check, verdict="agree", detail="")
            if check.verdict == "inconclusive" and bar <= BLUNT * scale
            else check
            for check, bar in zip(checks, bars, strict=True)
        ]

    def _choice(self, hull: Hull, sums: Mapping[str, Check]) -> Check:
        """The gradient at the kink against what lies between those beside it, entry by entry.

        Args:
            hull: of the gradients beside it.
            sums: of those arguments whose entries must add up, the check of that.
        """
        cotangents = self.test.result.cotangents
        worst = self._furthest(cotangents, hull.nearest(cotangents))
        against = "the gradients beside it"
        check = Check(self.test.result.name, "kink", against, "agree", worst=worst)
        if not worst.accepted and self._may_be_tied(hull, worst, sums):
            detail = "there are so many limits here that not every one was met"
            return replace(check, verdict="inconclusive", detail=detail)
        if not worst.accepted and self._is_smooth(hull, worst):
            beside = float(hull.lower[worst.argument].flat[worst.flat])
            where = f"{worst.argument}{worst.index}"
            seen = f"{where}: got {worst.got:.6g}, expected {beside:.6g}"
            detail = f"gradient of {worst.argument} {at_this_point_alone([where])}; {seen}"
            return replace(check, verdict="disagree", detail=detail, fault=CANCELLED)
        if not worst.accepted:
            between = hull.between(worst.argument, worst.flat)
            detail = f"{worst.argument}{worst.index} = {worst.got:.6g} is not between {between}"
            return replace(check, verdict="disagree", detail=detail, fault=OUTSIDE)
        widths = hull.width
        name = max(widths, key=lambda each: float(np.max(widths[each], initial=0.0)))
        flat = int(np.argmax(widths[name]))
        chosen = float(cotangents[name].flat[flat])
        where = f"{name}{index_of(flat, widths[name].shape)}"
        detail = f"chose {chosen:.6g} for {where}, of {hull.between(name, flat)}"
        return replace(check, detail=detail)

    def _may_be_tied(self, hull: Hull, worst: Worst, sums: Mapping[str, Check]) -> bool:
        """Could a ray that was not met give the entry its share, as one of many that are tied?

        What was met all others give, and the shares add up.
        """
        argument = worst.argument
        if not hull.is_complete:
            return True
        # A ray that is turned towards an entry moves the others as well, by 1/PUSH of it each.
        width = float(hull.width[argument].flat[worst.flat])
        beyond = hull.width[argument].size / PUSH**2 * width
        if not hull.is_settled and worst.error <= beyond:
            return True
        lower, upper = hull.lower[argument], hull.upper[argument]
        return (
            self._is_smooth(hull, worst)
            and argument in sums
            and sums[argument].verdict == "agree"
            and bool(np.any(lower < upper))
            and float(lower.min()) <= worst.got <= float(upper.max())
        )

    def _is_smooth(self, hull: Hull, worst: Worst) -> bool:
        """Is there one limit of this entry, whatever ray is taken?"""
        return bool(hull.width[worst.argument].flat[worst.flat] <= worst.tolerance)

    def _furthest(self, got: Arrays, nearest: Arrays) -> Worst:
        cotangents = self.test.noise.cotangents
        return worst_entry(got, nearest, {name: LIMIT_NOISE * e for name, e in cotangents.items()})

    def _along_ties(self, argument: str, hull: Hull) -> Check | None:
        """Where all entries move alike, what is tied stays tied, and there may be one derivative.

        The hull is taken entry by entry, and a maximum of k entries that are equal may have a
        gradient of 1 in each of them by that; in this direction they must add up. Limits that add
        up to different sums have no such derivative in common, though values along this line have
        one: as the smallest singular value does at 0.
        """
        case, result = self.test.case, self.test.result
        scale = largest(case.directions[0][argument])
        tangents = {argument: np.full(case.primals[argument].shape, scale or 1.0)}
        if self.oracle.sides(tangents):
            return None
        estimate = self.oracle.truth(tangents)
        terms = np.multiply(result.cotangents[argument], tangents[argument], dtype=np.float64)
        size = max(float(np.sqrt(np.sum(np.square(terms)))), float(np.finfo(case.dtype).tiny))
        if is_blunt(estimate, max(size, abs(estimate.value))):
            return None
        noise = float(np.linalg.norm(self.test.noise.errors[argument] * tangents[argument]))
        worst = make_worst(
            argument=f"⟨Jᵀu, v⟩ with all of {argument} moved alike",
            index="",
            got=float(np.sum(terms)),
            expected=estimate.value,
            units=(unit_roundoff(case.dtype), size, noise),
            error_bar=estimate.error_bar,
        )
        check = Check(result.name, "kink", estimate.oracle, "agree", worst=worst)
        if worst.accepted:
            return check
        least, most = hull.sums[argument]
        if (most - least) * (scale or 1.0) > worst.tolerance:
            return None
        detail = f"the entries of {argument} do not add up to the derivative along all of them"
        return replace(check, verdict="disagree", detail=detail, fault=OUTSIDE)
