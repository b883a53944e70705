"""Does a candidate's Jacobian satisfy K J + R = 0, the equation that defines it?"""

import numpy as np

from reference_impls.computation import Array, Arrays
from verify.checks.argmin.candidate import Candidate, is_solution
from verify.checks.argmin.kinds import EvidenceKind
from verify.checks.argmin.trial import Trial, worst_check
from verify.checks.check import Check, Worst
from verify.checks.compare import make_worst
from verify.error_model.arrays import pair, unit_roundoff


def defining_equation_checks(trial: Trial, each: Candidate) -> list[Check]:
    """wᵀ (K J + R) v = 0 for Gaussian w and v; only where the value is the solution itself.

    wᵀ K J is the VJP of Kᵀw: nothing is solved with K here, which would cost digits.
    """
    if not is_solution(trial.case, each.result.value):
        return []
    found = [worst for w in each.weights for worst in _defining_equation(trial, each, w)]
    return [worst_check(each, EvidenceKind.DEFINING_EQUATION, found)]


def _defining_equation(trial: Trial, each: Candidate, w: Array) -> list[Worst]:
    """Along each of the case's directions v."""
    case, solution = trial.case, trial.solution
    cotangent = (solution.K.T @ w.ravel()).reshape(w.shape)
    cotangents = each.vjp(cotangent)
    longer = float(np.linalg.norm(cotangent) / np.linalg.norm(case.cotangent))
    return [
        _defect(trial, cotangents, v, w.ravel() * solution.partial_along(v), longer * float(noise))
        for v, noise in zip(case.directions, trial.noise.pairings, strict=True)
    ]


def _defect(trial: Trial, cotangents: Arrays, v: Arrays, terms: Array, measured: float) -> Worst:
    """wᵀ K J v against -wᵀ R v, given the terms of wᵀ R v and the noise of the other."""
    scale = float(np.linalg.norm(terms))
    # An implementation has solved with K, and lost digits there, by whatever method.
    noise = trial.solution.condition_number * scale + measured
    units = (unit_roundoff(trial.case.dtype), scale, noise)
    return make_worst("wᵀ K J v", "", pair(cotangents, v), float(-terms.sum()), units)
