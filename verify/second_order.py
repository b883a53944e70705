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
  the spot, by Richardson extrapolation elsewhere (`verify.oracles.derivative`);
- ``complex step, every entry``: where that is valid, its J(x + ihv)ᵀ u has all of S(v) in it;
- its other modes, and the other engines, entry by entry.

Tolerances are those of `verify.tolerance`, with the noise of S in place of that of Jᵀu. To it is
added how far S moves when x moves by one rounding: at a kink within rounding of x second
derivatives jump, and little else shows it.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import combinations

import numpy as np

from reference_impls.backends import Backend
from reference_impls.computation import Array, Arrays, cast, copies, generator
from reference_impls.derivatives import SecondVjp, forward_over_reverse, second_pullback
from reference_impls.implicit import ImplicitError
from verify.cases import Case, implementation_label
from verify.compare import (
    Check,
    Verdict,
    Worst,
    contract_violation,
    make_worst,
    one_line,
    overall,
    worst_entry,
)
from verify.oracles import (
    BLUNT,
    COMPLEX,
    COMPLEX_STEP,
    FIRST_STEPS,
    NOISE_POINTS,
    Estimate,
    Functional,
    Scalar,
    complex_step,
    derivative,
)
from verify.tolerance import (
    EXCUSE,
    PAIRING,
    PROBES,
    SAFETY,
    Noise,
    fits_float32,
    largest,
    nudged,
    pair,
    pooled,
    unit_roundoff,
)

KIND = "second order"

UNSUPPORTED: Verdict = "unsupported"

EVERY_ENTRY = "complex step, every entry"

REVERSE, FORWARD = "reverse over reverse", "forward over reverse"

FACTOR = 2.0
"""Of the tangents that are combined: a power of two, with which nothing is rounded anew."""

ROUNDS = ((0, 0, 4), (2, 0, 4), (PROBES, PROBES, NOISE_POINTS))
"""Points at which noise is measured in the case's dtype, and in float32 against float64; and points
at which the oracle measures its own. Most answers are within the tolerance without any noise; but
before anything is called wrong, all is measured as well as it can be."""

OTHER_WAYS = ((0, 1), (1, 1), (1, -1), (1, 2), (2, -1))
"""Combinations of v and w along which the complex step may be confirmed, if it is not along v."""

Hvp = Callable[[Arrays, Arrays], Arrays]
"""From primals and tangents v to S(v), both by argument: in the dtype of the primals."""

Gradient = Callable[[Arrays], Arrays]
"""From primals, in float64 and maybe complex, to Jᵀu."""


class OnOneGraph:
    """An HVP that is linearised once for all tangents at the same primals.

    It is cheaper than one that begins anew each time, and shows what a graph does when it is walked
    more than once. Primals are told apart by identity: they must not be written to.

    Args:
        linearise: from primals to v ↦ S(v) there.
    """

    def __init__(self, linearise: Callable[[Arrays], SecondVjp]) -> None:
        self._linearise = linearise
        self._primals: Arrays | None = None
        self._second: SecondVjp | None = None

    def __call__(self, primals: Arrays, tangents: Arrays) -> Arrays:
        """S(v) at the primals."""
        if self._second is None or primals is not self._primals:
            self._primals, self._second = primals, self._linearise(primals)
        return self._second(tangents)


@dataclass(frozen=True)
class _Question:
    """What every implementation is asked.

    Attributes:
        primals: x, of the dtype; those that are not floating are handed on.
        wrt: of them, what to differentiate with respect to.
        dtype: ``float64`` or ``float32``.
        v: Gaussian, at the scale of each primal.
        w: the same.
    """

    primals: Arrays
    wrt: tuple[str, ...]
    dtype: str
    v: Arrays
    w: Arrays

    @property
    def floating(self) -> Arrays:
        """The primals that can be moved."""
        return {name: array for name, array in self.primals.items() if array.dtype.kind == "f"}

    @property
    def combined(self) -> Arrays:
        """The tangent v - 2w."""
        return {name: v - v.dtype.type(FACTOR) * self.w[name] for name, v in self.v.items()}

    @property
    def zero(self) -> Arrays:
        """The tangent 0."""
        return {name: np.zeros_like(v) for name, v in self.v.items()}


@dataclass(frozen=True)
class _Truth:
    """What no engine computed.

    Attributes:
        estimate: of ⟨S(w), v⟩; None where the oracle could not be evaluated.
        of_v: S(v), where the complex step is valid.
        detail: why there is no estimate.
        rounding: of the gradient, over the step of a difference: what is left of a second
            derivative that is zero.
    """

    estimate: Estimate | None
    of_v: Arrays | None = None
    detail: str = ""
    rounding: float = 0.0


@dataclass(frozen=True)
class _Answers:
    """What one implementation said.

    Attributes:
        name: whose.
        hvp: the mode that was asked everything: the first that works.
        others: S(v) by the other modes that work.
        of_v: S(v).
        of_w: S(w).
        combined: S(v - 2w).
        of_zero: S(0).
        again: S(v), asked for last.
    """

    name: str
    hvp: Hvp
    others: dict[str, Arrays]
    of_v: Arrays
    of_w: Arrays
    combined: Arrays
    of_zero: Arrays
    again: Arrays


def second_order(case: Case, backends: Sequence[Backend]) -> list[Check]:
    """Every check above, of each engine among the backends, at one case of the catalogue.

    The oracle differentiates the manual derivation; without it among the backends, the first one.
    A mode is left out where the engine has no rule for some node of f: autograd has no forward
    rules for `pinv` and `convolve`, and neither engine has one for an argmin layer.

    Args:
        case: the computation, its primals x and the cotangent u.
        backends: those that no first-order check speaks against.
    """
    engines = [backend for backend in backends if backend.body != "by_hand"]
    if not engines:
        return []
    manual = [backend for backend in backends if backend.body == "by_hand"]
    checks = _judge(
        {implementation_label(backend): _modes(case, backend) for backend in engines},
        partial(_gradient, case, (manual or engines)[0]),
        (case.primals, case.computation.wrt, case.dtype),
        generator(case.computation, case.size, case.seed, 2),
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
    v, w = ({name: _tangent(primals[name], dtype, rng) for name in wrt} for _ in "vw")
    question = _Question(primals, wrt, dtype, v, w)
    troubles: list[Check] = []
    answers = [
        found
        for name, modes in implementations.items()
        if (found := _ask(question, name, modes, troubles))
    ]
    truth_from = cache(partial(_truth, question, gradient))
    checks: list[Check] = []
    for *counts, oracle_points in ROUNDS if answers else ():
        truth = truth_from(oracle_points)
        noise = _noise(question, [each.hvp for each in answers], counts, rng)
        checks = [check for each in answers for check in _checks(question, truth, each, noise)]
        checks += [
            _entries(one.name, other.name, one.of_v, other.of_v, noise.cotangents)
            for one, other in combinations(answers, 2)
        ]
        if overall(checks) == "agree":
            break
    return troubles + checks


def _tangent(primal: Array, dtype: str, rng: np.random.Generator) -> Array:
    size = float(np.sqrt(np.mean(np.square(primal, dtype=np.float64)))) if primal.size else 1.0
    return np.asarray((size or 1.0) * rng.standard_normal(primal.shape), dtype)


# --------------------------------------------------------------------- engines of the catalogue


def _modes(case: Case, backend: Backend) -> dict[str, Hvp]:
    def cotangent(primals: Arrays) -> Array:
        return case.cotangent.astype(primals[case.computation.wrt[0]].dtype)

    def linearised(primals: Arrays) -> SecondVjp:
        return second_pullback(backend, case.computation, primals, cotangent(primals))

    def forward(primals: Arrays, tangents: Arrays) -> Arrays:
        u = cotangent(primals)
        return forward_over_reverse(backend, case.computation, primals, u, tangents)

    return {REVERSE: OnOneGraph(linearised), FORWARD: forward}


def _gradient(case: Case, backend: Backend, primals: Arrays) -> Arrays:
    """Jᵀu in float64; `make_vjp` refuses complex primals, which a body by hand may take."""
    cotangent = case.cotangent.astype(np.float64)
    if backend.body == "by_hand":
        return case.computation.by_hand(**primals)[1](cotangent)
    return backend.make_vjp(case.computation, primals)[1](cotangent)


# ------------------------------------------------------------------------- answers and the truth


def _ask(
    question: _Question, name: str, modes: Mapping[str, Hvp], troubles: list[Check]
) -> _Answers | None:
    """What an implementation says; what is wrong with a mode before it is compared is appended."""
    answers: _Answers | None = None
    tangents = [question.v, question.w, question.combined, question.zero, question.v]
    for mode, hvp in modes.items():
        try:
            said = [
                copies(hvp(question.primals, tangent))
                for tangent in (tangents if answers is None else tangents[:1])
            ]
            unlike = (_violation(question, each) for each in said)
            fault = next((fault for fault in unlike if fault), "")
        except (NotImplementedError, ImplicitError) as error:
            troubles.append(Check(name, KIND, mode, UNSUPPORTED, one_line(error)))
            continue
        except Exception as error:  # noqa: BLE001 -- whatever an implementation raises is its fault
            fault = one_line(error)
        if fault:
            troubles.append(Check(name, KIND, mode, "disagree", fault))
        elif answers is None:
            answers = _Answers(name, hvp, {}, *said)
        else:
            answers.others[mode] = said[0]
    return answers


def _violation(question: _Question, second: Arrays) -> str:
    value = np.zeros((), question.dtype)
    fault = contract_violation(value, second, question.primals, question.wrt)
    return f"of the second derivative, {fault.sentence}" if fault else ""


def _truth(question: _Question, gradient: Gradient, points: int) -> _Truth:
    primals = question.primals | cast(question.floating, np.float64)
    v, w = cast(question.v, np.float64), cast(question.w, np.float64)

    def along(h: Scalar, tangents: Arrays) -> Arrays:
        return gradient(primals | {name: primals[name] + h * tangents[name] for name in tangents})

    def paired(tangents: Arrays) -> Functional:
        def phi(h: Scalar) -> Scalar:
            moved = along(h, tangents)
            total: Scalar = sum(np.sum(moved[name] * w[name]).item() for name in w)
            return total

        return phi

    try:
        estimate = derivative(paired(v), points)
        is_sure = estimate.oracle == COMPLEX and estimate.error_bar <= BLUNT * abs(estimate.value)
        if points == NOISE_POINTS and not is_sure and _is_analytic(paired, v, w):
            estimate = complex_step(paired(v), points)
        if estimate.oracle != COMPLEX:
            return _Truth(estimate, rounding=_over_step(along(0.0, v), w))
        stepped = along(1j * COMPLEX_STEP, v)
    except Exception as error:  # noqa: BLE001 -- it did not at the primals themselves
        return _Truth(
            None, detail=f"the gradient, at a point beside the primals, {one_line(error)}"
        )
    of_v = {name: np.asarray(np.imag(stepped[name])) / COMPLEX_STEP for name in question.wrt}
    return _Truth(estimate, of_v)


def _is_analytic(paired: Callable[[Arrays], Functional], v: Arrays, w: Arrays) -> bool:
    """Is the complex step found valid along any of a few other ways from the same point?

    A gradient of many kinked units has a kink on either side of nearly every point, near enough to
    spoil the differences that would confirm the step. Another way leads past others.
    """
    ways = ({name: a * v[name] + b * w[name] for name in v} for a, b in OTHER_WAYS)
    estimates = (derivative(paired(way)) for way in ways)
    return any(e.oracle == COMPLEX and e.error_bar <= BLUNT * abs(e.value) for e in estimates)


def _over_step(gradient: Arrays, w: Arrays) -> float:
    """Tangents are at the scale of the primals: a gradient that did change would, by its size."""
    return SAFETY * unit_roundoff(np.float64) * _size(gradient, w) / FIRST_STEPS[0]


# ---------------------------------------------------------------------------------------- noise


def _noise(
    question: _Question, hvps: Sequence[Hvp], counts: Sequence[int], rng: np.random.Generator
) -> Noise:
    """Of S(v), of S(w) and of the two pairings, what all implementations are allowed."""
    here, both = counts
    own = _points(question, here, question.dtype, rng)
    single = _points(question, both, "float32", rng) if fits_float32(question.floating) else []
    factors = rng.uniform(1, 2, len(own[1:]))
    noises = [noise for hvp in hvps if (noise := _measured(question, hvp, (own, single), factors))]
    if noises:
        return pooled(noises)
    shapes = {name: question.v[name].shape for name in question.wrt} | {PAIRING: ()}
    nothing = dict.fromkeys(shapes, 0.0)
    errors = {name: np.zeros(each) for name, each in shapes.items()}
    return Noise(errors, nothing, nothing, nothing, nothing)


def _points(question: _Question, count: int, dtype: str, rng: np.random.Generator) -> list[Arrays]:
    """The primals as they are, then moved by one rounding."""
    moved = nudged(question.floating, np.ones(()), rng, max(0, count - 1), dtype)
    # The primals themselves, where they have the dtype: a graph that was built there is used again.
    first = question.primals if dtype == question.dtype else _in_dtype(question.primals, dtype)
    return [first, *(question.primals | primals for primals, _ in moved)][:count]


def _in_dtype(arrays: Arrays, dtype: str) -> Arrays:
    return {n: a.astype(dtype) if a.dtype.kind == "f" else a for n, a in arrays.items()}


def _measured(
    question: _Question,
    hvp: Hvp,
    points: tuple[Sequence[Arrays], Sequence[Arrays]],
    factors: Array,
) -> Noise | None:
    """The noise of one implementation, or None if there is none to be had.

    It is measured in three ways, none of which sees everything: S from one point to the next;
    S(cv)/c against S(v), the same but for rounding; and float32 against float64. A sum of many
    equal terms has the same rounding error at all points, and another for every factor c; and an
    engine whose float32 is float64 halfway shows too little in the last.
    """
    own, single = points
    v, w = question.v, question.w
    first: Arrays = {}
    changes: list[list[Arrays]] = [[], [], []]
    # What is raised at the primals themselves is reported as a check; float32 need not be taken.
    with suppress(Exception):
        first = _sampled(hvp, own[0], v, w)
        scaled = [_sampled(hvp, own[0], v, w, factor) for factor in factors]
        moved = [_sampled(hvp, point, v, w) for point in own[1:]]
        changes[:2] = [
            [_in_units(each, first, question.dtype) for each in some] for some in (moved, scaled)
        ]
    with suppress(Exception):
        for point in single:
            x, p, q = point, _in_dtype(v, "float32"), _in_dtype(w, "float32")
            narrow = _sampled(hvp, x, p, q)
            x, p, q = (_in_dtype(each, "float64") for each in (x, p, q))
            changes[2].append(_in_units(narrow, _sampled(hvp, x, p, q), "float32"))
    if not (first and any(changes)):
        return None
    found = {name: [_rms([each[name] for each in some]) for some in changes] for name in first}
    errors = {name: np.asarray(np.sqrt(sum(map(np.square, each)))) for name, each in found.items()}
    if not all(np.isfinite(array).all() for array in errors.values()):
        return None
    spread = {name: largest(change) for name, (change, *_) in found.items()}
    scale = {name: largest(array) for name, array in first.items()}
    of_v, of_w = ({name: first[name][k] for name in v} for k in (0, 1))
    scale[PAIRING] = max(_size(of_v, w), _size(of_w, v))
    return Noise(errors, spread, scale, spread, dict.fromkeys(errors, 0.0))


def _sampled(hvp: Hvp, primals: Arrays, v: Arrays, w: Arrays, factor: float = 1.0) -> Arrays:
    """S(cv)/c and S(cw)/c, stacked, and both pairings, in the dtype of what is given."""
    of_v, of_w = (_scaled(hvp(primals, _scaled(each, factor)), 1 / factor) for each in (v, w))
    found = {name: np.stack([of_v[name], of_w[name]]) for name in v}
    return found | {PAIRING: np.asarray([pair(of_v, w), pair(of_w, v)])}


def _scaled(arrays: Mapping[str, Array], factor: float) -> Arrays:
    return {name: np.asarray(array * array.dtype.type(factor)) for name, array in arrays.items()}


def _in_units(got: Arrays, expected: Arrays, dtype: str) -> Arrays:
    """The difference, in units of the unit roundoff."""
    return {name: (got[name] - expected[name]) / unit_roundoff(dtype) for name in expected}


def _rms(samples: Sequence[Array]) -> Array:
    """Over the samples, and over the first axis of each; 0 without samples."""
    if not samples:
        return np.zeros(())
    squares = sum(np.mean(np.square(sample, dtype=np.float64), axis=0) for sample in samples)
    return np.asarray(np.sqrt(squares / len(samples)))


# --------------------------------------------------------------------------------------- checks


def _checks(question: _Question, truth: _Truth, answers: _Answers, noise: Noise) -> list[Check]:
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


def _symmetry(question: _Question, answers: _Answers, noise: Noise) -> Check:
    mirrored = Estimate(pair(answers.of_v, question.w), 0.0, "symmetry")
    return _judged(answers.name, mirrored.oracle, _pairing(question, answers, noise, mirrored))


def _against_oracle(question: _Question, truth: _Truth, answers: _Answers, noise: Noise) -> Check:
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


def _pairing(question: _Question, answers: _Answers, noise: Noise, expected: Estimate) -> Worst:
    """⟨S(w), v⟩ against what it should be."""
    scale = max(_size(answers.of_w, question.v), _size(answers.of_v, question.w))
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


def _size(second: Arrays, tangents: Arrays) -> float:
    """Of a pairing, or of its terms if those cancel: then the root of their sum of squares."""
    terms = (np.multiply(second[name], v, dtype=np.float64) for name, v in tangents.items())
    together = float(np.sqrt(sum(np.sum(np.square(term)) for term in terms)))
    return max(together, abs(pair(second, tangents)))
