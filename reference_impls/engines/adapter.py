"""What all adapters have in common: the call, its checks, and derivatives of second order.

An adapter of f is called with primals x and gives f(x) and the map u -> Jᵀu. One that is
`TwiceDifferentiable` also has J v, by forward mode, and ∂/∂x ⟨Jᵀ(x) u, v⟩.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Literal, Protocol, get_args, runtime_checkable

import numpy as np
import torch

from reference_impls.computation import Array
from reference_impls.nested import Tree, kind_of

Mode = Literal["reverse over reverse", "forward over reverse"]


Primals = tuple[Tree, ...] | dict[str, Tree]
"""The arguments of one call: a tuple if they are given by position, a dict if by name."""


TreeVjp = Callable[[Array], Tree]


@runtime_checkable
class TwiceDifferentiable(Protocol):
    """A function that an engine differentiates forwards, and twice.

    Primals are the tuple or the dict of one call. Tangents are like them; a leaf that is None or
    missing is a direction of zero.
    """

    @property
    def name(self) -> str:
        """Of the function, in messages."""
        ...

    def jvp(self, primals: Primals, tangents: Primals) -> Array:
        """J v by forward mode, of the value's shape and dtype.

        Raises:
            NotImplementedError: the function, or something in it, has no forward mode.
            TypeError: a tangent is no array.
            ValueError: a tangent has not its primal's shape.
        """
        ...

    def hvp(self, primals: Primals, cotangent: Array, tangents: Primals, mode: Mode) -> Tree:
        """∂/∂x ⟨Jᵀ(x) u, v⟩, in the structure of the primals.

        Args:
            primals: x.
            cotangent: u, of the value's shape and dtype.
            tangents: v.
            mode: "reverse over reverse" or "forward over reverse".

        Raises:
            NotImplementedError: the function, or something in it, is not twice differentiable,
                or has no forward mode where that is wanted.
            TypeError: a tangent or the cotangent is no array, or of another dtype.
            ValueError: one has another shape; or the mode is unknown.
        """
        ...


class Adapter(ABC):
    """What all three have in common.

    Attributes:
        function: the user's own.
        name: of the function, in messages.
    """

    def __init__(self, function: Callable[..., Tree], signature: inspect.Signature | None) -> None:
        self.function = function
        self.name = name_of(function)
        if signature is not None:
            # `inspect.signature` reads it: the user's names of positional arguments.
            self.__signature__ = signature

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name})"

    def __call__(self, /, *primals: Tree, **named: Tree) -> tuple[Array, TreeVjp]:
        """f at the primals, and its VJP, which may be called any number of times.

        The value is an array of the function's own dtype, of shape () for a scalar. Whatever the
        function raises is not caught.

        Raises:
            TypeError: some primals are given by position and others by name; or the function
                returns anything but one array.
        """
        return self._make_vjp(self._one_call(primals, named))

    def forward(self, /, *primals: Tree, **named: Tree) -> Array:
        """f at the primals and nothing else. They may be complex where the function takes that.

        Raises:
            TypeError: as `__call__`.
        """
        return self._value(self._one_call(primals, named))

    @abstractmethod
    def _make_vjp(self, primals: Primals) -> tuple[Array, TreeVjp]: ...

    @abstractmethod
    def _value(self, primals: Primals) -> Array: ...

    def _one_call(self, primals: tuple[Tree, ...], named: dict[str, Tree]) -> Primals:
        if primals and named:
            raise TypeError(
                f"{self.name}: got {len(primals)} primals by position and {', '.join(named)} by "
                "name, wanted all by position or all by name"
            )
        return named or primals

    def _array_from(self, value: Tree) -> Array:
        if not isinstance(value, np.ndarray | np.generic):
            raise TypeError(f"{self.name} returned {described(value)}, wanted one array")
        return np.asarray(value)

    def checked(self, cotangent: Tree, value: Array) -> Array:
        """A cotangent that is like the value.

        Raises:
            TypeError: it is no array of the value's dtype.
            ValueError: it has not the value's shape.
        """
        if not isinstance(cotangent, np.ndarray) or cotangent.dtype != value.dtype:
            raise TypeError(
                f"{self.name}: cotangent is {described(cotangent)}, "
                f"wanted a NumPy array of {value.dtype}, as the value"
            )
        if cotangent.shape != value.shape:
            raise ValueError(
                f"{self.name}: cotangent has shape {cotangent.shape}, wanted {value.shape}, "
                "as the value"
            )
        return cotangent

    def _check_mode(self, mode: str) -> None:
        if mode not in get_args(Mode):
            raise ValueError(
                f"{self.name}: got the mode {mode!r}, wanted {' or '.join(get_args(Mode))}"
            )


def call(function: Callable[..., Tree], primals: Primals) -> Tree:
    """The function at primals by position or by name."""
    return function(**primals) if isinstance(primals, dict) else function(*primals)


def check_callable(function: object, adapter: str) -> None:
    """TypeError for what is no function, with what to give instead."""
    if isinstance(function, type):
        is_custom = issubclass(function, torch.autograd.Function)
        remedy = f"{function.__name__}.apply" if is_custom else "an instance"
        raise TypeError(f"{adapter}: got the class {function.__name__}, wanted {remedy}")
    if not callable(function):
        raise TypeError(f"{adapter}: got {described(function)}, wanted a function")


def signature_of(function: Callable[..., Tree]) -> inspect.Signature | None:
    """None for what was written in C without one."""
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):  # written in C, without one
        return None


def name_of(function: Callable[..., Tree]) -> str:
    """What a function is called in messages."""
    if isinstance(function, partial):
        return name_of(function.func)
    return str(getattr(function, "__name__", type(function).__name__))


def described(value: object) -> str:
    """What a value is, in messages."""
    if value is None:
        return "None"
    if isinstance(value, tuple | list | dict):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {kind_of(value)}"
