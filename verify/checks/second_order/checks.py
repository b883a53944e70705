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
- an oracle: ⟨S(w), v⟩ = d/dh ⟨J(x + hv)ᵀ u, w⟩ at h = 0, which takes first-order gradients only,
  and those from no engine. It is the complex step through a derivation by hand where that is found
  valid, and Richardson extrapolation elsewhere (`verify.oracles.derivative.derivative`);
- ``complex step, every entry``: where it is valid, the imaginary part of J(x + ihv)ᵀ u is h S(v);
- its other modes, and the other engines, entry by entry.

Tolerances are those of `verify.error_model`, with the noise of S in place of that of Jᵀu. The noise
includes how far S moves when x moves by one rounding: at a kink that near, second derivatives jump,
and little else shows it.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from reference_impls.engines.backend import Backend, SecondOrder
from reference_impls.engines.manual.backend import Manual
from reference_impls.function import label
from verify.checks.case import CatalogueCase, Stream
from verify.checks.check import Check, overall
from verify.checks.second_order.answers import FORWARD, REVERSE, UNSUPPORTED, Answers, ask_modes
from verify.checks.second_order.engines import gradient_of, modes_of
from verify.checks.second_order.question import Gradient, Hvp, Question
from verify.checks.second_order.round import Effort, Round
from verify.checks.second_order.truth import GradientOracle
from verify.error_model.measurement import PROBES
from verify.oracles.estimate import NOISE_POINTS

EFFORTS = (
    Effort(own=0, single=0, wide=0, oracle=4),
    Effort(own=1, single=0, wide=0, oracle=4),
    Effort(own=PROBES - 1, single=PROBES, wide=0, oracle=NOISE_POINTS),
    Effort(own=PROBES - 1, single=PROBES, wide=PROBES - 1, oracle=NOISE_POINTS),
)
"""Of one round after the other, until everything agrees. Most answers are within the tolerance
without any noise; but nothing is called wrong before all is measured as well as it can be."""


def second_order(case: CatalogueCase, backends: Sequence[Backend]) -> list[Check]:
    """Every check above, of each engine among the backends, at one case of the catalogue.

    The oracle differentiates the derivation by hand; without it among the backends, the first one.
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
    by_hand = [backend for backend in twice if backend.name == Manual.name]
    rng = case.generator(Stream.FURTHER)
    checks = second_order_checks(
        {label(backend): modes_of(case, backend) for backend in engines},
        gradient_of(case, (by_hand or engines)[0]),
        Question.drawn(case.primals, case.computation.wrt, case.dtype, rng),
        rng,
    )
    return [c for c in checks if not (c.verdict == UNSUPPORTED and c.against in (REVERSE, FORWARD))]


def second_order_checks(
    implementations: Mapping[str, Mapping[str, Hvp]],
    gradient: Gradient,
    question: Question,
    rng: np.random.Generator,
) -> list[Check]:
    """Every check above; none if there is no entry to differentiate with respect to.

    Args:
        implementations: by label, each one's ways to compute S(v), by name. The first way that
            works is asked everything; the others are held against it. One that raises
            NotImplementedError, or an ImplicitError of a layer that has no solution, is
            ``unsupported``; anything else that is raised is a disagreement.
        gradient: Jᵀu by a trusted first-order implementation.
        question: the primals and tangents.
        rng: for the points at which noise is measured.
    """
    if question.is_empty:
        return []
    heard = [ask_modes(question, name, modes) for name, modes in implementations.items()]
    troubles = [check for each in heard for check in each.troubles]
    answers = [each.answers for each in heard if each.answers]
    if not answers:
        return troubles
    return troubles + _judge(answers, GradientOracle(question, gradient), question, rng)


def _judge(
    answers: Sequence[Answers],
    oracle: GradientOracle,
    question: Question,
    rng: np.random.Generator,
) -> list[Check]:
    """The checks of the first round in which everything agrees, or else of the last."""
    checks: list[Check] = []
    for effort in EFFORTS:
        checks = Round.measured(effort, question, answers, oracle, rng).checks
        if overall(checks) == "agree":
            break
    return checks
