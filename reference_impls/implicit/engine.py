"""What the operators ask of a library that differentiates."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import ClassVar, Protocol

from reference_impls.computation import Array, Native
from reference_impls.nested import Tree

Pullback = Callable[[Native, Sequence[Native], Native, Sequence[int]], Native]
"""From x, the leaves it is a function of, a cotangent, and the numbers of the leaves that want a
gradient, to those gradients."""


class Engine(Protocol):
    """What differentiates native arrays. Only `constant` and `to_numpy` cut derivatives off.

    Attributes:
        array: what an array is called, in messages.
        variable: what an array that wants a gradient is called.
    """

    array: ClassVar[str]
    variable: ClassVar[str]

    def is_array(self, value: object) -> bool:
        """Is it an array of the library?"""
        ...

    def is_variable(self, leaf: Tree) -> bool:
        """Does it want a gradient?"""
        ...

    def observe(self, name: str, function: Callable[[Native], Tree], x: Array) -> tuple[Tree, bool]:
        """Returns a function's value, and whether it depends on other variables than x."""
        ...

    def constant(self, leaf: Tree) -> Tree:
        """Returns a leaf without its graph."""
        ...

    def to_numpy(self, leaf: Native) -> Array:
        """Returns an array's values; whatever is not the library's own as it is."""
        ...

    def from_numpy(self, array: Array) -> Native:
        """Returns an array where the initial guess is."""
        ...

    def ravel(self, leaves: Sequence[Native]) -> Native:
        """Returns all entries as one vector."""
        ...

    def gradient(self, function: Callable[[Native], Native], x: Native) -> Native:
        """Returns the gradient of a scalar function, and its value."""
        ...

    def vjp(
        self, function: Callable[..., Native], primals: Sequence[Native], cotangent: Native
    ) -> Native:
        """Returns Jᵀ u, one array for each primal."""
        ...

    def jacobian(self, function: Callable[[Native], Native], x: Native) -> Native:
        """Returns the matrix J of a function from vectors to vectors."""
        ...

    def without_graph(self) -> AbstractContextManager[object]:
        """Returns a context for results that nobody differentiates further."""
        ...

    def attach(self, pullback: Pullback, x: Array, leaves: Sequence[Tree]) -> Native:
        """Returns x with the pullback as its derivative in the leaves."""
        ...
