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
    PAIRING,
    PROBES,
    VALUE,
    Noise,
    Point,
    fits_float32,
    measure_conditioning,
    measure_noise,
    nudged,
    pooled,
)

DIRECTIONS = 2
"""Each is blind to the faults orthogonal to it, which a Gaussian direction never quite is."""

DRAWS = 24
"""Roundings that are drawn at least: of a few numbers, they may all be equal at a few points."""

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
    noises = measure_noises(
        computation, (primals, cotangent), tangents, implementations, rng, probes
    )
    if noises:
        noise = pooled(list(noises.values()))
    else:
        # The values may still be right, and are compared.
        silence = _silence(computation, primals, shape, directions)
        values = replace(computation, wrt=())
        heard = measure_noises(values, (primals, cotangent), (), implementations, rng, probes)
        noise = silence.with_noise_of(pooled(list(heard.values()))) if heard else silence
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


def _silence(
    computation: Computation, primals: Arrays, shape: tuple[int, ...], directions: int
) -> Noise:
    shapes = {VALUE: shape, FUNCTIONAL: (), PAIRING: (directions,)}
    shapes |= {name: primals[name].shape for name in computation.wrt}
    nothing = dict.fromkeys(shapes, 0.0)
    errors = {name: np.zeros(each) for name, each in shapes.items()}
    return Noise(errors, nothing, nothing, nothing, nothing)


def _tangent(primal: Array, rng: np.random.Generator) -> Array:
    # Where a primal is infinite it stays so, and no direction leads away.
    finite = np.isfinite(primal)
    size = root_mean_square(primal[finite]) or 1.0
    return np.asarray(np.where(finite, size * rng.standard_normal(primal.shape), 0.0))


def root_mean_square(array: Array) -> float:
    """Of all entries, whose squares may be beyond any dtype; 0 if there are none."""
    largest = float(np.max(np.abs(array), initial=0.0))
    if largest == 0:
        return 0.0
    return largest * float(np.sqrt(np.mean(np.square(array.astype(np.float64) / largest))))
