"""What a computation is: pure data and callables, with no differentiation library in sight.

A computation is a differentiable function f of named arrays, written once for each library. The
arrays it is given are its *primals*; a *cotangent* has the shape of f's value; the *VJP* maps a
cotangent u to Jᵀu, one array per primal that f is differentiated with respect to.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Arrays = dict[str, Array]
Vjp = Callable[[Array], Arrays]

Native = Any
"""An array of a backend's own library, on the backend's own device."""

DTYPES = ("float64", "float32")


@dataclass(frozen=True)
class Optimality:
    """The condition F(y, z) = 0 that defines an argmin, or a root, y of the primals z.

    F is written by hand in plain NumPy, without its derivatives. The verifier takes K = ∂F/∂y and
    R = ∂F/∂z from it by the complex step, and so needs no code of an engine.

    Attributes:
        condition: ``condition(**primals)`` returns F, from a vector (n,) to a vector (n,), smooth
            near the solution; y and the primals may be complex.
        start: ``start(**primals)`` returns the initial guess, (n,).
        outcome: ``outcome(y, **primals)`` returns the computation's value at the solution y.
        is_root: F may be any condition; otherwise it is the gradient of an objective.
        search: ``search(tolerance, **primals)`` returns a point near the solution; a smaller
            tolerance brings it nearer. Given only where F is not smooth enough for a solver of
            equations.
        support: ``support(y, **primals)`` returns the sign of every unknown, and 0 for one that a
            kink of the objective holds in place. Given only where there are kinks.
        margin: ``margin(y, **primals)`` returns how far the support is from changing, relative to
            the terms that hold it. Given only where there are kinks.
    """

    condition: Callable[..., Callable[[Array], Array]]
    start: Callable[..., Array]
    outcome: Callable[..., Array]
    is_root: bool = False
    search: Callable[..., Array] | None = None
    support: Callable[..., Array] | None = None
    margin: Callable[..., float] | None = None


def not_written(**_: Native) -> Any:  # noqa: ANN401 -- in place of bodies that return anything
    """The body of a computation for a library that it is not written for.

    Raises:
        NotImplementedError: always. A backend leaves such a computation out.
    """
    raise NotImplementedError("the computation is not written for this library")


@dataclass(frozen=True)
class Computation:
    """A differentiable function, written independently for each implementation.

    A body that is not given is `not_written`, and its library is left out.

    Attributes:
        name: the module's name, unique in the catalogue.
        origin: the tutorial and section it is taken from.
        sample: ``sample(rng, size)`` draws float64 primals; real data where the tutorial has it.
        wrt: the primals it is differentiated with respect to, in the order of its cotangents.
        sizes: what ``sample`` is asked for: the tutorial's own size first, then the others.
        by_autograd: ``by_autograd(**primals) -> value`` in ``autograd.numpy``.
        by_torch: ``by_torch(**tensors) -> value`` in ``torch``.
        by_hand: ``by_hand(**primals) -> (value, vjp)``, derived on paper. It is written in plain
            array functions, so that it also runs on CuPy arrays, in extended precision and, where
            the mathematics is analytic, on complex numbers.
        shapes: the shape of every primal: axes by name or by length, as in ``"N D"`` or ``"O 5"``;
            ``""`` is a scalar, ``"..."`` any shape. An axis that is named twice has the same
            length both times. If this is empty, shapes are not checked, nor are names beyond
            those in ``wrt``.
        optimality: given where the value is an argmin or a root, or is computed from one. The
            engines' bodies then take the operator that solves for it as the keyword ``solve``
            (see `reference_impls.implicit`), so that a caller can pass another.
    """

    name: str
    origin: str
    sample: Callable[[np.random.Generator, int], Arrays]
    wrt: tuple[str, ...]
    sizes: tuple[int, ...]
    by_autograd: Callable[..., Any] = not_written
    by_torch: Callable[..., Any] = not_written
    by_hand: Callable[..., tuple[Any, Callable[[Any], dict[str, Any]]]] = not_written
    shapes: Mapping[str, str] = field(default_factory=dict, hash=False)
    optimality: Optimality | None = None

    @property
    def tutorial_size(self) -> int:
        """The size the tutorial itself uses."""
        return self.sizes[0]


def cast(primals: Mapping[str, Array], dtype: npt.DTypeLike) -> Arrays:
    """Every primal rounded to one dtype, in which the computation then runs."""
    return {name: np.asarray(primal, dtype=dtype) for name, primal in primals.items()}


def copies(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The same arguments, their arrays copied, for code that may write to them or keep them."""
    return {
        name: np.array(argument) if isinstance(argument, np.ndarray | np.generic) else argument
        for name, argument in arguments.items()
    }


def draw(computation: Computation, size: int, dtype: npt.DTypeLike, seed: int = 0) -> Arrays:
    """The primals of one case; they do not depend on which other cases are drawn.

    Args:
        computation: whose ``sample`` to call.
        size: passed to ``sample``.
        dtype: ``"float64"`` or ``"float32"``: both get the same numbers, rounded.
        seed: of a generator that is used for this computation, size and seed only.
    """
    return cast(computation.sample(generator(computation.name, size, seed), size), dtype)


def generator(name: str, *key: int) -> np.random.Generator:
    """A random generator for the given key that belongs to the function of this name alone."""
    return np.random.default_rng([crc32(name.encode()), *key])
