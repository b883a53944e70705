"""One case, a computation at a size, seed and dtype: every implementation against everything.

In this order, each step resting on the ones before it:

1. contract: names, shapes, dtypes, finiteness; inputs left alone; the same answer twice.
2. stability: an implementation's rounding errors are not far above the others'.
3. value: the implementations' values, pair by pair.
4. vjp: their cotangents Jᵀu, pair by pair, entry by entry, for a Gaussian u.
5. oracle: ⟨Jᵀu, v⟩ against ⟨u, J v⟩ from values alone, for Gaussian v.
6. precision: f and Jᵀu, entry by entry, against the manual derivation carried out in a wider dtype.

Step 5 differentiates the values of an implementation that step 3 found no fault with, always in
float64: a float32 gradient is judged against the float64 derivative at the same point. Step 6 is
taken where nothing before it speaks against the manual derivation, and tells how many digits each
implementation has.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from reference_impls.backends import Backend, Manual
from reference_impls.computation import Array, Arrays, Computation, cast, draw, generator
from verify.compare import Check, Verdict, contract_violation, make_worst, worst_entry
from verify.oracles import Estimate, Functional, Scalar, derivative
from verify.tolerance import (
    INSTABILITY,
    PAIRING,
    SAFETY,
    VALUE,
    Noise,
    measure_noise,
    nudged,
    pair,
    pooled,
    unit_roundoff,
)

DIRECTIONS = 2
"""Each is blind to the faults orthogonal to it, which a Gaussian direction never quite is."""

BLUNT = 1e-6
"""An oracle whose error bar is a larger fraction of the derivative resolves too little."""


DEVICE_MARK = "/"
"""Between an implementation's name and its device, where that is not the CPU."""


@dataclass(frozen=True)
class Case:
    """A computation at one size, seed and dtype, with all that checking it needs.

    Attributes:
        computation: the function f.
        size: of its primals.
        seed: of everything random.
        dtype: ``float64`` or ``float32``.
        primals: finite arrays of that dtype.
        cotangent: u, Gaussian, of the value's shape.
        directions: tangents v, Gaussian at the scale of each primal.
        noises: by implementation, its rounding noise at these primals, the same for both dtypes;
            of those that give finite numbers.
        noise: what all of them together are allowed.
    """

    computation: Computation
    size: int
    seed: int
    dtype: str
    primals: Arrays
    cotangent: Array
    directions: tuple[Arrays, ...]
    noises: Mapping[str, Noise]
    noise: Noise


@dataclass(frozen=True)
class Result:
    """What one implementation made of a case."""

    name: str
    value: Array
    cotangents: Arrays


def make_cases(
    computation: Computation,
    size: int,
    seed: int,
    dtypes: Sequence[str],
    backends: Sequence[Backend],
) -> Iterator[Case]:
    """The case in each dtype: the same numbers, rounded, and the same noise, measured once."""
    primals = draw(computation, size, np.float64, seed)
    rng = generator(computation, size, seed, 1)
    # Gaussian, and never all of one sign: that would cancel on normalised outputs.
    shape = _shape_of_value(computation, primals, backends)
    cotangent = np.asarray(rng.standard_normal(shape))
    directions = [
        {name: _tangent(primals[name], rng) for name in computation.wrt} for _ in range(DIRECTIONS)
    ]
    points = nudged(primals, cotangent, rng)
    measured = {
        backend_label(backend): measure_noise(computation, backend, points, directions)
        for backend in backends
    }
    noises = {name: noise for name, noise in measured.items() if noise}
    noise = pooled(list(noises.values())) if noises else _silence(computation, primals, shape)
    for dtype in dtypes:
        yield Case(
            computation=computation,
            size=size,
            seed=seed,
            dtype=dtype,
            primals=cast(primals, dtype),
            cotangent=cotangent.astype(dtype),
            directions=tuple(cast(tangents, dtype) for tangents in directions),
            noises=noises,
            noise=noise,
        )


def verify_case(case: Case, backends: Sequence[Backend]) -> list[Check]:
    """Every check of one case, in order."""
    checks: list[Check] = []
    results: list[Result] = []
    for backend in backends:
        result, fault = _run(case, backend)
        verdict: Verdict = "agree" if result else "disagree"
        checks.append(Check(backend_label(backend), "contract", "the primals", verdict, fault))
        results += [result] if result else []
    checks += [_stability(case, result) for result in results]
    faulty = {backend_label(backend) for backend in backends} - {result.name for result in results}
    values = _pairwise(case, results, "value")
    checks += values + _pairwise(case, results, "vjp")
    checks += _against_oracle(case, backends, results, faulty | suspects(values))
    return checks if Manual.name in blamed(checks) else checks + _precision(case, results)


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


def backend_label(backend: Backend) -> str:
    """Its name, and its device where that is not the CPU."""
    return backend.name if backend.device == "cpu" else backend.name + DEVICE_MARK + backend.device


def _shape_of_value(
    computation: Computation, primals: Arrays, backends: Sequence[Backend]
) -> tuple[int, ...]:
    """The shape most implementations give it: the others will not take the cotangent."""
    shapes: Counter[tuple[int, ...]] = Counter()
    for backend in backends:
        with suppress(Exception):  # what an implementation raises, its contract check reports
            shapes[backend.make_vjp(computation, primals)[0].shape] += 1
    return shapes.most_common(1)[0][0] if shapes else ()


def _silence(computation: Computation, primals: Arrays, shape: tuple[int, ...]) -> Noise:
    shapes = {VALUE: shape, PAIRING: (DIRECTIONS,)}
    shapes |= {name: primals[name].shape for name in computation.wrt}
    nothing = dict.fromkeys(shapes, 0.0)
    return Noise({name: np.zeros(each) for name, each in shapes.items()}, nothing, nothing, nothing)


def _tangent(primal: Array, rng: np.random.Generator) -> Array:
    size = float(np.sqrt(np.mean(np.square(primal)))) or 1.0
    return np.asarray(size * rng.standard_normal(primal.shape))


def _run(case: Case, backend: Backend) -> tuple[Result | None, str]:
    primals = {name: array.copy() for name, array in case.primals.items()}
    cotangent = case.cotangent.copy()
    try:
        value, vjp = backend.make_vjp(case.computation, primals)
        cotangents = vjp(cotangent)
        fault = contract_violation(value, cotangents, case.primals, case.computation.wrt)
        fault = fault or _impurity(case, (primals, cotangent), cotangents, vjp(cotangent))
    except Exception as error:  # noqa: BLE001 -- whatever an implementation raises is its fault
        return None, one_line(error)
    return (None, fault) if fault else (Result(backend_label(backend), value, cotangents), "")


def _impurity(case: Case, inputs: tuple[Arrays, Array], first: Arrays, second: Arrays) -> str:
    """What a pure function would not have done: changed its inputs, or its mind."""
    primals, cotangent = inputs
    for name, primal in primals.items():
        if not np.array_equal(primal, case.primals[name]):
            return f"modified primal {name}"
    if not np.array_equal(cotangent, case.cotangent):
        return "modified the cotangent"
    worst = worst_entry(second, first, case.noise.cotangents)
    if not worst.accepted:
        change = f"from {worst.expected!r} to {worst.got!r}"
        return f"a second call of the VJP changed {worst.argument}{worst.index} {change}"
    return ""


def _stability(case: Case, result: Result) -> Check:
    others = [noise for name, noise in case.noises.items() if name != result.name]
    against = "the others" if others else "its conditioning"
    detail = _instability(case.noises[result.name], others) if result.name in case.noises else ""
    return Check(result.name, "stability", against, "disagree" if detail else "agree", detail)


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


def _against_oracle(
    case: Case, backends: Sequence[Backend], results: Sequence[Result], suspected: set[str]
) -> list[Check]:
    trusted = [backend for backend in backends if backend_label(backend) not in suspected]
    if not trusted:
        detail = "no values to differentiate that nothing speaks against"
        return [Check(result.name, "oracle", "none", "unsupported", detail) for result in results]
    # Of those, bodies that take complex numbers first: the complex step is the sharper oracle.
    forward = max(reversed(trusted), key=lambda backend: backend.takes_complex).forward
    try:
        estimates = [
            derivative(_functional(case, tangents, forward)) for tangents in case.directions
        ]
    except Exception as error:  # noqa: BLE001 -- it did not at the primals themselves
        detail = f"at a point beside the primals it {one_line(error)}"
        return [Check(result.name, "oracle", "none", "unsupported", detail) for result in results]
    return [
        max(
            (dot_test(case, result, k, estimate) for k, estimate in enumerate(estimates)),
            key=severity,
        )
        for result in results
    ]


def _functional(
    case: Case, tangents: Arrays, forward: Callable[[Computation, Arrays], Array]
) -> Functional:
    """φ(h) = ⟨u, f(x + h v)⟩ in float64, or in complex128 for a complex h."""
    primals = cast(case.primals, np.float64)
    wide = cast(tangents, np.float64)
    cotangent = case.cotangent.astype(np.float64)

    def phi(h: Scalar) -> Scalar:
        moved = primals | {name: primals[name] + h * wide[name] for name in wide}
        return np.sum(cotangent * forward(case.computation, moved)).item()

    return phi


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
    terms = [
        np.multiply(result.cotangents[name], tangents[name], dtype=np.float64) for name in tangents
    ]
    unit = unit_roundoff(case.dtype)
    scale = float(np.sqrt(sum(np.sum(np.square(term)) for term in terms)))
    noise = float(case.noise.pairings[direction]) + condition * scale
    worst = make_worst(
        argument="⟨Jᵀu, v⟩",
        index="",
        got=pair(result.cotangents, tangents),
        expected=estimate.value,
        units=(unit, max(scale, float(np.finfo(case.dtype).tiny)), noise),
        error_bar=estimate.error_bar,
    )
    if not worst.accepted:
        return Check(result.name, kind, estimate.oracle, "disagree", worst=worst)
    if estimate.error_bar > max(SAFETY * unit * (scale + noise), BLUNT * scale):
        detail = f"the oracle's error bar is {estimate.error_bar:.1e}"
        return Check(result.name, kind, estimate.oracle, "inconclusive", detail, worst)
    return Check(result.name, kind, estimate.oracle, "agree", worst=worst)


def _precision(case: Case, results: Sequence[Result]) -> list[Check]:
    wide = _in_wider_dtype(case)
    if wide is None:
        return []
    value, cotangents = wide
    checks = []
    for result in results:
        found = [
            worst_entry({"value": result.value}, {"value": value}, case.noise.value),
            worst_entry(result.cotangents, cotangents, case.noise.cotangents),
        ]
        worst = max(found, key=lambda each: each.error / each.tolerance)
        verdict: Verdict = "agree" if worst.accepted else "disagree"
        checks.append(Check(result.name, "precision", "wider precision", verdict, worst=worst))
    return checks


def _in_wider_dtype(case: Case) -> tuple[Array, Arrays] | None:
    """The manual derivation in float64, or np.longdouble for float64, where that can be had."""
    dtype = np.float64 if case.dtype == "float32" else np.longdouble
    if np.finfo(dtype).eps >= np.finfo(case.dtype).eps:
        return None  # a platform whose longdouble is float64
    if dtype is np.longdouble and case.size > case.computation.tutorial_size:
        return None  # no BLAS has it: seconds at the tutorials' sizes, minutes beyond
    try:
        value, vjp = case.computation.by_hand(**cast(case.primals, dtype))
        cotangents = vjp(case.cotangent.astype(dtype))
    except Exception:  # noqa: BLE001 -- LAPACK has no longdouble, and a body need not be written
        return None
    return np.asarray(value), {name: np.asarray(cotangents[name]) for name in case.computation.wrt}


def one_line(error: Exception) -> str:
    """That it was raised, and the first line of its message."""
    return f"raised {type(error).__name__}: {error}".splitlines()[0]


def severity(check: Check) -> tuple[int, float]:
    """By verdict, the worst last; then by the error in units of its tolerance."""
    rank = {"agree": 0, "unsupported": 1, "inconclusive": 2, "disagree": 3}[check.verdict]
    return rank, check.worst.error / check.worst.tolerance if check.worst else 0.0
