"""Are an implementation's rounding errors far above what is usual?"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from reference_impls.computation import Arrays
from reference_impls.function import Function
from verify.checks.case import Case, Stream
from verify.checks.check import Check
from verify.checks.first_order.appeal import Appeal
from verify.checks.noises import Noises
from verify.error_model.arrays import largest, unit_roundoff
from verify.error_model.measurement import DRAWS, measure_conditioning, nudged
from verify.error_model.noise import EXCUSE, INSTABILITY, VALUE, Noise

JUMPING = 1 / 6
"""An entry beside a jump is on its other side at half of the points, and at this share of them at
least: of 24, fewer are with a probability of 10⁻⁴."""


def stability_check(
    appeal: Appeal, noises: Noises, primals: Arrays, functions: Mapping[str, Function]
) -> Check:
    """Is this implementation's noise far above the others', or its conditioning?

    One that stands alone is judged by its gradients: how it computes its value is for its author
    to say, and where the value loses digits, a gradient may lose as many. So may one whose terms
    cancel.

    Before it is called unstable, it is looked at once more. At few points, one where float32 takes
    the other side of a tie is taken for usual. And where it always does, the same entries jump in
    float64, within as many roundings.

    Args:
        appeal: of the implementation, at the case's point.
        noises: of all of them.
        primals: where to look once more: the point, or beside it, where that is a kink.
        functions: the implementations, by name.
    """
    name, case = appeal.function.name, appeal.case
    others = [noise for other, noise in noises.each.items() if other != name]
    check = Check(name, "stability", "the others" if others else "its conditioning", "agree")
    if name not in noises.each:
        return check
    if noises.each[name].apart:
        told = "the values depend on the dtype, and rounding was measured in float64 alone"
        return replace(check, detail=told)
    detail = _instability(noises.each[name], others)
    if not detail or _is_excused(name, case, primals, functions):
        return check
    if not others:
        return _alone(check, noises.each[name], appeal)
    return replace(check, verdict="disagree", detail=detail)


def _alone(check: Check, own: Noise, appeal: Appeal) -> Check:
    """The verdict on one whose noise is far above its conditioning, and that has no others."""
    usual = own.spread[VALUE] + own.size(VALUE)
    lost = own.typical[VALUE] / usual if usual else 0.0
    for name in own.cotangents:
        allowed = max(own.spread[name], appeal.terms(name)) + (1 + lost) * own.size(name)
        # Beside the terms of the value it may be no more than their rounding: of p in p (1 - p).
        if own.typical[name] > max(INSTABILITY * allowed, EXCUSE * own.natural[name]):
            detail = _told(name, own.typical[name], allowed)
            return replace(check, verdict="disagree", detail=detail)
    digits = np.log10(max(lost, 1.0))
    detail = f"its values lose {digits:.0f} digits to rounding here" if digits >= 1 else ""
    return replace(check, detail=detail)


def _is_excused(name: str, case: Case, primals: Arrays, functions: Mapping[str, Function]) -> bool:
    again = Noises.anew(case, primals, list(functions.values()))
    if again is None or name not in again.each:
        return False
    own = again.each[name]
    others = [noise for other, noise in again.each.items() if other != name]
    if not _instability(own, others):
        return True
    there = replace(case, primals=primals)
    return not _instability(beyond_jumps(there, functions[name], own), others)


def beyond_jumps(case: Case, function: Function, noise: Noise) -> Noise:
    """Noise, less the most that float64 results change within `INSTABILITY` roundings, by entry.

    Where the function is smooth, an entry changes by about 1,700 times what it does within one.

    Args:
        case: the point and the directions.
        function: the implementation.
        noise: of it, from float32.
    """
    rng = case.generator(Stream.STABILITY)
    points = nudged(case.primals, case.cotangent, rng, DRAWS + 1, most=INSTABILITY)
    far = measure_conditioning(function, points, case.directions, np.float64, case.wrt)
    if far is None:
        return noise
    # Of a jump, the root mean square is at least this share.
    most = unit_roundoff(np.float64) / noise.unit / np.sqrt(JUMPING)
    left = {
        name: np.maximum(errors - most * far.errors[name], 0.0)
        for name, errors in noise.errors.items()
    }
    return replace(noise, errors=left, typical={name: largest(each) for name, each in left.items()})


def _instability(own: Noise, others: Sequence[Noise]) -> str:
    """What is unstable and by how much; empty if nothing is."""
    for name in (VALUE, *own.cotangents):
        # An ill-conditioned function loses digits in any implementation.
        usual = max(min((noise.typical[name] for noise in others), default=0.0), own.spread[name])
        if own.typical[name] > INSTABILITY * (usual + own.size(name)):
            return _told(name, own.typical[name], usual + own.size(name))
    return ""


def _told(name: str, typical: float, usual: float) -> str:
    times = typical / usual if usual else np.inf
    return f"rounding errors in {name} are {times:.3g} times what is usual"
