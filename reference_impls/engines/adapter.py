"""What all adapters have in common: the call, its checks, and derivatives of second order.

An adapter of f takes primals x and returns f(x) and the map u -> Jᵀu. An adapter that is
`TwiceDifferentiable` also computes J v, by forward mode, and ∂/∂x ⟨Jᵀ(x) u, v⟩.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from typing import Literal, Protocol, Self, get_args, runtime_checkable

import numpy as np

from reference_impls.computation import Array
from reference_impls.engines.leaves import Differentiated, Primals
from reference_impls.engines.loaded import loaded_torch
from reference_impls.engines.outputs import Outputs
from reference_impls.nested import Path, Tree
from reference_impls.words import described, name_of

Mode = Literal["reverse over reverse", "forward over reverse"]


TreeVjp = Callable[[Tree], Tree]


@runtime_checkable
class RepairingVjp(Protocol):
    """A VJP that says what its engine repaired in the gradients that custom functions returned."""

    def __call__(self, cotangent: Array, /) -> Tree:
        """Jᵀu."""
        ...

    @property
    def repaired(self) -> Sequence[str]:
        """What was repaired in the last call: one line each, empty if nothing was."""
        ...


@runtime_checkable
class TwiceDifferentiable(Protocol):
    """A function that an engine differentiates forwards, and twice.

    Primals are the tuple or the dict of one call. Tangents have the same structure; where a leaf
    is None or missing, the tangent is zero.
    """

    @property
    def name(self) -> str:
        """What messages call the function."""
        ...

    def jvp(self, primals: Primals, tangents: Primals) -> Array:
        """J v by forward mode, of the value's shape and dtype.

        Raises:
            NotImplementedError: the function, or something in it, has no forward mode.
            TypeError: a tangent is no array.
            ValueError: a tangent has another shape than its primal.
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
            NotImplementedError: the function, or something in it, cannot be differentiated twice,
                or has no forward mode and the mode needs it.
            TypeError: a tangent or the cotangent is no array, or has another dtype than what it
                belongs to.
            ValueError: one of them has another shape than what it belongs to, or the mode is
                unknown.
        """
        ...


class Adapter(ABC):
    """A function of the user's as `verify.check` takes it; each engine has a subclass.

    Attributes:
        function: the user's own.
        name: what messages call it.
        differentiated: the leaves of the primals that it is differentiated with respect to; the
            engine takes all others for constants.
        outputs: of the last value that had a VJP, where the function returned several: that value
            is the vector in which they lie end to end. None where it returned one.
    """

    def __init__(self, function: Callable[..., Tree], signature: inspect.Signature | None) -> None:
        self.function = function
        self.name = name_of(function)
        self.differentiated = Differentiated()
        self.outputs: Outputs | None = None
        if signature is not None:
            # `inspect.signature` reads this, and so shows the user's names of the arguments.
            self.__signature__ = signature

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name})"

    def __call__(self, /, *primals: Tree, **named: Tree) -> tuple[Tree, TreeVjp]:
        """f at the primals, and its VJP, which may be called any number of times.

        The value is an array of the function's own dtype, and of shape () for a scalar; of several
        outputs it is a vector, see `outputs`. What the function raises is passed on.

        Raises:
            TypeError: some primals are given by position and others by name; or the function
                returns neither an array nor a dict, list or tuple that holds one.
        """
        self.outputs = None
        return self._make_vjp(self._one_call(primals, named))

    def forward(self, /, *primals: Tree, **named: Tree) -> Tree:
        """f at the primals, without its VJP. They may be complex if the function takes that.

        Raises:
            TypeError: as `__call__`.
        """
        return self._value(self._one_call(primals, named))

    @property
    def parameters(self) -> tuple[str, ...]:
        """What the function itself holds that is to be learned, by name; a module has some."""
        return ()

    def completed(self, primals: Tree) -> Tree:
        """The primals, and beside them the parameters of the function's own, where it has some.

        Args:
            primals: a dict, a tuple, or one alone, as `verify.check` takes them.
        """
        return primals

    def with_respect_to(self, paths: Iterable[Path]) -> Self:
        """The same function, differentiated with respect to some leaves and no others.

        Args:
            paths: of floating arrays: "primals", the position or the name of the argument, and the
                keys and indices that lead to the array. All others become constants, whose gradient
                is None: no graph is recorded for them.
        """
        other = copy(self)
        other.differentiated = Differentiated(frozenset(paths))
        return other

    @abstractmethod
    def _make_vjp(self, primals: Primals) -> tuple[Tree, TreeVjp]: ...

    @abstractmethod
    def _value(self, primals: Primals) -> Tree: ...

    def _one_call(self, primals: tuple[Tree, ...], named: dict[str, Tree]) -> Primals:
        if primals and named:
            raise TypeError(
                f"{self.name}: got {len(primals)} primals by position and {', '.join(named)} by "
                "name, wanted all by position or all by name"
            )
        return named or primals

    def _outputs_of(self, value: Tree, is_differentiated: Callable[[Tree], bool]) -> list[Tree]:
        """Those among several outputs that are differentiated: the same at every call.

        Raises:
            TypeError: there are none, or they are no longer there; or the function has a VJP of
                its own, which nobody would look at.
        """
        if isinstance(value, tuple | list) and len(value) == 2 and callable(value[1]):
            raise TypeError(
                f"{self.name} returned a value and a function, a VJP perhaps: that is judged of "
                "NumPy arrays, without an adapter, or as a torch.autograd.Function"
            )
        if self.outputs is None:
            found = Outputs.of(value, is_differentiated)
            if not found.differentiated:
                wanted = "wanted floating-point arrays among its outputs"
                raise TypeError(f"{self.name} returned {described(value)}, {wanted}")
            self.outputs = found
        try:
            return self.outputs.taken(value)
        except TypeError as error:
            raise TypeError(f"{self.name} {error}") from None

    def _array_from(self, value: Tree) -> Array:
        if not isinstance(value, np.ndarray | np.generic):
            raise TypeError(f"{self.name} returned {described(value)}, wanted one array")
        return np.asarray(value)

    def checked(self, cotangent: Tree, value: Array) -> Array:
        """The cotangent, if it has the value's dtype and shape.

        Raises:
            TypeError: it is no array of the value's dtype.
            ValueError: it has another shape than the value.
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
    """Calls the function with primals by position or by name."""
    return function(**primals) if isinstance(primals, dict) else function(*primals)


def check_callable(function: object, adapter: str) -> None:
    """Refuses what is no function, and says what to give instead.

    Raises:
        TypeError: it is a class, or cannot be called.
    """
    if isinstance(function, type):
        torch = loaded_torch()
        is_custom = torch is not None and issubclass(function, torch.autograd.Function)
        remedy = f"{function.__name__}.apply" if is_custom else "an instance"
        raise TypeError(f"{adapter}: got the class {function.__name__}, wanted {remedy}")
    if not callable(function):
        raise TypeError(f"{adapter}: got {described(function)}, wanted a function")


def signature_of(function: Callable[..., Tree]) -> inspect.Signature | None:
    """The function's signature; None if it has none, as some functions written in C."""
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None
