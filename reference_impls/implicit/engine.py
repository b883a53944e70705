"""What `argmin` and `root` ask of a library that differentiates."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import ClassVar, Protocol

from reference_impls.computation import Array, Native
from reference_impls.nested import Tree

Pullback = Callable[[Native, Sequence[Native], Native, Sequence[int]], Native]
"""``pullback(x, leaves, cotangent, wanted)`` returns the gradients for some of the leaves, which x
is a function of; `wanted` has their indices."""


class Engine(Protocol):
    """What differentiates the arrays of one library, at the place of one problem's initial guess.

    Of all that is here, only `constant` and `to_numpy` cut derivatives off.

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
        """Returns a function's value at x, and whether it depends on any variable but x."""
        ...

    def constant(self, leaf: Tree) -> Tree:
        """Returns a leaf without its graph."""
        ...

    def to_numpy(self, leaf: Native) -> Array:
        """Returns an array's values. What is not of the library is returned as it is."""
        ...

    def from_numpy(self, array: Array) -> Native:
        """Returns an array of the library, on the device of the initial guess."""
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
        """Returns a context in which no graph is recorded, as nobody differentiates the results."""
        ...

    def attach(self, pullback: Pullback, x: Array, leaves: Sequence[Tree]) -> Native:
        """Returns x as a function of the leaves, whose derivative is the pullback."""
        ...
