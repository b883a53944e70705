"""One case, a function at one point in one dtype: every implementation against everything.

In this order, each step resting on the ones before it:

1. contract: names, shapes, dtypes, finiteness; what every VJP does (`verify.properties`).
2. stability: an implementation's rounding errors are not far above the others'.
3. value: the implementations' values, pair by pair.
4. vjp: their cotangents Jᵀu, pair by pair, entry by entry, for a Gaussian u.
5. oracle: ⟨Jᵀu, v⟩ against ⟨u, J v⟩ from values alone, for Gaussian v; at a kink, where the
   derivative is another on either side, against both, and what lies between (`verify.kinks`).
6. extremes: finite far away, where the derivative is (`verify.extremes`).
7. precision: f and Jᵀu, entry by entry, against the manual derivation carried out in a wider dtype.

Step 5 differentiates the values of an implementation that step 3 found no fault with, always in
float64: a float32 gradient is judged against the float64 derivative at the same point. What it
finds wrong is looked into, until it is known how (`verify.diagnosis`). Step 7 is taken where
nothing before it speaks against the manual derivation, and tells how many digits each
implementation has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from reference_impls.backends import Implementation, Manual
from reference_impls.computation import Arrays
from reference_impls.implicit import ImplicitError
from verify.cases import Case, beyond_jumps, implementation_label, noises_again
from verify.compare import (
    NOT_FINITE,
    NOT_LINEAR,
    WRONG_SHAPE,
    Check,
    RefusalError,
    Verdict,
    Violation,
    one_line,
    worst_entry,
)
from verify.dot_test import (
    BESIDE,
    Oracle,
    against_oracle,
    at_kink,
    beside_kink,
    explained,
    moved,
)
from verify.extended import digits_lost, in_extended_precision
from verify.extremes import extremes
from verify.oracles import NOISE_POINTS
from verify.properties import Result, Setting, observe
from verify.tolerance import INSTABILITY, VALUE, Noise


def verify_case(
    case: Case,
    implementations: Sequence[Implementation],
    points: int = NOISE_POINTS,
    *,
    in_wider_dtype: bool = True,
) -> list[Check]:
    """Every check of one case, in order.

    Args:
        case: the function, the point, and what noise is allowed there.
        implementations: of the function.
        points: how many to measure an oracle's noise at.
        in_wider_dtype: is the derivation by hand to be carried out with more digits, too?
    """
    named = {implementation_label(each): each for each in implementations}
    observed = [_observed(case, name, each) for name, each in named.items()]
    results = [each.result for each in observed if each.result and not each.fault]
    values = _pairwise(case, results, "value")
    sound = [result for result in results if result.name not in suspects(values)]
    oracle = _oracle(case, named, observed, sound, points)
    checks = [_contract(case, named, each, oracle) for each in observed]
    if isinstance(oracle, Oracle) and oracle.kinks:
        case = beside_kink(case, implementations)
        there = replace(case, primals=moved(case, 0, BESIDE))
        stabilities = [_stability(case, result) for result in results]
        checks += [_reconsidered(each, there, named) for each in stabilities] + values
        return checks + [
            check for one in results for check in at_kink(case, named[one.name], one, oracle)
        ]
    stabilities = [_stability(case, result) for result in results]
    checks += [_reconsidered(each, case, named) for each in stabilities] + values
    checks += _pairwise(case, results, "vjp")
    checks += [
        against_oracle(case, named[result.name], result, oracle, alone=len(named) == 1)
        if isinstance(oracle, Oracle)
        else Check(result.name, "oracle", "none", "unsupported", oracle)
        for result in results
    ]
    checks += [check for one in sound for check in extremes(case, one.name, named[one.name])]
    if not in_wider_dtype or Manual.name in blamed(checks):
        return checks
    refused = next((each.refusal for each in observed if each.refusal), "")
    return checks + [_undecided(each, refused) for each in _precision(case, results)]


def suspects(checks: Sequence[Check]) -> set[str]:
    """The implementations that pairwise checks speak against.

    One that differs from all the others, which agree among themselves, is named alone; where no
    two agree, every one that differs from another is.
    """
    pairs = [
        {check.implementation, check.against} for check in checks if check.verdict == "disagree"
    ]
    named = set().union(*pairs)
    odd = {name for name in named if all(name in pair for pair in pairs)}
    return odd if len(odd) == 1 else named


def blamed(checks: Sequence[Check]) -> set[str]:
    """The implementations of a case that disagree: with an oracle, the contract or the others."""
    alone = {
        check.implementation
        for check in checks
        if check.verdict == "disagree" and check.kind not in ("value", "vjp")
    }
    return alone.union(
        *(suspects([check for check in checks if check.kind == kind]) for kind in ("value", "vjp"))
    )


@dataclass(frozen=True)
class _Observed:
    """What came of one implementation: a result, a fault, or neither and the reason."""

    name: str
    result: Result | None = None
    fault: Violation | None = None
    refusal: str = ""


def _observed(case: Case, name: str, implementation: Implementation) -> _Observed:
    setting = Setting(case.computation, case.primals, case.cotangent, case.noise)
    try:
        return _Observed(name, *observe(name, implementation, setting))
    except RefusalError as error:
        return _Observed(name, refusal=str(error))
    except ImplicitError as error:
        # A K that is singular in this dtype, say: nothing wrong was returned.
        return _Observed(name, refusal=one_line(error))
    except Exception as error:  # noqa: BLE001 -- whatever an implementation raises is its fault
        return _Observed(name, fault=Violation("raised", one_line(error)))


def _contract(
    case: Case,
    named: Mapping[str, Implementation],
    observed: _Observed,
    oracle: "Oracle | str",
) -> Check:
    check = Check(observed.name, "contract", "the primals", "agree")
    if observed.refusal:
        return replace(check, verdict="unsupported", detail=observed.refusal)
    fault = observed.fault
    if not fault:
        return check
    wrong = replace(check, verdict="disagree", detail=fault.sentence, fault=fault.fault)
    if fault.fault not in (WRONG_SHAPE, NOT_FINITE, NOT_LINEAR) or not isinstance(oracle, Oracle):
        return wrong
    if fault.argument == VALUE:
        # Outside the domain of a function that stands alone, there is no telling.
        return wrong if len(named) > 1 else replace(wrong, verdict="unsupported", fault="")
    return explained(case, named[observed.name], wrong, fault, oracle)


def _stability(case: Case, result: Result) -> Check:
    others = [noise for name, noise in case.noises.items() if name != result.name]
    against = "the others" if others else "its conditioning"
    detail = _instability(case.noises[result.name], others) if result.name in case.noises else ""
    return Check(result.name, "stability", against, "disagree" if detail else "agree", detail)


def _reconsidered(check: Check, case: Case, named: Mapping[str, Implementation]) -> Check:
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


def _pairwise(case: Case, results: Sequence[Result], kind: str) -> list[Check]:
    checks = []
    for one, other in combinations(results, 2):
        if kind == "value":
            worst = worst_entry({"value": one.value}, {"value": other.value}, case.noise.value)
        else:
            worst = worst_entry(one.cotangents, other.cotangents, case.noise.cotangents)
        verdict: Verdict = "agree" if worst.accepted else "disagree"
        checks.append(Check(one.name, kind, other.name, verdict, worst=worst))
    return checks


def _oracle(
    case: Case,
    named: Mapping[str, Implementation],
    observed: Sequence[_Observed],
    sound: Sequence[Result],
    points: int,
) -> Oracle | str:
    """From values that nothing speaks against, or why there is none."""
    trusted = [named[result.name] for result in sound]
    if len(named) == 1:
        # Its gradient may be no array at all: its values are all there is to go by.
        trusted = [named[each.name] for each in observed if not each.refusal]
    if not trusted:
        return "no values to differentiate that nothing speaks against"
    # Bodies that take complex numbers first: the complex step is the sharper oracle.
    forward = max(reversed(trusted), key=lambda each: each.takes_complex).forward
    cotangents = [each.result.cotangents for each in observed if each.result]
    try:
        return Oracle.of(case, forward, points, cotangents)
    except RefusalError as error:
        return f"at a point beside the primals, {error}"
    except Exception as error:  # noqa: BLE001 -- it did not at the primals themselves
        return f"at a point beside the primals it {one_line(error)}"


def _precision(case: Case, results: Sequence[Result]) -> list[Check]:
    computation = case.computation
    exact = in_extended_precision(
        computation.by_hand, case.primals, case.cotangent, computation.wrt
    )
    if exact is None:
        return []
    checks = []
    for result in results:
        found = [
            worst_entry({"value": result.value}, {"value": exact.value}, case.noise.value),
            worst_entry(result.cotangents, exact.cotangents, case.noise.cotangents),
        ]
        worst = max(found, key=lambda each: each.error / each.tolerance)
        verdict: Verdict = "agree" if worst.accepted else "disagree"
        detail = _fewest_digits(result.cotangents, exact.cotangents)
        checks.append(Check(result.name, "precision", exact.carrier, verdict, detail, worst))
    return checks


def _undecided(check: Check, refused: str) -> Check:
    """Where others refuse the point in this dtype, few digits are left to whoever does not."""
    if not refused or check.verdict != "disagree":
        return check
    detail = f"{check.detail}; others refuse this point: {refused}"
    return replace(check, verdict="inconclusive", detail=detail)


def _fewest_digits(got: Arrays, exact: Arrays) -> str:
    """Where most digits were lost, of all entries."""
    filled = [name for name, array in got.items() if array.size]
    if not filled:
        return ""
    lost = digits_lost({name: got[name] for name in filled}, {name: exact[name] for name in filled})
    fewest = min(lost, key=lambda each: each.digits)
    place = f"{fewest.argument}{list(fewest.index) if fewest.index else ''}"
    return f"fewest right digits {fewest.digits:.1f}, in {place}: {fewest.ulps_at_entry:.3g} ULPs"
