"""⟨Jᵀu, v⟩ of an implementation against ⟨u, J v⟩ from values: the dot test, whatever the size.

(Claerbout, *Earth Soundings Analysis*, 1992, chapter 5.) One number for all entries together tells
*that* a gradient is wrong; *how* it is wrong is then asked of the same oracle, in other directions.
"""

from dataclasses import replace

import numpy as np

from reference_impls.computation import Arrays
from reference_impls.engines.backend import Implementation
from verify.checks.case import Case, Result
from verify.checks.check import Check, severity
from verify.checks.compare import make_worst
from verify.checks.first_order.explanation import circumstances, told
from verify.checks.first_order.oracle import Oracle
from verify.diagnosis import diagnose
from verify.error_model.arrays import pair, pairing_norm, unit_roundoff
from verify.error_model.noise import PAIRING, SAFETY
from verify.oracles.complex_step import COMPLEX
from verify.oracles.estimate import BLUNT, Estimate, is_blunt

RESOLVED = 1e-4
"""Where the tolerance is more than this of an argument's terms, they are tested alone."""


CREDIBLE = 8.0
"""A bar so wide that no test passes by it is one of differences across many kinks: errors of right
gradients are then several times that, as in sorts of 10,000 entries and more."""


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
    found = diagnose(result.cotangents, truth, **circumstances(case), vjp=vjp)
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
    scale = pairing_norm(result.cotangents, tangents)
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
    noise = max(pairing_norm(case.noise.errors, everywhere), float(case.noise.pairings[0]))
    relative = noise / max(
        pairing_norm(result.cotangents, everywhere), float(np.finfo(case.dtype).tiny)
    )
    tests = []
    for name in case.computation.wrt if len(case.computation.wrt) > 1 else ():
        tangents = {name: everywhere[name]}
        share = pairing_norm(result.cotangents, tangents)
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
    measured += condition * pairing_norm(result.cotangents, tangents)
    return _dot_test(case, result, tangents, estimate, kind, measured)


def _dot_test(
    case: Case,
    result: Result,
    tangents: Arrays,
    estimate: Estimate,
    kind: str,
    measured: float = 0.0,
) -> Check:
    unit, scale = unit_roundoff(case.dtype), pairing_norm(result.cotangents, tangents)
    # What was measured of the one sum may be small by chance; that of its terms together is not.
    noise = max(measured, pairing_norm(case.noise.errors, tangents))
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
