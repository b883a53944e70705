"""One case, a function at one point in one dtype: every implementation against everything.

In this order, each step resting on the ones before it:

1. contract: names, shapes, dtypes, finiteness; what every VJP does (`contract`).
2. stability: an implementation's rounding errors are not far above the others'.
3. value: the implementations' values, pair by pair.
4. vjp: their cotangents Jᵀu, pair by pair, entry by entry, for a Gaussian u.
5. oracle: ⟨Jᵀu, v⟩ against ⟨u, J v⟩ from values alone, for Gaussian v; at a kink, where the
   derivative is another on either side, against both, and what lies between (`kink`).
6. extremes: finite far away, where the derivative is (`extremes`).
7. precision: f and Jᵀu, entry by entry, against the manual derivation carried out in a wider dtype.

Step 5 differentiates the values of an implementation that step 3 found no fault with, always in
float64: a float32 gradient is judged against the float64 derivative at the same point. What it
finds wrong is looked into, until it is known how (`verify.diagnosis`). Step 7 is taken where
nothing before it speaks against the manual derivation, and tells how many digits each
implementation has.
"""

from collections.abc import Sequence
from dataclasses import replace

from reference_impls.engines.backend import Implementation, implementation_label
from reference_impls.engines.manual.backend import Manual
from verify.checks.case import Case
from verify.checks.check import Check
from verify.checks.first_order.contract import observed_of
from verify.checks.first_order.dot_test import against_oracle
from verify.checks.first_order.explanation import contract_check
from verify.checks.first_order.extremes import extremes
from verify.checks.first_order.kink import BESIDE, at_kink, beside_kink
from verify.checks.first_order.oracle import Oracle, moved, oracle_of
from verify.checks.first_order.pairs import blamed, pairwise_checks, suspects
from verify.checks.first_order.precision import Wanted, precision_checks, undecided
from verify.checks.first_order.stability import reconsidered, stability_check
from verify.oracles.estimate import NOISE_POINTS


def verify_case(
    case: Case,
    implementations: Sequence[Implementation],
    points: int = NOISE_POINTS,
    *,
    precision: Wanted = "where it can be had",
) -> list[Check]:
    """Every check of one case, in order.

    Args:
        case: the function, the point, and what noise is allowed there.
        implementations: of the function.
        points: how many to measure an oracle's noise at.
        precision: is the derivation by hand to be carried out with more digits, too?
    """
    named = {implementation_label(each): each for each in implementations}
    observed = [observed_of(case, name, each) for name, each in named.items()]
    results = [each.result for each in observed if each.result and not each.fault]
    values = pairwise_checks(case, results, "value")
    sound = [result for result in results if result.name not in suspects(values)]
    oracle = oracle_of(case, named, observed, sound, points)
    checks = [contract_check(case, named, each, oracle) for each in observed]
    if isinstance(oracle, Oracle) and oracle.kinks:
        case = beside_kink(case, implementations)
        there = replace(case, primals=moved(case, 0, BESIDE))
        stabilities = [stability_check(case, result) for result in results]
        checks += [reconsidered(each, there, named) for each in stabilities] + values
        return checks + [
            check for one in results for check in at_kink(case, named[one.name], one, oracle)
        ]
    stabilities = [stability_check(case, result) for result in results]
    checks += [reconsidered(each, case, named) for each in stabilities] + values
    checks += pairwise_checks(case, results, "vjp")
    checks += [
        against_oracle(case, named[result.name], result, oracle, alone=len(named) == 1)
        if isinstance(oracle, Oracle)
        else Check(result.name, "oracle", "none", "unsupported", oracle)
        for result in results
    ]
    checks += [check for one in sound for check in extremes(case, one.name, named[one.name])]
    if Manual.name in blamed(checks):
        return checks
    refused = next((each.refusal for each in observed if each.refusal), "")
    precise = precision_checks(case, results, precision)
    return checks + [undecided(each, refused) for each in precise]
