"""A function and its gradient in NumPy, in the forms that `scipy.optimize` knows.

For a scalar f, Jᵀu is u ∇f. A gradient function that takes the cotangent returns Jᵀu itself.
"""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from reference_impls.computation import Array
from reference_impls.engines.adapter import (
    Adapter,
    TreeVjp,
    call,
    check_callable,
    signature_of,
)
from reference_impls.engines.leaves import Primals
from reference_impls.nested import Tree, is_container, map_located
from reference_impls.words import described


def from_numpy(
    value: Callable[..., Tree], gradient: Callable[..., Tree] | None = None
) -> "NumpyFunction":
    """A function and its gradient in NumPy as `verify.check` takes them.

    The gradient of a scalar function is multiplied by the cotangent, in its own dtype. A gradient
    function with a parameter named ``cotangent`` is given u by that name and returns Jᵀu, for a
    value of any shape. A gradient that need not be multiplied, or cannot be, is handed on uncopied,
    for the checker to judge.

    Args:
        value: ``value(*primals)`` returns an array or a number, or several in a dict, list or
            tuple, if the gradient function takes cotangents of that structure. Without a gradient
            function it returns the pair of value and gradient that `scipy.optimize.minimize` takes
            with ``jac=True``.
        gradient: ``gradient(*primals)`` returns a tuple or list of gradients, or a dict of them
            by name; or the gradient for the first primal alone, as in `scipy.optimize`. Where
            gradients are asked for with respect to some primals, it may return theirs alone. A
            primal without a gradient gets None. If the only primal is a dict, list or tuple,
            whatever it returns is that primal's gradient.

    Raises:
        TypeError: either is a class, or cannot be called.
    """
    check_callable(value, "from_numpy")
    if gradient is not None:
        check_callable(gradient, "from_numpy")
    return NumpyFunction(value, gradient)


class NumpyFunction(Adapter):
    """Made by `from_numpy`."""

    def __init__(self, function: Callable[..., Tree], gradient: Callable[..., Tree] | None) -> None:
        signature = signature_of(function)
        super().__init__(function, signature)
        self.gradient = gradient
        own = signature_of(gradient) if gradient is not None else None
        self._takes_cotangent = own is not None and "cotangent" in own.parameters
        self._names = tuple(signature.parameters) if signature is not None else ()

    def _make_vjp(self, primals: Primals) -> tuple[Tree, TreeVjp]:
        value = self._value(primals)
        if not self._takes_cotangent and (is_container(value) or np.ndim(value)):
            what = described(value)
            what = what if is_container(value) else f"an array of shape {np.shape(value)}"
            raise TypeError(
                f"{self.name} returned {what}, wanted a scalar, "
                "or a gradient function with a parameter named cotangent"
            )

        def vjp(cotangent: Tree) -> Tree:
            return self._arranged(primals, self._gradients(primals, cotangent))

        return value, vjp

    def _value(self, primals: Primals) -> Tree:
        returned = call(self.function, primals)
        value = returned if self.gradient else self._pair(returned)[0]
        # A Python number has no dtype of its own; who calls knows the one that is meant.
        is_number = type(value) in {float, complex}
        return value if is_number or is_container(value) else self._array_from(value)

    def _gradients(self, primals: Primals, cotangent: Tree) -> Tree:
        if self.gradient is None:
            gradients = self._pair(call(self.function, primals))[1]
        elif self._takes_cotangent:
            gradients = call(partial(self.gradient, cotangent=cotangent), primals)
            return map_located(lambda _, leaf: _as_array(leaf), gradients, ("gradient",))
        else:
            gradients = call(self.gradient, primals)
        return map_located(lambda _, leaf: _scaled(cotangent, leaf), gradients, ("gradient",))

    def _pair(self, returned: Tree) -> tuple[Tree, Tree]:
        if not isinstance(returned, tuple) or len(returned) != 2:
            raise TypeError(
                f"{self.name} returned {described(returned)}, wanted a value and its gradient, "
                "or a gradient function beside it"
            )
        return returned

    def _arranged(self, primals: Primals, gradients: Tree) -> Tree:
        """By position or by name, as the primals are; the checker judges what fits neither."""
        names = tuple(primals) if isinstance(primals, dict) else self._names[: len(primals)]
        if isinstance(primals, dict):
            names = tuple(sorted(names, key=self._position))
        keys = names if isinstance(primals, dict) else range(len(primals))
        asked = [key for key in keys if self.differentiated.leads_to(key)]
        if _is_alone(primals, gradients):
            gradients, asked = (gradients,), asked[:1]
        if isinstance(gradients, list | tuple) and len(gradients) == len(asked):
            found = dict(zip(asked, gradients, strict=True))
            gradients = tuple(map(found.get, keys))
        if isinstance(primals, dict) and isinstance(gradients, list | tuple):
            fits = len(gradients) == len(names)
            return dict(zip(names, gradients, strict=True)) if fits else gradients
        if isinstance(primals, tuple) and isinstance(gradients, Mapping):
            fits = set(gradients) <= set(names)
            return tuple(gradients.get(name) for name in names) if fits else gradients
        return tuple(gradients) if isinstance(gradients, list) else gradients

    def _position(self, name: str) -> int:
        return self._names.index(name) if name in self._names else len(self._names)


def _is_alone(primals: Primals, gradients: Tree) -> bool:
    """Is this the gradient for the first primal, not a container of all primals' gradients?"""
    if len(primals) == 1:
        (primal,) = primals.values() if isinstance(primals, dict) else primals
        if isinstance(primal, list | tuple | Mapping):
            return True
        return not isinstance(gradients, tuple | Mapping)
    return not isinstance(gradients, list | tuple | Mapping)


def _scaled(cotangent: Array, gradient: Tree) -> Tree:
    array = _as_array(gradient)
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fc" or cotangent == 1:
        return array
    # In the gradient's own dtype: a float32 one must not come out as float64.
    return np.asarray(np.multiply(array, cotangent.astype(array.dtype)))


def _as_array(gradient: Tree) -> Tree:
    return np.asarray(gradient) if isinstance(gradient, np.generic) else gradient
