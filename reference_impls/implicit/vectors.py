"""The user's problem in the terms of the numerics: vectors, and NumPy arrays."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from reference_impls.computation import Array, Native
from reference_impls.implicit.engine import Engine
from reference_impls.implicit.errors import OutputShapeError
from reference_impls.implicit.trees import leaves_of, refill
from reference_impls.nested import (
    Leaf,
    Path,
    Tree,
    Unflatten,
    flatten,
    located,
    map_located,
)
from reference_impls.words import kind_of

DTYPES = ("float32", "float64")
"""Those that LAPACK has routines for."""


@dataclass(frozen=True)
class VectorProblem:
    """A problem with its unknowns as one vector and its parameters as a list of leaves.

    Attributes:
        engine: the library that differentiates.
        start: a copy of the entries of the initial guess, of shape (n,).
        unflatten: from a vector to the structure of the initial guess.
        parameters: as given.
        leaves: the parameters' leaves.
        constants: the same, cut off from the surrounding graph.
        guesses: the leaves of the initial guess that want a gradient, which is zero.
    """

    engine: Engine
    start: Array
    unflatten: Unflatten
    parameters: tuple[Tree, ...]
    leaves: list[Native]
    constants: list[Native]
    guesses: list[Native]

    @classmethod
    def of(cls, engine: Engine, initial: Tree, parameters: tuple[Tree, ...]) -> "VectorProblem":
        """Returns the problem; raises as `argmin` does for a bad initial guess."""
        start, unflatten = _flatten(engine, initial, "initial")
        if not start.size:
            raise ValueError("initial: got no entries, wanted at least one")
        leaves = leaves_of(parameters, "parameters")
        constants = [engine.constant(leaf) for leaf in leaves]
        guesses = [leaf for leaf in leaves_of(initial) if engine.is_variable(leaf)]
        return cls(engine, start, unflatten, parameters, leaves, constants, guesses)

    @property
    def size(self) -> int:
        """The number n of unknowns."""
        return self.start.size

    @property
    def inputs(self) -> list[Native]:
        """What y is attached to: first the leaves, then the guesses, which no function reads."""
        return [*self.leaves, *self.guesses]

    def of_vectors(self, function: Callable[..., Tree]) -> Callable[..., Tree]:
        """Returns a function of (y, *parameters) as one of y's vector and the leaves."""
        return lambda y, *leaves: function(self.unflatten(y), *refill(self.parameters, leaves))

    def raveled(self, function: Callable[..., Tree]) -> Callable[..., Native]:
        """Returns the same, with the entries of its value as one vector."""
        of_vectors = self.of_vectors(function)
        return lambda y, *leaves: self.engine.ravel(leaves_of(of_vectors(y, *leaves)))

    def numeric(self, function: Callable[..., Native]) -> "Numeric":
        """Returns a function of a vector and the leaves as one of the vector alone."""
        return Numeric(self.engine, lambda x: function(x, *self.constants), self.start.dtype)

    def at_start(self, function: Callable[..., Native]) -> Native:
        """Returns a function's value at the initial guess."""
        return function(self.engine.from_numpy(self.start), *self.constants)

    def check_scalar(self, name: str, function: Callable[..., Tree]) -> None:
        """Raises OutputShapeError if the user's function is not scalar at the initial guess.

        Raises TypeError for a value of another type, and for a function that reads from its
        surroundings what wants a gradient: it would get none.
        """
        value = self._observed(name, function)
        self._check_value(Leaf((name,), value))
        check_shape(name, value.shape, ())

    def check_vector(
        self, name: str, function: Callable[..., Tree], wanted: int | None = None
    ) -> None:
        """Raises as `check_scalar`, but wants so many entries, or at least one."""
        leaves = located(self._observed(name, function), name)
        for leaf in leaves:
            self._check_value(leaf)
        entries = sum(math.prod(leaf.value.shape) for leaf in leaves)
        if wanted is not None:
            check_shape(name, (entries,), (wanted,))
        elif not entries:
            raise OutputShapeError(f"{name}: got no entries, wanted at least one")

    def _observed(self, name: str, function: Callable[..., Tree]) -> Tree:
        # Its arguments are constants here: a variable can only come from its surroundings.
        of_vectors = self.of_vectors(function)
        value, is_variable = self.engine.observe(
            name, lambda y: of_vectors(y, *self.constants), self.start
        )
        if is_variable:
            raise TypeError(
                f"{name}: reads, besides its arguments, {self.engine.variable}, which would get no "
                "gradient; pass it as a parameter, or detach it"
            )
        return value

    def _check_value(self, leaf: Leaf) -> None:
        value, dtype = leaf.value, self.start.dtype
        wanted = f"wanted {self.engine.array} of {dtype}"
        if not self.engine.is_array(value):
            raise TypeError(f"{leaf}: got {kind_of(value)}, {wanted}")
        if dtype_of(value) != dtype.name:
            raise TypeError(
                f"{leaf}: got {kind_of(value)}, {wanted} as initial is; convert initial, or the "
                "parameters"
            )

    def searched(self, search: Callable[..., Tree], function: Callable[..., Tree]) -> Array:
        """Returns the vector of what the user's search makes of a copy of the initial guess."""
        initial = self.unflatten(self.engine.from_numpy(self.start.copy()))
        y = search(function, initial, *refill(self.parameters, self.constants))
        vector, unflatten = _flatten(self.engine, y, "search")
        if unflatten != self.unflatten:
            raise ValueError("search: its result must have the structure and shapes of initial")
        return vector.astype(self.start.dtype)


@dataclass(frozen=True)
class Numeric:
    """A function of one vector, and its derivatives, with NumPy at the boundary.

    Attributes:
        engine: the library that differentiates.
        function: from a native vector to a native vector or scalar.
        dtype: of all arrays, in and out; what is given is converted.
    """

    engine: Engine
    function: Callable[[Native], Native]
    dtype: np.dtype[Any]

    def __call__(self, x: Array) -> Array:
        """Returns the value."""
        return self.engine.to_numpy(self.function(self._native(x)))

    def value_and_gradient(self, x: Array) -> tuple[float, Array]:
        """Returns the value and the gradient of a scalar function."""
        gradient, value = self.engine.gradient(self.function, self._native(x))
        return float(self.engine.to_numpy(value)), self.engine.to_numpy(gradient)

    def jacobian(self, x: Array) -> Array:
        """Returns the matrix J."""
        return self.engine.to_numpy(self.engine.jacobian(self.function, self._native(x)))

    def vjp(self, x: Array, u: Array) -> Array:
        """Returns Jᵀu."""
        (product,) = self.engine.vjp(self.function, [self._native(x)], self._native(u))
        return self.engine.to_numpy(product)

    def _native(self, x: Array) -> Native:
        return self.engine.from_numpy(np.asarray(x, self.dtype))


def dtype_of(array: Native) -> str:
    """Returns the name that NumPy has for the dtype, if any, of an array of any library."""
    return str(getattr(array, "dtype", "")).removeprefix("torch.")


def _flatten(engine: Engine, tree: Tree, name: str) -> tuple[Array, Unflatten]:
    """Returns what `flatten` does; raises TypeError for a leaf that cannot hold unknowns."""

    def to_numpy(path: Path, value: Tree) -> Tree:
        value = engine.constant(value)
        if type(value) in {int, float} or dtype_of(value) in DTYPES:
            return engine.to_numpy(value)
        raise TypeError(
            f"{Leaf(path, value)}: got {kind_of(value)}, wanted {engine.array} of float32 or "
            "float64, a number, or a dict, list or tuple of these"
        )

    return flatten(map_located(to_numpy, tree, (name,)), name)


def check_shape(kind: str, shape: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    """Raises OutputShapeError for another shape than the wanted one."""
    if tuple(shape) != wanted:
        remedy = "one entry for each of y's" if wanted else "its sum or mean"
        raise OutputShapeError(f"{kind}: got shape {tuple(shape)}, wanted {wanted}: {remedy}")


def gradient_of(engine: Engine, function: Callable[..., Native]) -> Callable[..., Native]:
    """Returns ∇f, in its first argument, as a function of the arguments of a scalar f."""
    return lambda x, *leaves: engine.gradient(lambda x: function(x, *leaves), x)[0]


def lagrangian_of(
    cost: Callable[..., Native], equality: Callable[..., Native], size: int
) -> Callable[..., Native]:
    """Returns f + νᵀc of the vector (y, ν); its gradient is (∇f + (∂c/∂y)ᵀν, c)."""

    def lagrangian(x: Native, *leaves: Native) -> Native:
        y, multipliers = x[:size], x[size:]
        return cost(y, *leaves) + (multipliers * equality(y, *leaves)).sum()

    return lagrangian
