"""Are an implementation's rounding errors far above what is usual?"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from reference_impls.computation import generator
from reference_impls.engines.backend import Implementation
from verify.checks.case import Case, Result, noises_again
from verify.checks.check import Check
from verify.error_model.arrays import largest, unit_roundoff
from verify.error_model.measurement import DRAWS, measure_conditioning, nudged
from verify.error_model.noise import INSTABILITY, VALUE, Noise

JUMPING = 1 / 6
"""Of these at least, an entry beside a jump is on its other side, where half are to be expected: of
24, fewer are with a probability of 10⁻⁴."""


def beyond_jumps(case: Case, implementation: Implementation, noise: Noise) -> Noise:
    """Noise, less the most that float64 results change within `INSTABILITY` roundings, by entry.

    Where the function is smooth, an entry changes by about 1,700 times what it does within one.

    Args:
        case: the function, the point and the directions.
        implementation: of the function.
        noise: of it, from float32.
    """
    rng = generator(case.computation, case.size, case.seed, 5)
    points = nudged(case.primals, case.cotangent, rng, DRAWS + 1, most=INSTABILITY)
    far = measure_conditioning(
        case.computation, implementation, points, case.directions, np.float64
    )
    if far is None:
        return noise
    # Of a jump, the root mean square is at least this share.
    most = unit_roundoff(np.float64) / noise.unit / np.sqrt(JUMPING)
    left = {
        name: np.maximum(errors - most * far.errors[name], 0.0)
        for name, errors in noise.errors.items()
    }
    return replace(noise, errors=left, typical={name: largest(each) for name, each in left.items()})


def stability_check(case: Case, result: Result) -> Check:
    """Is this implementation's noise far above the others', or its conditioning?"""
    others = [noise for name, noise in case.noises.items() if name != result.name]
    against = "the others" if others else "its conditioning"
    detail = _instability(case.noises[result.name], others) if result.name in case.noises else ""
    return Check(result.name, "stability", against, "disagree" if detail else "agree", detail)


def reconsidered(check: Check, case: Case, named: Mapping[str, Implementation]) -> Check:
    """Before an implementation is called unstable, it is looked at once more.

    At few points, one where float32 takes the other side of a tie is taken for usual. And where it
    always does, the same entries jump in float64, within as many roundings.
    """
    if check.verdict != "disagree":
        return check
    noises = noises_again(case, case.primals, list(named.values()))
    own = noises.pop(check.implementation, None)
    if own is None:
        return check
    excused = beyond_jumps(case, named[check.implementation], own)
    others = list(noises.values())
    if _instability(own, others) and _instability(excused, others):
        return check
    return replace(check, verdict="agree", detail="")


def _instability(own: Noise, others: Sequence[Noise]) -> str:
    for name in (VALUE, *own.cotangents):
        # An ill-conditioned function loses digits in any implementation.
        usual = max(min((noise.typical[name] for noise in others), default=0.0), own.spread[name])
        if own.typical[name] > INSTABILITY * (usual + own.size(name)):
            return (
                f"rounding error in {name} is {own.typical[name]:.0f} units; {usual:.0f} is usual"
            )
    return ""
