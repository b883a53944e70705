"""A case: a function at one point, and the directions to look along. It holds data alone."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Self

import numpy as np

from reference_impls.computation import Array, Arrays, Computation, cast, copies, draw, generator
from reference_impls.engines.outputs import Outputs
from reference_impls.function import Function
from verify.error_model.arrays import scale_of
from verify.error_model.measurement import fits_float32

DIRECTIONS = 2
"""Each is blind to the faults orthogonal to it, which a Gaussian direction never quite is."""


class Stream(IntEnum):
    """What is drawn at random for a case: for each, other numbers than for the others.

    Where a number has several uses, they draw the same numbers.
    """

    POINT = 1  # the cotangent and the directions; where they end, the roundings of the first noise
    FURTHER = 2  # directions of a diagnosis, of an argmin's evidence, of second derivatives
    HULL = 3  # rays at a kink
    ANEW = 4  # roundings of a second noise; directions of a user's second derivatives
    STABILITY = 5  # roundings, for whoever lost digits
    DOUBT = 6  # before anybody is accused: rays for kinks, cotangents for residuals, roundings
    ONE_DTYPE = 7  # roundings, where float32 has another function's values
    BETWEEN_DTYPES = 8  # roundings, for whoever is accused
    TIES = 9  # roundings that may take the other side
    SIGNS = 10  # cotangents of ones and minus ones


@dataclass(frozen=True, kw_only=True)
class Case:
    """A function at one size, seed and dtype: where it is checked, and along what.

    Attributes:
        name: of the function f.
        wrt: the primals it is differentiated with respect to.
        size: of its primals.
        seed: of everything random.
        dtype: ``float64`` or ``float32``.
        primals: arrays of that dtype.
        cotangent: u, Gaussian, of the value's shape.
        directions: tangents v, Gaussian at the scale of each primal.
        is_argmin: f's value is an argmin or a root, or is computed from one.
        outputs: where f's value is the vector in which several outputs lie end to end, these.
    """

    name: str
    wrt: tuple[str, ...]
    size: int
    seed: int
    dtype: str
    primals: Arrays
    cotangent: Array
    directions: tuple[Arrays, ...]
    is_argmin: bool = False
    outputs: Outputs | None = None

    def by_output(self, value: Array) -> Arrays:
        """A value by the names of f's outputs; under ``value`` where there is one."""
        return self.outputs.named(value) if self.outputs else {"value": value}

    def generator(self, stream: Stream) -> np.random.Generator:
        """A random generator of this case's own, whatever its dtype.

        Args:
            stream: what is drawn: the same numbers are drawn for it each time.
        """
        return generator(self.name, self.size, self.seed, stream)

    def in_dtype(self, dtype: str) -> Self:
        """The same numbers, rounded to a dtype."""
        return replace(
            self,
            dtype=dtype,
            primals=cast(self.primals, dtype),
            cotangent=self.cotangent.astype(dtype),
            directions=tuple(cast(tangent, dtype) for tangent in self.directions),
        )

    def rounding_generator(self) -> np.random.Generator:
        """Draws the roundings that noise is measured with.

        It goes on where the cotangent and the directions ended, as it did when one function drew
        all three: so the noise of earlier runs is measured again to the last bit.
        """
        rng = self.generator(Stream.POINT)
        entries = sum(self.primals[name].size for name in self.wrt)
        rng.standard_normal(self.cotangent.size + len(self.directions) * entries)
        return rng


@dataclass(frozen=True, kw_only=True)
class CatalogueCase(Case):
    """A case of a computation of the catalogue.

    Attributes:
        computation: the function f.
    """

    computation: Computation


@dataclass(frozen=True)
class Result:
    """What one implementation made of a case."""

    name: str
    value: Array
    cotangents: Arrays


def case_at(
    name: str,
    wrt: Sequence[str],
    key: tuple[int, int],
    primals: Arrays,
    shape: tuple[int, ...],
    directions: int = DIRECTIONS,
) -> Case:
    """The case of a function at given primals, which share one dtype.

    Args:
        name: of the function f; what is drawn is drawn for this name.
        wrt: the primals it is differentiated with respect to.
        key: size and seed.
        primals: arrays of float64 or float32.
        shape: of f's value.
        directions: how many to look along.
    """
    size, seed = key
    cotangent, tangents = _drawn(
        generator(name, size, seed, Stream.POINT), shape, primals, wrt, directions
    )
    dtype = primals[wrt[0]].dtype
    return Case(
        name=name,
        wrt=tuple(wrt),
        size=size,
        seed=seed,
        dtype=str(dtype),
        primals=primals,
        cotangent=cotangent.astype(dtype),
        directions=tuple(cast(tangent, dtype) for tangent in tangents),
    )


def catalogue_case_at(
    computation: Computation,
    primals: Arrays,
    key: tuple[int, int],
    functions: Sequence[Function],
) -> CatalogueCase:
    """`case_at` for a computation of the catalogue.

    Args:
        computation: the function f.
        primals: arrays of float64.
        key: size and seed.
        functions: implementations of f, which say what shape its value has.
    """
    shape = shape_of_value(functions, primals)
    case = case_at(computation.name, computation.wrt, key, primals, shape)
    is_argmin = computation.optimality is not None
    return CatalogueCase(**vars(case) | {"is_argmin": is_argmin, "computation": computation})


def make_cases(
    computation: Computation,
    size: int,
    seed: int,
    dtypes: Sequence[str],
    functions: Sequence[Function],
) -> Iterator[CatalogueCase]:
    """The case of a computation in each dtype: the same numbers, rounded.

    Args:
        computation: the function f.
        size: of its primals.
        seed: of everything random.
        dtypes: of the cases.
        functions: implementations of f, which say what shape its value has.
    """
    primals = draw(computation, size, np.float64, seed)
    case = catalogue_case_at(computation, primals, (size, seed), functions)
    for dtype in dtypes:
        yield case.in_dtype(dtype)


def shape_of_value(functions: Sequence[Function], primals: Arrays) -> tuple[int, ...]:
    """The shape most implementations give it: the others will not take the cotangent."""
    shapes: Counter[tuple[int, ...]] = Counter()
    for each in functions:
        with suppress(Exception):  # what an implementation raises, its contract check reports
            shapes[_value_of(each, primals).shape] += 1
        if shapes and max(shapes.values()) > len(functions) / 2:
            break  # the others cannot outvote these
    return shapes.most_common(1)[0][0] if shapes else ()


def _value_of(function: Function, primals: Arrays) -> Array:
    """In float32 if it computes in that, which takes half the time."""
    if fits_float32(primals):
        with suppress(Exception):
            return function.make_vjp(copies(cast(primals, np.float32)))[0]
    return function.make_vjp(copies(primals))[0]


def _drawn(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    primals: Arrays,
    wrt: Sequence[str],
    directions: int,
) -> tuple[Array, list[Arrays]]:
    """The cotangent and the directions: Gaussian, as numbers of one sign cancel where they add up.

    (Along all-ones the gradient of a normalised output is zero.)
    """
    cotangent = np.asarray(rng.standard_normal(shape))
    return cotangent, [
        {name: _tangent(primals[name], rng) for name in wrt} for _ in range(directions)
    ]


def _tangent(primal: Array, rng: np.random.Generator) -> Array:
    # Where a primal is infinite it stays so, and no direction leads away.
    tangent = np.asarray(rng.standard_normal(primal.shape))
    tangent *= scale_of(primal)
    tangent[~np.isfinite(primal)] = 0.0
    return tangent
