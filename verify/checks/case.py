"""One case: a function at one point, and all that checking it there needs."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from reference_impls.computation import Array, Arrays, Computation, cast, copies, draw, generator
from reference_impls.engines.backend import Implementation
from verify.error_model.arrays import root_mean_square
from verify.error_model.measurement import PROBES, fits_float32, measure_noises
from verify.error_model.noise import FUNCTIONAL, PAIRING, VALUE, Noise, Point, pooled

DIRECTIONS = 2
"""Each is blind to the faults orthogonal to it, which a Gaussian direction never quite is."""


@dataclass(frozen=True)
class Case:
    """A computation at one size, seed and dtype, with all that checking it needs.

    Attributes:
        computation: the function f.
        size: of its primals.
        seed: of everything random.
        dtype: ``float64`` or ``float32``.
        primals: arrays of that dtype.
        cotangent: u, Gaussian, of the value's shape.
        directions: tangents v, Gaussian at the scale of each primal.
        noises: by implementation, its rounding noise at these primals, the same for both dtypes;
            of those that give finite numbers.
        noise: what all of them together are allowed; where none gives a gradient, their values.
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


def make_cases(
    computation: Computation,
    size: int,
    seed: int,
    dtypes: Sequence[str],
    implementations: Sequence[Implementation],
) -> Iterator[Case]:
    """The case in each dtype: the same numbers, rounded, and the same noise, measured once."""
    primals = draw(computation, size, np.float64, seed)
    yield from cases_at(computation, primals, (size, seed), dtypes, implementations)


def cases_at(
    computation: Computation,
    primals: Arrays,
    key: tuple[int, int],
    dtypes: Sequence[str],
    implementations: Sequence[Implementation],
    directions: int = DIRECTIONS,
    probes: int = PROBES,
) -> Iterator[Case]:
    """`make_cases` at given primals.

    Args:
        computation: the function f.
        primals: arrays of float64, or of the one dtype wanted.
        key: size and seed.
        dtypes: of the cases.
        implementations: whose noise to measure.
        directions: how many.
        probes: how many points to measure noise at.
    """
    size, seed = key
    rng = generator(computation, size, seed, 1)
    # Gaussian, and never all of one sign: that would cancel on normalised outputs.
    shape = _shape_of_value(computation, primals, implementations)
    cotangent = np.asarray(rng.standard_normal(shape))
    tangents = [
        {name: _tangent(primals[name], rng) for name in computation.wrt} for _ in range(directions)
    ]
    point = primals, cotangent
    noises = measure_noises(computation, point, tangents, implementations, rng, probes)
    noise = (
        pooled(list(noises.values()))
        if noises
        else _noise_of_values(computation, point, implementations, rng, probes, directions)
    )
    for dtype in dtypes:
        yield Case(
            computation=computation,
            size=size,
            seed=seed,
            dtype=dtype,
            primals=cast(primals, dtype),
            cotangent=cotangent.astype(dtype),
            directions=tuple(cast(tangent, dtype) for tangent in tangents),
            noises=noises,
            noise=noise,
        )


def noises_again(
    case: Case, primals: Arrays, implementations: Sequence[Implementation]
) -> dict[str, Noise]:
    """`measure_noises` at primals beside a case's, or at those.

    Args:
        case: the function, the cotangent and the directions.
        primals: of float64, or of the only dtype there is.
        implementations: of the function.
    """
    point = primals, case.cotangent.astype(np.float64)
    rng = generator(case.computation, case.size, case.seed, 4)
    return measure_noises(case.computation, point, case.directions, implementations, rng, PROBES)


def _shape_of_value(
    computation: Computation, primals: Arrays, implementations: Sequence[Implementation]
) -> tuple[int, ...]:
    """The shape most implementations give it: the others will not take the cotangent."""
    shapes: Counter[tuple[int, ...]] = Counter()
    for each in implementations:
        with suppress(Exception):  # what an implementation raises, its contract check reports
            shapes[_value_of(each, computation, primals).shape] += 1
    return shapes.most_common(1)[0][0] if shapes else ()


def _value_of(implementation: Implementation, computation: Computation, primals: Arrays) -> Array:
    """In float32 if it computes in that, which takes half the time."""
    if fits_float32(primals):
        with suppress(Exception):
            narrow = copies(cast(primals, np.float32))
            return implementation.make_vjp(computation, narrow)[0]
    return implementation.make_vjp(computation, copies(primals))[0]


def _noise_of_values(
    computation: Computation,
    point: Point,
    implementations: Sequence[Implementation],
    rng: np.random.Generator,
    probes: int,
    directions: int,
) -> Noise:
    """Where nobody gives a gradient, values may still be right, and are compared."""
    silence = _silence(computation, point, directions)
    values = replace(computation, wrt=())
    noises = measure_noises(values, point, (), implementations, rng, probes)
    return silence.with_noise_of(pooled(list(noises.values()))) if noises else silence


def _silence(computation: Computation, point: Point, directions: int) -> Noise:
    primals, cotangent = point
    shapes = {VALUE: cotangent.shape, FUNCTIONAL: (), PAIRING: (directions,)}
    shapes |= {name: primals[name].shape for name in computation.wrt}
    nothing = dict.fromkeys(shapes, 0.0)
    errors = {name: np.zeros(each) for name, each in shapes.items()}
    return Noise(errors, nothing, nothing, nothing, nothing)


def _tangent(primal: Array, rng: np.random.Generator) -> Array:
    # Where a primal is infinite it stays so, and no direction leads away.
    finite = np.isfinite(primal)
    tangent = np.asarray(rng.standard_normal(primal.shape))
    tangent *= root_mean_square(primal if finite.all() else primal[finite]) or 1.0
    tangent[~finite] = 0.0
    return tangent


@dataclass(frozen=True)
class Result:
    """What one implementation made of a case."""

    name: str
    value: Array
    cotangents: Arrays
