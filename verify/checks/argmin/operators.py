"""The operator in an engine's body of an argmin, and the body with another in its place."""

from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import Any

from reference_impls.computation import Computation
from reference_impls.engines.backend import Backend, Body

WITHOUT_OPERATOR = "takes no keyword `solve` with an operator as its default"


Operator = Callable[..., Any]
"""Such as `reference_impls.engines.pytorch.argmin.torch_argmin`.

A body takes one as its keyword ``solve``."""


def operator_of(body: Callable[..., Any]) -> Operator | None:
    """The default of a body's keyword ``solve``; None for a body that takes none."""
    parameter = signature(body).parameters.get("solve")
    return parameter.default if parameter and callable(parameter.default) else None


def with_operator(computation: Computation, backend: Backend, operator: Operator) -> Computation:
    """The computation with another operator in the backend's body; raises as `body_with` does."""
    return backend.with_body(computation, body_with(computation, backend, operator))


def body_with(computation: Computation, backend: Backend, operator: Operator) -> Body:
    """The backend's body with another operator.

    Raises:
        ValueError: the computation has no body for the backend.
    """
    body = backend.body_of(computation)
    if body is None:
        raise ValueError(f"{computation.name} has no body for {backend.name}")
    return partial(body, solve=operator)


class Recorder:
    """An operator that does what another does, and keeps the solution that it found last.

    Attributes:
        found: the solution, in the structure of the initial guess and in the engine's own arrays;
            None before the first call.
    """

    def __init__(self, operator: Operator) -> None:
        self._operator = operator
        self.found: Any = None

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """What the operator returns."""
        self.found = self._operator(*arguments, **options)
        return self.found
