r"""Second derivatives: is what an engine returns when it differentiates a gradient right?

The second-order VJP of f, at primals x and for a cotangent u, maps tangents v to

    S(v) = (∂/∂x) ⟨J(x)ᵀ u, v⟩ = H v,    H = Σᵢ uᵢ ∇²fᵢ(x)

(for a scalar f and u = 1, the HVP). An engine has it by reverse over reverse, as the VJP of the
gradient map x ↦ Jᵀu, and by forward over reverse, as its JVP. For Gaussian v and w each
implementation is held against

- its contract: names, shapes and dtypes of S(v) are those of x, and every entry is finite;
- ``a second call``: S(v), asked for again on the same graph after other tangents, is the same;
- ``linearity``: S(v - 2w) = S(v) - 2 S(w);
- ``zero tangent``: S(0) = 0;
- ``symmetry``: ⟨S(v), w⟩ = ⟨S(w), v⟩, as H is symmetric;
- an oracle: ⟨S(w), v⟩ = d/dh ⟨J(x + hv)ᵀ u, w⟩ at h = 0, from first-order gradients alone that no
  engine computes: by the complex step through a derivation by hand, where that is found valid on
  the spot, by Richardson extrapolation elsewhere (`verify.oracles.derivative.derivative`);
- ``complex step, every entry``: where that is valid, its J(x + ihv)ᵀ u has all of S(v) in it;
- its other modes, and the other engines, entry by entry.

Tolerances are those of `verify.error_model`, with the noise of S in place of that of Jᵀu. To it is
added how far S moves when x moves by one rounding: at a kink within rounding of x second
derivatives jump, and little else shows it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import combinations

import numpy as np

from reference_impls.computation import Array, Arrays
from reference_impls.derivatives import SecondVjp, forward_over_reverse, second_pullback
from reference_impls.engines.backend import Backend, SecondOrder
from reference_impls.engines.manual.backend import Manual
from reference_impls.function import label
from verify.checks.case import CatalogueCase
from verify.checks.check import Check, Worst, overall
from verify.checks.compare import make_worst, worst_entry
from verify.checks.second_order.noise import noise_of_second
from verify.checks.second_order.question import (
    FACTOR,
    FORWARD,
    KIND,
    REVERSE,
    UNSUPPORTED,
    Answers,
    Gradient,
    Hvp,
    OnOneGraph,
    Question,
    Truth,
    ask_modes,
    gaussian_tangent,
)
from verify.checks.second_order.truth import truth_about
from verify.error_model.arrays import largest, pair, pairing_size, unit_roundoff
from verify.error_model.measurement import PROBES
from verify.error_model.noise import EXCUSE, Noise
from verify.oracles.estimate import BLUNT, NOISE_POINTS, Estimate

EVERY_ENTRY = "complex step, every entry"


ROUNDS = ((0, 0, 4), (2, 0, 4), (PROBES, PROBES, NOISE_POINTS))
"""Points at which noise is measured in the case's dtype, and in float32 against float64; and points
at which the oracle measures its own. Most answers are within the tolerance without any noise; but
before anything is called wrong, all is measured as well as it can be."""


def second_order(case: CatalogueCase, backends: Sequence[Backend]) -> list[Check]:
    """Every check above, of each engine among the backends, at one case of the catalogue.

    The oracle differentiates the manual derivation; without it among the backends, the first one.
    An engine that does not differentiate its derivatives is left out; so is a mode for which it
    has no rule at some node of f: autograd has no forward rules for `pinv` and `convolve`, and
    neither engine has one for an argmin layer.

    Args:
        case: the computation, its primals x and the cotangent u.
        backends: those that no first-order check speaks against.
    """
    twice = [backend for backend in backends if isinstance(backend, SecondOrder)]
    engines = [backend for backend in twice if backend.name != Manual.name]
    if not engines:
        return []
    manual = [backend for backend in twice if backend.name == Manual.name]
    checks = _judge(
        {label(backend): _modes(case, backend) for backend in engines},
        partial(_gradient, case, (manual or engines)[0]),
        (case.primals, case.computation.wrt, case.dtype),
        case.generator(2),
    )
    return [c for c in checks if not (c.verdict == UNSUPPORTED and c.against in (REVERSE, FORWARD))]


def second_order_checks(
    implementation: str,
    modes: Mapping[str, Hvp],
    gradient: Gradient,
    primals: Arrays,
    wrt: Sequence[str],
    dtype: str,
    rng: np.random.Generator,
) -> list[Check]:
    """Every check above, of one implementation.

    Args:
        implementation: its name.
        modes: ways to compute S(v), by name. The first that works is asked everything; the others
            are held against it. One that raises NotImplementedError, or an ImplicitError of a
            layer that has no solution, is ``unsupported``; anything else is a disagreement.
        gradient: Jᵀu by a trusted first-order implementation.
        primals: x, of the dtype; those not in `wrt` may be of any.
        wrt: names of the primals to differentiate with respect to.
        dtype: ``float64`` or ``float32``.
        rng: for v, w and the points at which noise is measured.
    """
    return _judge({implementation: modes}, gradient, (primals, tuple(wrt), dtype), rng)


def _judge(
    implementations: Mapping[str, Mapping[str, Hvp]],
    gradient: Gradient,
    point: tuple[Arrays, tuple[str, ...], str],
    rng: np.random.Generator,
) -> list[Check]:
    primals, wrt, dtype = point
    if not any(primals[name].size for name in wrt):
        return []  # nothing to be wrong about
    v, w = ({name: gaussian_tangent(primals[name], dtype, rng) for name in wrt} for _ in "vw")
    question = Question(primals, wrt, dtype, v, w)
    troubles: list[Check] = []
    answers = [
        found
        for name, modes in implementations.items()
        if (found := ask_modes(question, name, modes, troubles))
    ]
    truth_from = cache(partial(truth_about, question, gradient))
    checks: list[Check] = []
    for *counts, oracle_points in ROUNDS if answers else ():
        truth = truth_from(oracle_points)
        noise = noise_of_second(question, [each.hvp for each in answers], counts, rng)
        checks = [check for each in answers for check in _checks(question, truth, each, noise)]
        checks += [
            _entries(one.name, other.name, one.of_v, other.of_v, noise.cotangents)
            for one, other in combinations(answers, 2)
        ]
        if overall(checks) == "agree":
            break
    return troubles + checks


def _modes(case: CatalogueCase, backend: Backend) -> dict[str, Hvp]:
    def cotangent(primals: Arrays) -> Array:
        return case.cotangent.astype(primals[case.computation.wrt[0]].dtype)

    def linearised(primals: Arrays) -> SecondVjp:
        return second_pullback(backend, case.computation, primals, cotangent(primals))

    def forward(primals: Arrays, tangents: Arrays) -> Arrays:
        u = cotangent(primals)
        return forward_over_reverse(backend, case.computation, primals, u, tangents)

    return {REVERSE: OnOneGraph(linearised), FORWARD: forward}


def _gradient(case: CatalogueCase, backend: Backend, primals: Arrays) -> Arrays:
    """Jᵀu in float64; `make_vjp` refuses complex primals, which a body by hand may take."""
    cotangent = case.cotangent.astype(np.float64)
    if backend.name == Manual.name:
        return case.computation.by_hand(**primals)[1](cotangent)
    return backend.make_vjp(case.computation, primals)[1](cotangent)


def _checks(question: Question, truth: Truth, answers: Answers, noise: Noise) -> list[Check]:
    name, of_v, of_w = answers.name, answers.of_v, answers.of_w
    usual = noise.cotangents
    difference = {each: of_v[each] - of_v[each].dtype.type(FACTOR) * of_w[each] for each in of_v}
    # Each term is rounded by itself.
    terms = {
        each: (1 + FACTOR) * usual[each] + np.abs(of_v[each]) + FACTOR * np.abs(of_w[each])
        for each in of_v
    }
    nothing = {each: np.zeros_like(array) for each, array in usual.items()}
    # No conditioning excuses another answer to the same question, only another order of summation.
    reordered = {
        each: np.minimum(array, EXCUSE * largest(of_v[each])) for each, array in usual.items()
    }
    checks = [
        _entries(name, "a second call", answers.again, of_v, reordered),
        _entries(name, "linearity", answers.combined, difference, terms),
        _entries(name, "zero tangent", answers.of_zero, question.zero, nothing),
        _symmetry(question, answers, noise),
        _against_oracle(question, truth, answers, noise),
    ]
    if truth.of_v is not None:
        checks.append(_entries(name, EVERY_ENTRY, of_v, truth.of_v, usual))
    return checks + [_entries(name, mode, it, of_v, usual) for mode, it in answers.others.items()]


def _entries(name: str, against: str, got: Arrays, expected: Arrays, noise: Arrays) -> Check:
    return _judged(name, against, worst_entry(got, expected, noise))


def _judged(name: str, against: str, worst: Worst, error_bar: float = 0.0) -> Check:
    if not worst.accepted:
        return Check(name, KIND, against, "disagree", worst=worst)
    if worst.error > error_bar and worst.tolerance > worst.scale:
        detail = "rounding noise leaves no digit"
        return Check(name, KIND, against, "inconclusive", detail, worst)
    return Check(name, KIND, against, "agree", worst=worst)


def _symmetry(question: Question, answers: Answers, noise: Noise) -> Check:
    mirrored = Estimate(pair(answers.of_v, question.w), 0.0, "symmetry")
    return _judged(answers.name, mirrored.oracle, _pairing(question, answers, noise, mirrored))


def _against_oracle(question: Question, truth: Truth, answers: Answers, noise: Noise) -> Check:
    estimate = truth.estimate
    if estimate is None:
        return Check(answers.name, KIND, "oracle", UNSUPPORTED, truth.detail)
    worst = _pairing(question, answers, noise, estimate)
    check = _judged(answers.name, estimate.oracle, worst, estimate.error_bar)
    blunt = max(worst.tolerance - estimate.error_bar, BLUNT * worst.scale, truth.rounding)
    if check.verdict == "agree" and estimate.error_bar > blunt:
        detail = f"the oracle's error bar is {estimate.error_bar:.1e}"
        return replace(check, verdict="inconclusive", detail=detail)
    return check


def _pairing(question: Question, answers: Answers, noise: Noise, expected: Estimate) -> Worst:
    """⟨S(w), v⟩ against what it should be."""
    scale = max(pairing_size(answers.of_w, question.v), pairing_size(answers.of_v, question.w))
    return make_worst(
        argument="⟨S(w), v⟩",
        index="",
        got=pair(answers.of_w, question.v),
        expected=expected.value,
        units=(
            unit_roundoff(question.dtype),
            max(scale, float(np.finfo(question.dtype).tiny)),
            float(noise.pairings),
        ),
        error_bar=expected.error_bar,
    )
