"""The argmin and the root as layers of HIPS autograd."""

import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import ClassVar

import autograd.numpy as anp
import numpy as np
from autograd.core import make_vjp, vspace
from autograd.extend import defvjp_argnums, primitive
from autograd.tracer import getval, isbox

from reference_impls.computation import Array, Native
from reference_impls.engines.hips.replay import rows_of
from reference_impls.implicit.argmin import argmin, root
from reference_impls.implicit.engine import Pullback
from reference_impls.implicit.problem import Equation, Minimization
from reference_impls.implicit.solvers import Solver
from reference_impls.implicit.trees import leaves_of
from reference_impls.nested import Tree


def autograd_argmin(
    objective: Callable[..., Native],
    initial: Tree,
    *parameters: Tree,
    constraint: Callable[..., Tree] | None = None,
    solver: Solver | None = None,
) -> Tree:
    """Returns the y near `initial` that minimizes ``objective(y, *parameters)``, as a layer.

    Arguments are those of `implicit.problem.Minimization` and `implicit.argmin.argmin`, with
    functions in `autograd.numpy`; so are the value and the errors.
    """
    problem = Minimization(objective, initial, parameters, constraint)
    return argmin(AutogradEngine(), problem, solver)


def autograd_root(
    condition: Callable[..., Tree], initial: Tree, *parameters: Tree, solver: Solver | None = None
) -> Tree:
    """Returns the y near `initial` where ``condition(y, *parameters)`` is zero, as a layer.

    Arguments are those of `implicit.problem.Equation` and `implicit.argmin.root`, with functions
    in `autograd.numpy`; so are the value and the errors.
    """
    return root(AutogradEngine(), Equation(condition, initial, parameters), solver)


class AutogradEngine:
    """See `Engine`."""

    array: ClassVar[str] = "an array"
    variable: ClassVar[str] = "a traced array"

    def is_array(self, value: object) -> bool:
        """See `Engine.is_array`."""
        return isinstance(getval(value), np.ndarray | np.generic)

    def is_variable(self, leaf: Tree) -> bool:
        """See `Engine.is_variable`."""
        return bool(isbox(leaf))

    def observe(self, name: str, function: Callable[[Native], Tree], x: Array) -> tuple[Tree, bool]:
        """See `Engine.observe`: x is not traced."""
        value = function(x)
        return value, any(isbox(leaf) for leaf in leaves_of(value, name))

    def constant(self, leaf: Tree) -> Tree:
        """See `Engine.constant`."""
        return getval(leaf)

    def to_numpy(self, leaf: Native) -> Native:
        """See `Engine.to_numpy`."""
        return getval(leaf)

    def from_numpy(self, array: Array) -> Native:
        """See `Engine.from_numpy`."""
        return array

    def ravel(self, leaves: Sequence[Native]) -> Native:
        """See `Engine.ravel`."""
        return anp.concatenate([anp.reshape(leaf, -1) for leaf in leaves])

    def gradient(self, function: Callable[[Native], Native], x: Native) -> Native:
        """See `Engine.gradient`."""
        pull, value = self._trace(function, x)
        return pull(vspace(value).ones()), value

    def vjp(
        self, function: Callable[..., Native], primals: Sequence[Native], cotangent: Native
    ) -> Native:
        """See `Engine.vjp`."""
        pull, _ = self._trace(lambda primals: function(*primals), tuple(primals))
        return pull(cotangent)

    def jacobian(self, function: Callable[[Native], Native], x: Native) -> Native:
        """See `Engine.jacobian`. autograd has no batches: K is formed row by row."""
        pull, value = self._trace(function, x)
        return rows_of(pull, value.size, value.dtype)

    def without_graph(self) -> AbstractContextManager[object]:
        """See `Engine.without_graph`: autograd records one only where it traces."""
        return nullcontext()

    def attach(self, pullback: Pullback, x: Array, leaves: Sequence[Tree]) -> Native:
        """See `Engine.attach`."""
        return _attached(pullback, x, *leaves)

    def _trace(self, function: Callable[[Native], Native], x: Native) -> Native:
        # Autograd warns of a value that does not depend on x, as the derivative of a linear F.
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Output seems independent of input")
            return make_vjp(function, x)


@primitive  # type: ignore[untyped-decorator]
def _attached(pullback: Pullback, x: Array, *leaves: Tree) -> Array:  # noqa: ARG001 -- for the VJP
    return x


def _attached_vjp(
    argnums: Sequence[int], x: Native, arguments: Sequence[Native], _: dict[str, Native]
) -> Callable[[Native], Sequence[Native]]:
    pullback, _, *leaves = arguments
    return lambda cotangent: pullback(x, leaves, cotangent, [number - 2 for number in argnums])


defvjp_argnums(_attached, _attached_vjp)
