"""A user's `make_vjp` as an implementation of one function."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from reference_impls.computation import DTYPES, Array, Arrays, Vjp
from reference_impls.engines.adapter import Adapter, RepairingVjp
from reference_impls.engines.leaves import ROOT
from reference_impls.engines.outputs import Outputs
from reference_impls.nested import Tree, is_container, located
from reference_impls.words import described
from verify.checks.check import RefusalError, Violation
from verify.user.arguments import Arguments, MakeVjp, positional_parameters
from verify.user.budget import Meter
from verify.user.raised import one_line_with_place
from verify.user.returned import array_from, gradients_from, is_number, joined

AnyFunction = TypeVar("AnyFunction")

Shape = tuple[int, ...] | Outputs
"""Of one array, or of several in a container."""


class UserFunction:
    """A user's `make_vjp` as a `reference_impls.function.Function`.

    Several outputs are one vector here, and so are their cotangents: its VJP is that of the
    function, contracted with a cotangent for each.

    Attributes:
        outputs: of the last call that gave a VJP, where there are several.
        meter: counts its calls.

    Args:
        make_vjp: the user's.
        forward: gives the value alone; None where `make_vjp` gives it.
        arguments: of the call.
        meter: counts the calls, and may end them; None for one that only counts.
    """

    takes_complex = True  # if it does not, the oracle finds out

    def __init__(
        self,
        make_vjp: MakeVjp,
        forward: Callable[..., Any] | None,
        arguments: Arguments,
        meter: Meter | None = None,
    ) -> None:
        self.name = arguments.function
        self.wrt = arguments.wrt
        self.arguments = arguments
        self.meter = meter or Meter()
        self._make_vjp = restricted(make_vjp, arguments)
        self._forward = forward
        self.outputs: Outputs | None = None
        self._shapes: dict[str, Shape] = {}  # of the values at real primals, by call
        if forward is None and isinstance(self._make_vjp, Adapter):
            self._forward = self._make_vjp.forward

    def forward(self, primals: Mapping[str, Array]) -> Array:
        """See `reference_impls.function.Function.forward`.

        Raises:
            RefusalError: in place of whatever the user's function raises.
            BudgetSpentError: nothing is left for this call.
        """
        forward = self._forward
        if forward is None:
            return self.make_vjp(primals)[0]
        positional, named = self.arguments.with_arrays(dict(primals))
        call = f"the forward of {self.arguments.call}"
        self.meter.count_evaluation()
        value = _call_or_refuse(call, lambda: forward(*positional, **named))
        return self._value(value, call, primals)

    def make_vjp(self, primals: Mapping[str, Array]) -> tuple[Array, Vjp]:
        """See `reference_impls.function.Function.make_vjp`.

        Raises:
            RefusalError: in place of whatever the user's function raises.
            BudgetSpentError: nothing is left for this call.
        """
        positional, named = self.arguments.with_arrays(dict(primals))
        call = self.arguments.call
        self.meter.count_evaluation()
        returned = _call_or_refuse(call, lambda: self._make_vjp(*positional, **named), self._hint)
        found, vjp = self._pair(returned)
        dtype = _own_dtype(primals, self.arguments.wrt)
        value = self._value(found, call, primals)
        self.outputs = self._outputs_of(found)
        given = _Cotangents(found, self.outputs)
        return value, UserVjp(self.arguments, vjp, dtype, given, self.meter)

    def _outputs_of(self, found: Tree) -> Outputs | None:
        """The outputs, where there are several."""
        if is_container(found):
            return Outputs.of(found, is_number)
        return self._make_vjp.outputs if isinstance(self._make_vjp, Adapter) else None

    def _value(self, found: Tree, call: str, primals: Mapping[str, Array]) -> Array:
        dtype = _own_dtype(primals, self.arguments.wrt)
        outputs = self._outputs_of(found)
        giver, wanted = f"{call} returned", self.arguments.dtype
        if is_container(found) and outputs and outputs.differentiated:
            value = joined(found, outputs, giver, wanted, dtype)
        else:
            value = array_from(found, giver, "as its value", wanted, dtype)
        if outputs and value.dtype.kind == "f":
            value = value.astype(dtype, copy=False)  # `UserVjp` says which of them has another
        # Only the complex step asks for complex primals, and there the value has to be complex.
        is_complex_step = any(map(np.iscomplexobj, primals.values()))
        if np.iscomplexobj(value) and not is_complex_step:
            raise RefusalError(f"{call}: its value is complex: only real functions are supported")
        shape = outputs or value.shape
        before = self._shape_before(call, shape, is_complex_step=is_complex_step)
        if shape != before:
            raise RefusalError(
                f"{call} returned a value of {_shape_in_words(shape)}, and of "
                f"{_shape_in_words(before).removeprefix('shape ')} before"
            )
        return value

    def _shape_before(self, call: str, shape: Shape, *, is_complex_step: bool) -> Shape:
        """The shape that the value had at real primals; this one if it is the first.

        A Fourier transform of complex numbers has frequencies that one of real numbers leaves out:
        its shape is no measure for that of real values, but has to be theirs.
        """
        if not is_complex_step:
            return self._shapes.setdefault(call, shape)
        known = next(iter(self._shapes.values()), shape)
        return self._shapes.get(call, known)

    @property
    def _hint(self) -> str:
        (first, *_) = self.arguments.by_name.values()
        required = [
            each for each in positional_parameters(self._make_vjp) if each.default is each.empty
        ]
        if self.arguments.alone and isinstance(first, list) and len(required) > 1:
            return "; a list is one argument: for several give a tuple"
        return ""

    def _pair(self, returned: Tree) -> tuple[Tree, Callable[[Array], Tree]]:
        if isinstance(returned, tuple | list) and len(returned) == 2 and callable(returned[1]):
            return returned[0], returned[1]
        given = described(returned)
        if isinstance(returned, tuple | list) and len(returned) == 2:
            given += f" with {described(returned[1])} for vjp"
        raise RefusalError(
            f"{self.arguments.call} returned {given}, wanted (value, vjp) with a function "
            "vjp(cotangent) that returns the gradients"
        )


@dataclass(frozen=True)
class _Cotangents:
    """What a user's VJP takes, from a cotangent of the value as the checks know it.

    Attributes:
        found: the value as the user's function returned it.
        outputs: of it, where there are several.
    """

    found: Tree
    outputs: Outputs | None

    def taken(self, cotangent: Array) -> Tree:
        if self.outputs is None:
            return cotangent
        if is_container(self.found):
            return self.outputs.tree(self.found, cotangent)
        return cotangent.astype(self.found.dtype, copy=False)

    def drift(self, dtype: npt.DTypeLike) -> str:
        """Which output has another dtype than it should; empty if none."""
        wanted = str(np.dtype(dtype))
        outputs = self.outputs.differentiated if self.outputs else ()
        others = (each for each in outputs if each.dtype not in {"", wanted})
        return next((f"{each} is {each.dtype}, wanted {wanted}" for each in others), "")


class UserVjp:
    """A user's VJP from a cotangent to gradients by path.

    Args:
        arguments: of the call.
        vjp: the user's.
        dtype: given to Python numbers, which have none.
        given: what it takes.
        meter: counts its calls.
    """

    def __init__(
        self,
        arguments: Arguments,
        vjp: Callable[[Tree], Tree],
        dtype: npt.DTypeLike,
        given: _Cotangents,
        meter: Meter,
    ) -> None:
        self._arguments = arguments
        self._vjp = vjp
        self._dtype = dtype
        self._given = given
        self._meter = meter

    def __call__(self, cotangent: Array) -> Arrays:
        """Jᵀu.

        Raises:
            RefusalError: in place of whatever the user's function raises.
            BudgetSpentError: nothing is left for this call.
        """
        self._meter.count_vjp()
        what = f"the vjp of {self._arguments.call}"
        returned = _call_or_refuse(what, lambda: self._vjp(self._given.taken(cotangent)))
        return gradients_from(returned, self._arguments, f"{what} returned", self._dtype)

    @property
    def mended(self) -> Violation | None:
        """What torch's engine repaired in the last call, and so hid; or one vector of outputs."""
        if drift := self._given.drift(self._dtype):
            return Violation("dtype drift", drift)
        vjp: object = self._vjp
        if not isinstance(vjp, RepairingVjp) or not vjp.repaired:
            return None
        seen = vjp.repaired[0]
        # The engine sums what was broadcast and casts dtypes; it refuses all other shapes.
        fault = "un-reduced broadcast" if " has shape " in seen else "dtype drift"
        return Violation(fault, f"{seen}; torch mended it")


def restricted(function: AnyFunction, arguments: Arguments) -> AnyFunction:
    """The same function; one of an adapter takes all that no gradient is asked for as constant.

    An engine may have no derivative with respect to an argument, or refuse one that requires a
    gradient: that is of no interest where none is wanted.

    Args:
        function: the user's.
        arguments: of the call.
    """
    if not isinstance(function, Adapter):
        return function
    keys = range(len(arguments.by_name)) if arguments.positional else arguments.by_name
    return function.with_respect_to(
        (ROOT, key, *leaf.path[1:])
        for key, (name, tree) in zip(keys, arguments.by_name.items(), strict=True)
        for leaf in located(tree, name)
        if str(leaf) in arguments.wrt
    )


def _shape_in_words(shape: Shape) -> str:
    if isinstance(shape, Outputs):
        return ", ".join(f"{each} {each.shape}" for each in shape.differentiated)
    return f"shape {shape}"


def _own_dtype(primals: Mapping[str, Array], wrt: Sequence[str]) -> npt.DTypeLike:
    """The dtype of this call's primals, if Python numbers can be rounded to it; else float64."""
    dtype = primals[wrt[0]].dtype
    return dtype if str(dtype) in DTYPES else np.float64


def _call_or_refuse(call: str, function: Callable[[], Tree], hint: str = "") -> Tree:
    """What the user's function returns.

    Raises:
        RefusalError: in place of whatever it raises.
    """
    try:
        return function()
    except RefusalError:
        raise
    except (Exception, SystemExit) as error:
        raise RefusalError(f"{call} {one_line_with_place(error)}{hint}") from error
