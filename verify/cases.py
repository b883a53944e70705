"""One case: a function at one point, and all that checking it there needs."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from reference_impls.backends import Implementation
from reference_impls.computation import Array, Arrays, Computation, cast, copies, draw, generator
from verify.tolerance import (
    FUNCTIONAL,
    INSTABILITY,
    PAIRING,
    PROBES,
    VALUE,
    Noise,
    Point,
    fits_float32,
    largest,
    measure_conditioning,
    measure_noise,
    nudged,
    pooled,
    unit_roundoff,
)

DIRECTIONS = 2
"""Each is blind to the faults orthogonal to it, which a Gaussian direction never quite is."""

DRAWS = 24
"""Roundings that are drawn at least: of a few numbers, they may all be equal at a few points. And
points at which a jump is looked for."""

JUMPING = 1 / 6
"""Of these at least, an entry beside a jump is on its other side, where half are to be expected: of
24, fewer are with a probability of 10⁻⁴."""

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


def implementation_label(implementation: Implementation) -> str:
    """Its name, and its device where that is not the CPU."""
    name, device = implementation.name, implementation.device
    return name if device == "cpu" else name + DEVICE_MARK + device


def measure_noises(
    computation: Computation,
    point: Point,
    tangents: Sequence[Arrays],
    implementations: Sequence[Implementation],
    rng: np.random.Generator,
    probes: int,
) -> dict[str, Noise]:
    """The noise of each implementation that gives finite numbers, by its label.

    Args:
        computation: the function f.
        point: primals and cotangent of float64, or of the only dtype there is.
        tangents: the directions v.
        implementations: of the function.
        rng: of the roundings.
        probes: how many points to measure at; more, where there are but a few numbers.
    """
    numbers = sum(array.size for array in (*point[0].values(), point[1]))
    probes = max(probes, ceil(DRAWS / max(1, numbers)))
    measured: dict[str, Noise | None] = {}
    if fits_float32(point[0]):
        points = nudged(*point, rng, probes)
        for each in implementations:
            label = implementation_label(each)
            measured[label] = measure_noise(computation, each, points, tangents)
    if any(measured.values()):
        return {name: noise for name, noise in measured.items() if noise}
    # Nobody computes in both dtypes here: what is left is how results change with the input.
    dtype = next(iter(point[0].values())).dtype
    points = nudged(*point, rng, probes + 1, dtype)
    conditionings = {
        implementation_label(each): measure_conditioning(computation, each, points, tangents, dtype)
        for each in implementations
    }
    return {name: noise for name, noise in conditionings.items() if noise}


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


def root_mean_square(array: Array) -> float:
    """Of all entries, whose squares may be beyond any dtype; 0 if there are none."""
    size = largest(array)
    if size == 0:
        return 0.0
    scaled = np.divide(array, size, dtype=np.float64)
    return size * float(np.sqrt(np.vdot(scaled, scaled) / array.size))
