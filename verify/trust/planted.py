"""What a planted fault is: a function with a known derivative, and a VJP that is something else.

A fault transforms a right VJP into a wrong one, mostly in a single line. Planted at a size and a
dtype, it gives every checker the same: the VJP as its author would hand it over, the primals, and
the function's values.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reference_impls.computation import DTYPES, Array, Arrays, Computation, Vjp

MakeVjp = Callable[..., tuple[Array, Vjp]]
"""``make_vjp(**primals)`` returns f's value and the map from a cotangent to gradients by name."""


Transformation = Callable[[MakeVjp], MakeVjp]
"""Makes a VJP with a fault of a right one. Every planting calls it anew, so that what one planted
VJP remembers from call to call is not known to another."""


Sample = Callable[[np.random.Generator, int], dict[str, Any]]
"""``sample(rng, size)`` draws primals; planting rounds those of float64 to the dtype wanted."""


ELEMENTWISE = (10, 1_000, 1_000_000)
"""Entries of the largest argument: from so few that a checker can look at each, to so many that it
can look at few."""


@dataclass(frozen=True)
class Planted:
    """A fault, or an awkward function, at one size and dtype.

    Attributes:
        make_vjp: what is to be judged.
        primals: of ``make_vjp``: arrays of the dtype wanted, and whatever is not differentiated.
        forward: ``forward(**primals)`` is f's right value. It takes complex primals too, unless it
            is the point of an awkward function that it does not.
        wrt: the names of the primals that are differentiated.
        true_vjp: what ``make_vjp`` should have been; None where there is no derivative, or several.
        order: 2 where ``make_vjp`` is right and its own derivative is in question.
        computation: an argmin's entry of a catalogue, where only its optimality condition shows the
            fault.
    """

    make_vjp: MakeVjp
    primals: Mapping[str, Any]
    forward: Callable[..., Array]
    wrt: tuple[str, ...]
    true_vjp: MakeVjp | None
    order: int = 1
    computation: Computation | None = None


Plant = Callable[[int, str, np.random.Generator], Planted]
"""Plants at a size and a dtype (``"float64"`` or ``"float32"``); all that is random comes from the
generator."""


@dataclass(frozen=True)
class Fault:
    """A wrong gradient.

    Attributes:
        name: unique in the catalogue.
        story: what the bug is, and where such a bug was seen.
        diagnosis: the word of `verify.diagnosis.FAULTS` for it, or None if there is none.
        sizes: three at which it is planted.
        plant: it.
        dtypes: those in which it is a fault: what costs float64 half of its digits may be a
            rounding of float32.
    """

    name: str
    story: str
    diagnosis: str | None
    sizes: tuple[int, ...]
    plant: Plant
    dtypes: tuple[str, ...] = DTYPES


@dataclass(frozen=True)
class Awkward:
    """A right gradient that is easily taken for a wrong one.

    Attributes:
        name: unique in the catalogue.
        story: what makes it awkward.
        sizes: one or several at which it is planted.
        plant: it.
    """

    name: str
    story: str
    sizes: tuple[int, ...]
    plant: Plant


@dataclass(frozen=True)
class Host:
    """A function with its right VJP, to plant a fault in.

    Attributes:
        sample: draws its primals.
        make_vjp: right.
        wrt: the primals that are differentiated.
    """

    sample: Sample
    make_vjp: MakeVjp
    wrt: tuple[str, ...]


def planted(host: Host, transformation: Transformation) -> Plant:
    """Plants a transformation of the host's VJP; the values are the host's own."""

    def plant(size: int, dtype: str, rng: np.random.Generator) -> Planted:
        return Planted(
            make_vjp=transformation(host.make_vjp),
            primals=rounded(host.sample(rng, size), dtype),
            forward=value_of(host.make_vjp),
            wrt=host.wrt,
            true_vjp=host.make_vjp,
        )

    return plant


def rounded(primals: Mapping[str, Any], dtype: npt.DTypeLike) -> dict[str, Any]:
    """The primals, with arrays of floating dtype rounded to this one."""
    return {
        name: np.asarray(primal, dtype) if _is_floating(primal) else primal
        for name, primal in primals.items()
    }


def _is_floating(primal: object) -> bool:
    return isinstance(primal, np.ndarray | np.generic) and np.issubdtype(primal.dtype, np.floating)


def value_of(make_vjp: MakeVjp) -> Callable[..., Array]:
    """The function alone: the value that ``make_vjp`` returns beside its VJP."""
    return lambda **primals: make_vjp(**primals)[0]


def spoilt(change: Callable[[Arrays], Arrays]) -> Transformation:
    """A fault in the gradients of all arguments."""

    def transformation(right: MakeVjp) -> MakeVjp:
        def make_vjp(**primals: Any) -> tuple[Array, Vjp]:  # noqa: ANN401 -- some are no arrays
            value, vjp = right(**primals)
            return value, lambda u: change(vjp(u))

        return make_vjp

    return transformation


def spoilt_in(argument: str, change: Callable[[Array], Array]) -> Transformation:
    """A fault in the gradient of one argument."""
    return spoilt(lambda gradients: {**gradients, argument: change(gradients[argument])})


def fed(change: Callable[[Array], Array]) -> Transformation:
    """A fault in how the VJP takes its cotangent."""

    def transformation(right: MakeVjp) -> MakeVjp:
        def make_vjp(**primals: Any) -> tuple[Array, Vjp]:  # noqa: ANN401 -- as above
            value, vjp = right(**primals)
            return value, lambda u: vjp(change(u))

        return make_vjp

    return transformation


def instead(wrong: MakeVjp) -> Transformation:
    """A fault that is written out as a VJP of its own."""
    return lambda _: wrong


def rectangle(size: int) -> tuple[int, int]:
    """The shape of a matrix with so many entries, as nearly square as they allow."""
    rows = next(rows for rows in range(int(size**0.5), 0, -1) if size % rows == 0)
    return rows, size // rows


def side(size: int) -> int:
    """The side of a square matrix of at most so many entries."""
    return int(size**0.5)
