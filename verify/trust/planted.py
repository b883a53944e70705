"""What a planted fault is: a function of which the derivative is known, and a VJP that is not it.

A fault is a transformation of a right VJP: ``right -> wrong``, most of them a line long. Planted at
a size and a dtype it gives the same to whoever is to judge it: the VJP as its author would hand it
over, the primals, and the values.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reference_impls.computation import Array, Arrays, Computation, Vjp

MakeVjp = Callable[..., tuple[Array, Vjp]]
"""``make_vjp(**primals)`` returns f's value and the map from a cotangent to gradients by name."""


Transformation = Callable[[MakeVjp], MakeVjp]
"""From a right VJP to one with a fault. It is called once for each time the fault is planted, so
that what it remembers from call to call is its own."""


Sample = Callable[[np.random.Generator, int], dict[str, Any]]
"""``sample(rng, size)`` draws primals: those of float64 are rounded to the dtype asked for."""


ELEMENTWISE = (10, 1_000, 1_000_000)
"""Entries of the largest argument: so few that all are seen, and so many that few can be."""


@dataclass(frozen=True)
class Planted:
    """A fault, or an awkward function, at one size and dtype.

    Attributes:
        make_vjp: what is to be judged.
        primals: of ``make_vjp``; arrays of the dtype asked for, and what is not differentiated.
        forward: ``forward(**primals)`` is f's value, right, and complex for complex primals unless
            the function's point is another.
        wrt: the primals that are differentiated.
        true_vjp: what ``make_vjp`` should have been; None where there is no derivative, or several.
        order: 2 where ``make_vjp`` is right and its own derivative is in question.
        computation: of an argmin, where its condition is needed to see the fault.
    """

    make_vjp: MakeVjp
    primals: Mapping[str, Any]
    forward: Callable[..., Array]
    wrt: tuple[str, ...]
    true_vjp: MakeVjp | None
    order: int = 1
    computation: Computation | None = None


Plant = Callable[[int, str, np.random.Generator], Planted]
"""From a size, a dtype (``"float64"`` or ``"float32"``) and a generator, on which all depends."""


@dataclass(frozen=True)
class Fault:
    """A wrong gradient.

    Attributes:
        name: unique in the catalogue.
        story: what the bug is, and where such a bug was seen.
        diagnosis: the word of `verify.diagnosis.FAULTS` for it, or None if there is none.
        sizes: three.
        plant: at a size.
    """

    name: str
    story: str
    diagnosis: str | None
    sizes: tuple[int, ...]
    plant: Plant


@dataclass(frozen=True)
class Awkward:
    """A right gradient that is easily taken for a wrong one.

    Attributes:
        name: unique in the catalogue.
        story: what makes it awkward.
        sizes: one or several.
        plant: at a size.
    """

    name: str
    story: str
    sizes: tuple[int, ...]
    plant: Plant


@dataclass(frozen=True)
class Host:
    """A function and its VJP.

    Attributes:
        sample: draws its primals.
        make_vjp: right.
        wrt: the primals that are differentiated.
    """

    sample: Sample
    make_vjp: MakeVjp
    wrt: tuple[str, ...]


def planted(function: Host, transformation: Transformation) -> Plant:
    """Plants a transformation of the function's VJP; the values are the function's own."""

    def plant(size: int, dtype: str, rng: np.random.Generator) -> Planted:
        return Planted(
            make_vjp=transformation(function.make_vjp),
            primals=rounded(function.sample(rng, size), dtype),
            forward=value_of(function.make_vjp),
            wrt=function.wrt,
            true_vjp=function.make_vjp,
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
    """The first half of a VJP."""
    return lambda **primals: make_vjp(**primals)[0]


def spoilt(change: Callable[[Arrays], Arrays]) -> Transformation:
    """The fault is in all gradients together."""

    def transformation(right: MakeVjp) -> MakeVjp:
        def make_vjp(**primals: Any) -> tuple[Array, Vjp]:  # noqa: ANN401 -- some are no arrays
            value, vjp = right(**primals)
            return value, lambda u: change(vjp(u))

        return make_vjp

    return transformation


def spoilt_in(argument: str, change: Callable[[Array], Array]) -> Transformation:
    """The fault is in the gradient of one argument."""
    return spoilt(lambda gradients: {**gradients, argument: change(gradients[argument])})


def fed(change: Callable[[Array], Array]) -> Transformation:
    """The fault is in what the VJP makes of its cotangent."""

    def transformation(right: MakeVjp) -> MakeVjp:
        def make_vjp(**primals: Any) -> tuple[Array, Vjp]:  # noqa: ANN401 -- as above
            value, vjp = right(**primals)
            return value, lambda u: vjp(change(u))

        return make_vjp

    return transformation


def instead(wrong: MakeVjp) -> Transformation:
    """The fault is written out."""
    return lambda _: wrong


def rectangle(size: int) -> tuple[int, int]:
    """The shape of a matrix of so many entries, as near to a square as they allow."""
    rows = next(rows for rows in range(int(size**0.5), 0, -1) if size % rows == 0)
    return rows, size // rows


def side(size: int) -> int:
    """That of a square matrix of at most so many entries."""
    return int(size**0.5)
