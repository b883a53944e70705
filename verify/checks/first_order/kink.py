"""The checks at a kink, where the derivative is another on either side."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from reference_impls.computation import Arrays, cast, generator
from reference_impls.engines.backend import Implementation
from verify.checks.case import Case, Result, noises_again
from verify.checks.check import OUTSIDE, Check, Worst, one_line, severity
from verify.checks.compare import make_worst, worst_entry
from verify.checks.first_order.dot_test import dot_test
from verify.checks.first_order.hull import Gradient, Hull, hull_around
from verify.checks.first_order.oracle import Oracle, moved
from verify.error_model.arrays import index_of, largest, unit_roundoff
from verify.error_model.noise import pooled
from verify.oracles.estimate import BLUNT, is_blunt

BESIDE = 2.0**-6
"""How far to go from a kink, in units of v: further than the steps of a difference."""


LIMIT_NOISE = 4.0
"""Of a limit that is extrapolated from two gradients, in units of theirs; it is √5."""


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
