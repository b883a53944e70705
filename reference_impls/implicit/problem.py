"""What is to be solved, in the user's own terms."""

from collections.abc import Callable
from dataclasses import dataclass

from reference_impls.computation import Native
from reference_impls.nested import Tree


@dataclass(frozen=True)
class Minimization:
    """Find the y near `initial` that minimizes ``objective(y, *parameters)``.

    A batch of B independent problems of n unknowns is one minimization, of the sum of their
    objectives. Its K has B·n rows, most of their entries zero; `solvers.ConjugateGradients` does
    not form it.

    Attributes:
        objective: from y and the parameters to an array of shape () and of y's dtype; twice
            differentiable. Whatever else it reads must not want a gradient: it would get none.
        initial: an array, or a nested structure as in `nested.flatten`; y has the same structure.
            Its gradient is zero.
        parameters: arrays of any shape and of y's dtype, nested structures of them, and anything
            else. Arrays that want a gradient get one.
        constraint: from y and the parameters to an array, or a nested structure, that is zero at
            the solution. What holds for the objective's surroundings holds for its own.
    """

    objective: Callable[..., Native]
    initial: Tree
    parameters: tuple[Tree, ...] = ()
    constraint: Callable[..., Tree] | None = None


@dataclass(frozen=True)
class Equation:
    """Find the y near `initial` where ``condition(y, *parameters)`` is zero.

    Attributes:
        condition: from y and the parameters to as many numbers as y has, in an array or a nested
            structure; differentiable. Whatever else it reads must not want a gradient.
        initial: as in `Minimization`.
        parameters: as in `Minimization`.
    """

    condition: Callable[..., Tree]
    initial: Tree
    parameters: tuple[Tree, ...] = ()
