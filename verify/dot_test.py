"""⟨Jᵀu, v⟩ of an implementation against ⟨u, J v⟩ from values: the dot test, whatever the size.

(Claerbout, *Earth Soundings Analysis*, 1992, chapter 5.) One number for all entries together tells
*that* a gradient is wrong; *how* it is wrong is then asked of the same oracle, in other directions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reference_impls.backends import Implementation
from reference_impls.computation import Array, Arrays, Computation, Vjp, cast, generator
from verify.cases import Case, noises_again
from verify.compare import (
    NOT_FINITE,
    NOT_LINEAR,
    Check,
    Violation,
    Worst,
    index_of,
    make_worst,
    one_line,
    worst_entry,
)
from verify.diagnosis import Diagnosis, diagnose, diagnose_shape
from verify.kinks import Gradient, Hull, Sides, hull_around, kink_at, scale_of
from verify.oracles import (
    BLUNT,
    COMPLEX,
    FEWEST,
    Estimate,
    Functional,
    Scalar,
    between_kinks,
    complex_step,
    derivative,
    is_blunt,
    quickly,
    richardson,
)
from verify.properties import Result
from verify.tolerance import PAIRING, SAFETY, largest, pair, pooled, unit_roundoff

BESIDE = 2.0**-6
"""How far to go from a kink, in units of v: further than the steps of a difference."""

RESOLVED = 1e-4
"""Where the tolerance is more than this of an argument's terms, they are tested alone."""

CREDIBLE = 8.0
"""A bar so wide that no test passes by it is one of differences across many kinks: errors of right
gradients are then several times that, as in sorts of 10,000 entries and more."""

LIMIT_NOISE = 4.0
"""Of a limit that is extrapolated from two gradients, in units of theirs; it is √5."""

OUTSIDE, UNKNOWN = "outside the subdifferential", "unknown"

Forward = Callable[[Computation, Arrays], Array]


@dataclass(frozen=True)
class Oracle:
    """Derivatives from the values of one implementation.

    Attributes:
        estimates: ⟨u, J v⟩ along the case's directions v.
        kinks: the two derivatives along a direction, where they are not one; empty where the
            function is differentiable.
        truth: from any tangents v, by argument, to ⟨u, J v⟩.
        by_values: the same, from real values.
        between_kinks: from tangents and the size of the terms to the same, from the shortest steps.
        sides: from any tangents to the two derivatives there, where they are not one.
        beside: from a direction's position and a step h to ⟨u, J v⟩ at x + h v.
    """

    estimates: tuple[Estimate, ...]
    kinks: tuple[Sides, ...]
    truth: Callable[[Arrays], Estimate]
    by_values: Callable[[Arrays], Estimate]
    between_kinks: Callable[[Arrays, float], Estimate]
    sides: Callable[[Arrays], Sides | None]
    beside: Callable[[int, float], Estimate]

    @classmethod
    def of(
        cls, case: Case, forward: Forward, points: int, cotangents: Sequence[Arrays] = ()
    ) -> "Oracle":
        """At a case's primals, in float64.

        Args:
            case: the function and the point.
            forward: its value.
            points: how many to measure noise at; if less than `FEWEST`, `quickly`.
            cotangents: Jᵀu of the implementations: the smallest tell of what size the terms of
                ⟨Jᵀu, v⟩ are. Wrong ones make the oracle blunt, but not beside their own size.

        Raises:
            Exception: whatever `forward` raises beside the primals.
        """
        phis = [functional(case, tangents, forward) for tangents in case.directions]
        scales = [
            min((_norm(each, tangents) for each in cotangents), default=0.0)
            for tangents in case.directions
        ]
        # The points x + hv are rounded, too.
        noise = unit_roundoff(np.float64) * (case.noise.functional + max(scales))
        if points < FEWEST:
            estimates, points = quickly(phis, scales, noise), FEWEST
        else:
            estimates = [derivative(phi, points) for phi in phis]
        sides = [
            kink_at(phi) if is_blunt(estimate, scale) else None
            for phi, estimate, scale in zip(phis, estimates, scales, strict=True)
        ]
        # Directions that move every entry have shown the complex step to be valid for this code. A
        # single entry's derivative may be too small beside the sum φ to show it again.
        is_analytic = all(estimate.oracle == COMPLEX for estimate in estimates)
        differentiate = _by_complex_step if is_analytic else derivative
        return cls(
            tuple(estimates),
            tuple(each for each in sides if each),
            lambda tangents: differentiate(functional(case, tangents, forward), points),
            lambda tangents: richardson(functional(case, tangents, forward)),
            lambda tangents, scale: between_kinks(
                functional(case, tangents, forward), scale, noise
            ),
            lambda tangents: kink_at(functional(case, tangents, forward)),
            lambda direction, step: derivative(_from(phis[direction], step), points),
        )


def _by_complex_step(phi: Functional, points: int) -> Estimate:
    try:
        return complex_step(phi, points)
    except Exception:  # noqa: BLE001 -- its code may have turned where complex numbers are refused
        return richardson(phi, points)


def _from(phi: Functional, step: float) -> Functional:
    return lambda h: phi(step + h)


def functional(case: Case, tangents: Arrays, forward: Forward) -> Functional:
    """φ(h) = ⟨u, f(x + h v)⟩ in float64, or in complex128 for a complex h."""
    primals = cast(case.primals, np.float64)
    wide = cast(tangents, np.float64)
    cotangent = case.cotangent.astype(np.float64)

    def phi(h: Scalar) -> Scalar:
        moved = {name: np.asarray(h * wide[name]) for name in wide}
        for name in moved:
            moved[name] += primals[name]
        return np.sum(cotangent * forward(case.computation, primals | moved)).item()

    return phi


def against_oracle(
    case: Case,
    implementation: Implementation,
    result: Result,
    oracle: Oracle,
    *,
    alone: bool = False,
) -> Check:
    """The worst of the dot tests, and how the gradient is wrong if it is.

    Args:
        case: the function and the point.
        implementation: whose result it is.
        result: to be held against the oracle.
        oracle: of the function.
        alone: is there no other implementation, whose every entry this one's was compared with?
            Then an argument whose share of the dot product is too small to see has one of its own.
    """
    tests = [
        _seconded(dot_test(case, result, k, estimate), case, result, (tangents, estimate), oracle)
        for k, (tangents, estimate) in enumerate(
            zip(case.directions, oracle.estimates, strict=True)
        )
    ]
    if alone:
        tests += _hidden_arguments(case, result, oracle, tests[0])
    worst = max(tests, key=severity)
    if worst.verdict != "disagree":
        return worst
    _, vjp = implementation.make_vjp(case.computation, case.primals)
    truth = oracle.truth if worst.against == COMPLEX else oracle.by_values
    found = diagnose(result.cotangents, truth, **_circumstances(case), vjp=vjp)
    return replace(worst, detail=told(found), fault=found.fault)


def _seconded(
    check: Check, case: Case, result: Result, asked: tuple[Arrays, Estimate], oracle: Oracle
) -> Check:
    """Before a complex step accuses, it is taken on both sides, and real values have their say.

    A term that has a kink, or is wrong on complex numbers, may be too weak beside the others for
    a single difference to show. To look again, with more digits, costs more. So it does with few
    differences of real values: only many of them accuse, or, where kinks lie within the steps of
    those, two that are as short as can be, and say the same.
    """
    tangents, estimate = asked
    if check.verdict != "disagree":
        return check
    second = oracle.by_values(tangents)
    scale = _norm(result.cotangents, tangents)
    if estimate.oracle != COMPLEX and is_blunt(second, scale):
        second = _confirmed(estimate, oracle.between_kinks(tangents, scale))
    elif estimate.oracle == COMPLEX:
        again = oracle.truth(tangents)
        second = second if _contradict(second, again) else again
    return _dot_test(case, result, tangents, second, check.kind)


def _confirmed(first: Estimate, second: Estimate) -> Estimate:
    apart = abs(first.value - second.value) if _contradict(first, second) else 0.0
    return replace(second, error_bar=second.error_bar + apart)


def _contradict(first: Estimate, second: Estimate) -> bool:
    return abs(first.value - second.value) > first.error_bar + second.error_bar


def _hidden_arguments(case: Case, result: Result, oracle: Oracle, together: Check) -> list[Check]:
    """Dot tests of those arguments that the tolerance of all together would hide mistakes in."""
    tolerance = together.worst.tolerance if together.worst else 0.0
    everywhere = case.directions[0]
    # Few entries may show little noise by chance: what all together lose, they may lose as well.
    noise = max(_norm(case.noise.errors, everywhere), float(case.noise.pairings[0]))
    relative = noise / max(_norm(result.cotangents, everywhere), float(np.finfo(case.dtype).tiny))
    tests = []
    for name in case.computation.wrt if len(case.computation.wrt) > 1 else ():
        tangents = {name: everywhere[name]}
        share = _norm(result.cotangents, tangents)
        if RESOLVED * share < tolerance:
            test = _dot_test(
                case, result, tangents, oracle.truth(tangents), "oracle", relative * share
            )
            tests.append(_without_kink(case, result, oracle, tangents, test))
    return tests


def _without_kink(
    case: Case, result: Result, oracle: Oracle, tangents: Arrays, test: Check
) -> Check:
    """All together have not shown the complex step to be valid for a term that is so weak."""
    if test.verdict != "disagree":
        return test
    if oracle.sides(tangents):
        detail = "there is a kink here, too weak to be judged beside the other arguments"
        return replace(test, verdict="inconclusive", detail=detail)
    again = _dot_test(case, result, tangents, oracle.by_values(tangents), "oracle")
    return again if again.verdict == "agree" else test


def _norm(cotangents: Arrays, tangents: Arrays) -> float:
    """The root of the sum of squares of the terms of ⟨Jᵀu, v⟩."""
    terms = (np.multiply(cotangents[name], v, dtype=np.float64) for name, v in tangents.items())
    return float(np.sqrt(sum(np.vdot(term, term) for term in terms)))


def explained(
    case: Case, implementation: Implementation, wrong: Check, fault: Violation, oracle: Oracle
) -> Check:
    """What a gradient is that has the wrong shape, or numbers that are none, or is not linear.

    Args:
        case: the function and the point.
        implementation: whose gradient it is.
        wrong: the check that found it.
        fault: what it found, in one of the gradients.
        oracle: of the function.
    """
    _, vjp = implementation.make_vjp(case.computation, case.primals)
    got, about = vjp(case.cotangent.copy()), _circumstances(case)
    if fault.fault == NOT_FINITE:
        return _where_not_finite(case, wrong, fault, oracle, (got, vjp))
    if fault.fault == NOT_LINEAR:
        # Rounding to fewer digits is not linear either: what is wrong with the numbers says more.
        found = diagnose(got, oracle.truth, **about, vjp=vjp)
        if found.fault == UNKNOWN:
            return wrong
        return replace(wrong, detail=f"{told(found)}; {fault.sentence}", fault=found.fault)
    name, shape = fault.argument, case.primals[fault.argument].shape
    about.pop("cotangent")
    seen = diagnose_shape(name, got[name], shape, oracle.truth, **about)
    if not seen:
        return wrong
    return replace(wrong, detail=f"{fault.sentence}: {told(seen)}", fault=seen.fault)


def _where_not_finite(
    case: Case, wrong: Check, fault: Violation, oracle: Oracle, found: tuple[Arrays, Vjp]
) -> Check:
    """Wrong only if the derivative is a number, or at a kink the derivatives on either side are."""
    gradients, vjp = found
    name, gradient = fault.argument, gradients[fault.argument]
    seen = diagnose({name: gradient}, oracle.truth, **_circumstances(case), vjp=vjp)
    known = seen.error_bar <= BLUNT * max(1.0, abs(seen.expected))
    if known and np.isfinite(seen.expected):
        return replace(wrong, detail=told(seen))
    # One entry moves, as far as entries go: less might be lost in its rounding.
    size = scale_of(case.primals[name])
    tangent = np.zeros(gradient.shape)
    tangent.flat[int(np.argmax(~np.isfinite(gradient)))] = size
    sides = oracle.sides({name: tangent})
    if sides:
        left, right = sides.left.value / size, sides.right.value / size
        detail = f"{fault.sentence}; the derivative on either side is, {left:.6g} and {right:.6g}"
        return replace(wrong, detail=detail)
    detail = f"{fault.sentence}; no oracle says that the derivative is"
    return replace(wrong, verdict="inconclusive", detail=detail, fault="")


def _circumstances(case: Case) -> dict[str, Any]:
    return {
        "cotangent": case.cotangent,
        "dtype": case.dtype,
        "rng": generator(case.computation, case.size, case.seed, 2),
        "primals": case.primals,
    }


def told(found: Diagnosis) -> str:
    """The diagnosis, and the entry that shows it."""
    return (
        f"{found.sentence}; {found.argument}{found.index}: got {found.got!r}, "
        f"expected {found.expected!r} ± {found.error_bar:.1e}"
    )


def dot_test(
    case: Case,
    result: Result,
    direction: int,
    estimate: Estimate,
    kind: str = "oracle",
    condition: float = 0.0,
) -> Check:
    """⟨Jᵀu, v⟩ of an implementation against an oracle's estimate of ⟨u, J v⟩.

    Args:
        case: with u and the tangents v.
        result: the implementation's.
        direction: which of the case's tangents.
        estimate: the oracle's.
        kind: of check.
        condition: by which the scale is magnified in the noise, beside what was measured.
    """
    tangents = case.directions[direction]
    measured = float(case.noise.pairings[direction])
    measured += condition * _norm(result.cotangents, tangents)
    return _dot_test(case, result, tangents, estimate, kind, measured)


def _dot_test(
    case: Case,
    result: Result,
    tangents: Arrays,
    estimate: Estimate,
    kind: str,
    measured: float = 0.0,
) -> Check:
    unit, scale = unit_roundoff(case.dtype), _norm(result.cotangents, tangents)
    # What was measured of the one sum may be small by chance; that of its terms together is not.
    noise = max(measured, _norm(case.noise.errors, tangents))
    worst = make_worst(
        argument="⟨Jᵀu, v⟩"
        + (f" of {next(iter(tangents))}" if case.computation.wrt != tuple(tangents) else ""),
        index="",
        got=pair(result.cotangents, tangents),
        expected=estimate.value,
        units=(unit, max(scale, float(np.finfo(case.dtype).tiny)), noise),
        error_bar=estimate.error_bar,
    )
    if not np.isfinite([estimate.value, estimate.error_bar, scale, noise]).all():
        detail = "the oracle, or the noise, is not finite here"
        return Check(result.name, kind, estimate.oracle, "inconclusive", detail, worst)
    resolved = max(SAFETY * unit * (scale + noise), BLUNT * scale, float(np.finfo(case.dtype).tiny))
    is_blunt = estimate.error_bar > resolved
    if not worst.accepted and not (is_blunt and worst.error <= CREDIBLE * estimate.error_bar):
        expected = np.asarray(abs(estimate.value) + estimate.error_bar, case.dtype)
        all_small = all(case.noise.vanishes(name, result.cotangents[name]) for name in tangents)
        if all_small and case.noise.vanishes(PAIRING, expected):
            detail = "the gradient is at the noise floor: what was added up in it has cancelled"
            return Check(result.name, kind, estimate.oracle, "inconclusive", detail, worst)
        return Check(result.name, kind, estimate.oracle, "disagree", worst=worst)
    if is_blunt:
        detail = f"the oracle's error bar is {estimate.error_bar:.1e}"
        return Check(result.name, kind, estimate.oracle, "inconclusive", detail, worst)
    return Check(result.name, kind, estimate.oracle, "agree", worst=worst)


def beside_kink(case: Case, implementations: Sequence[Implementation]) -> Case:
    """The case with the noise beside its point, where that is a kink.

    At the kink itself rounding decides the side, and what looks like noise is as large as the jump.
    """
    noises = noises_again(case, moved(case, 0, BESIDE), implementations)
    return replace(case, noises=noises, noise=pooled(list(noises.values()))) if noises else case


def at_kink(
    case: Case, implementation: Implementation, result: Result, oracle: Oracle
) -> list[Check]:
    """Where the derivative jumps: the gradients beside it, and the choice between them.

    Args:
        case: the function and the point, with the noise of `beside_kink`.
        implementation: whose result it is.
        result: to be judged.
        oracle: of the function.
    """

    def gradient(primals: Arrays) -> Arrays:
        _, vjp = implementation.make_vjp(case.computation, primals)
        return vjp(case.cotangent.astype(np.float64))

    primals = cast(case.primals, np.float64)
    try:
        beside = [
            check
            for direction in range(len(case.directions))
            for check in _beside(case, result, gradient, oracle, direction)
        ]
        hull = hull_around(
            gradient,
            primals,
            result.cotangents,
            lambda got, nearest: _furthest(case, got, nearest),
            generator(case.computation, case.size, case.seed, 3),
        )
    except Exception as error:  # noqa: BLE001 -- it did not at the primals themselves
        detail = f"there is a kink here, and beside it {one_line(error)}"
        return [Check(result.name, "kink", "one side", "inconclusive", detail)]
    checks = [max(beside, key=severity), _choice(case, result, hull)]
    return checks + [
        check
        for argument in case.computation.wrt
        if (check := _along_ties(case, result, oracle, argument))
    ]


def _along_ties(case: Case, result: Result, oracle: Oracle, argument: str) -> Check | None:
    """Where all entries move alike, what is tied stays tied, and there may be one derivative.

    The hull is taken entry by entry, and a maximum of k entries that are equal may have a gradient
    of 1 in each of them by that; in this direction they must add up.
    """
    scale = largest(case.directions[0][argument])
    tangents = {argument: np.full(case.primals[argument].shape, scale or 1.0)}
    estimate = oracle.truth(tangents)
    if is_blunt(estimate) or oracle.sides(tangents):
        return None
    terms = np.multiply(result.cotangents[argument], tangents[argument], dtype=np.float64)
    size = max(float(np.sqrt(np.sum(np.square(terms)))), float(np.finfo(case.dtype).tiny))
    noise = float(np.linalg.norm(case.noise.errors[argument] * tangents[argument]))
    worst = make_worst(
        argument=f"⟨Jᵀu, v⟩ with all of {argument} moved alike",
        index="",
        got=float(np.sum(terms)),
        expected=estimate.value,
        units=(unit_roundoff(case.dtype), size, noise),
        error_bar=estimate.error_bar,
    )
    check = Check(result.name, "kink", estimate.oracle, "agree", worst=worst)
    return check if worst.accepted else replace(check, verdict="disagree", fault=OUTSIDE)


def moved(case: Case, direction: int, step: float) -> Arrays:
    """The primals x + h v, in float64.

    Args:
        case: with x and the directions v.
        direction: which of them.
        step: h.
    """
    primals, tangents = (
        cast(each, np.float64) for each in (case.primals, case.directions[direction])
    )
    return primals | {name: primals[name] + step * tangents[name] for name in tangents}


def _beside(
    case: Case, result: Result, gradient: Gradient, oracle: Oracle, direction: int
) -> list[Check]:
    """The dot test along v at x - δv and at x + δv."""
    wide = replace(case, dtype="float64")
    checks = []
    for step in (-BESIDE, BESIDE):
        there = replace(result, cotangents=gradient(moved(case, direction, step)))
        estimate = oracle.beside(direction, step)
        checks.append((dot_test(wide, there, direction, estimate, "kink"), estimate))
    # On one side the function may be constant: no error bar is small beside nothing.
    scale = max(check.worst.scale for check, _ in checks if check.worst)
    return [
        replace(check, verdict="agree", detail="")
        if check.verdict == "inconclusive" and estimate.error_bar <= BLUNT * scale
        else check
        for check, estimate in checks
    ]


def _choice(case: Case, result: Result, hull: Hull) -> Check:
    """The gradient at the kink against what lies between those beside it, entry by entry."""
    worst = _furthest(case, result.cotangents, hull.nearest(result.cotangents))
    check = Check(result.name, "kink", "the gradients beside it", "agree", worst=worst)
    if not worst.accepted:
        between = _between(hull, worst.argument, worst.flat)
        detail = f"{worst.argument}{worst.index} = {worst.got:.6g} is not between {between}"
        return replace(check, verdict="disagree", detail=detail, fault=OUTSIDE)
    widths = hull.width
    name = max(widths, key=lambda each: float(np.max(widths[each], initial=0.0)))
    flat = int(np.argmax(widths[name]))
    chosen = float(result.cotangents[name].flat[flat])
    where = f"{name}{index_of(flat, widths[name].shape)}"
    return replace(check, detail=f"chose {chosen:.6g} for {where}, of {_between(hull, name, flat)}")


def _between(hull: Hull, name: str, flat: int) -> str:
    return f"{hull.lower[name].flat[flat]:.6g} and {hull.upper[name].flat[flat]:.6g}"


def _furthest(case: Case, got: Arrays, nearest: Arrays) -> Worst:
    noise = {name: LIMIT_NOISE * array for name, array in case.noise.cotangents.items()}
    return worst_entry(got, nearest, noise)


def severity(check: Check) -> tuple[int, float]:
    """By verdict, the worst last; then by the error in units of its tolerance."""
    rank = {"agree": 0, "unsupported": 1, "inconclusive": 2, "disagree": 3}[check.verdict]
    return rank, check.worst.error / check.worst.tolerance if check.worst else 0.0
