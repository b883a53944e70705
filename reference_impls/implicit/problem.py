"""What the user gave, in the terms that the numerics works in: vectors and NumPy arrays."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from reference_impls.backends import Native
from reference_impls.computation import Array
from reference_impls.implicit.engine import Engine
from reference_impls.implicit.errors import OutputShapeError
from reference_impls.implicit.trees import leaves_of, map_leaves, refill
from reference_impls.nested import Tree, Unflatten, flatten


@dataclass(frozen=True)
class Problem:
    """What the user gave, with the unknowns as one vector and the parameters as a list.

    Attributes:
        engine: the library that differentiates.
        start: a copy of the entries of the initial guess, of shape (n,).
        unflatten: from a vector to the structure of the initial guess.
        parameters: as given.
        leaves: the parameters' leaves.
        constants: the same, cut off from the surrounding graph.
    """

    engine: Engine
    start: Array
    unflatten: Unflatten
    parameters: tuple[Tree, ...]
    leaves: list[Native]
    constants: list[Native]

    @classmethod
    def of(cls, engine: Engine, initial: Tree, parameters: tuple[Tree, ...]) -> "Problem":
        """Returns the problem; raises as `torch_argmin` does for a bad initial guess."""
        start, unflatten = flatten(map_leaves(engine.to_numpy, initial))
        if not start.size:
            raise ValueError("initial: got no entries, wanted at least one")
        leaves = leaves_of(parameters)
        constants = [engine.constant(leaf) for leaf in leaves]
        return cls(engine, start, unflatten, parameters, leaves, constants)

    @property
    def size(self) -> int:
        """The number n of unknowns."""
        return self.start.size

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

    def run(self, solver: Callable[..., Tree], function: Callable[..., Tree]) -> Array:
        """Returns the vector of what the user's solver makes of a copy of the initial guess."""
        initial = self.unflatten(self.engine.from_numpy(self.start.copy()))
        y = solver(function, initial, *refill(self.parameters, self.constants))
        vector, unflatten = flatten(map_leaves(self.engine.to_numpy, y))
        if unflatten != self.unflatten:
            raise ValueError("solver: its result must have the structure and shapes of initial")
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


def check_shape(kind: str, value: Native, wanted: tuple[int, ...]) -> None:
    """Raises OutputShapeError for another shape than the wanted one."""
    shape = tuple(np.shape(value))
    if shape != wanted:
        remedy = "one entry for each of y's" if wanted else "its sum or mean"
        raise OutputShapeError(f"{kind}: got shape {shape}, wanted {wanted}: {remedy}")


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
