"""The adapter for ``apply`` of a custom `torch.autograd.Function`: it calls ``backward`` itself.

So it gets Jᵀu as the author computed it, one gradient for each input of ``forward``. The engine
would first sum each to its input's shape and cast it to its input's dtype, which hides mistakes.
"""

import inspect
from collections.abc import Callable, Sequence
from types import MethodType

import numpy as np
import torch

from reference_impls.computation import Array
from reference_impls.engines.leaves import ROOT, Primals
from reference_impls.engines.pytorch.function import TorchFunction, TorchVjp
from reference_impls.engines.pytorch.graph import backward_of, is_custom
from reference_impls.engines.pytorch.tensors import viewed
from reference_impls.nested import Path, Tree, map_located
from reference_impls.words import described


class CustomFunction(TorchFunction):
    """``apply`` of a `torch.autograd.Function`, which takes its arguments by position alone."""

    def __init__(self, function: Callable[..., Tree], owner: type[torch.autograd.Function]) -> None:
        signature = _signature_of_forward(owner)
        super().__init__(function, self._apply, function, signature)
        self.name = owner.__name__

    def _apply(self, primals: Primals) -> Tree:
        return self.function(*self.arguments(primals).values())

    def _pullback(
        self, primals: Primals, leaves: Sequence[torch.Tensor], value: torch.Tensor
    ) -> TorchVjp:
        if is_custom(value.grad_fn):
            return _RawVjp(self, primals, leaves, value, list(self.arguments(primals)))
        return super()._pullback(primals, leaves, value)

    def arguments(self, primals: Primals) -> dict[Tree, Tree]:
        """What ``forward`` is given, in its order, by index or by name as in the primals."""
        if isinstance(primals, tuple):
            return dict(enumerate(primals))
        try:
            bound = inspect.signature(self).bind(**primals)
        except TypeError as error:
            raise TypeError(f"{self.name}: {error}") from None
        bound.apply_defaults()
        return dict(bound.arguments)


class _RawVjp(TorchVjp):
    """u -> Jᵀu as the ``backward`` of a custom Function returned it."""

    def __init__(
        self,
        adapter: TorchFunction,
        primals: Primals,
        leaves: Sequence[torch.Tensor],
        value: torch.Tensor,
        arguments: Sequence[int | str],
    ) -> None:
        super().__init__(adapter, primals, leaves, value)
        self._arguments = arguments

    def _gradients(self, cotangent: torch.Tensor) -> Tree:
        node = self._native_value.grad_fn
        with torch.no_grad():  # as the engine calls it
            returned = self._by_argument(backward_of(node)(cotangent))
        taken: list[torch.Tensor] = []

        def gradient(path: Path, leaf: Tree) -> Array | None:
            if not self._adapter.differentiated.has(path, leaf):
                return None
            tensor = returned[path[1]] if len(path) == 2 else None
            if tensor is None:  # which torch takes for zero
                return np.zeros_like(leaf, order="C", subok=False)
            array = viewed(tensor)
            immutable = any(tensor is other for other in taken)
            taken.append(tensor)
            if immutable or np.may_share_memory(array, viewed(cotangent)):
                return np.array(array)
            return array

        return map_located(gradient, self._primals, (ROOT,))

    def _by_argument(self, returned: Tree) -> dict[int | str, torch.Tensor | None]:
        gradients = list(returned) if isinstance(returned, tuple) else [returned]
        count = len(self._arguments)
        extra = gradients[count:]
        if len(gradients) < count or any(gradient is not None for gradient in extra):
            raise TypeError(
                f"{self._adapter.name}.backward returned {len(gradients)} gradients, "
                f"wanted {count}, one for each input of forward"
            )
        for gradient in gradients:
            if not (gradient is None or isinstance(gradient, torch.Tensor)):
                raise TypeError(
                    f"{self._adapter.name}.backward returned {described(gradient)}, "
                    "wanted tensors or None"
                )
        return dict(zip(self._arguments, gradients, strict=False))


def function_class(function: Callable[..., Tree]) -> type[torch.autograd.Function] | None:
    """The class whose ``apply`` this is, or None."""
    if not isinstance(function, MethodType) or function.__name__ != "apply":
        return None
    owner = function.__self__
    if isinstance(owner, type) and issubclass(owner, torch.autograd.Function):
        return owner
    return None


def _signature_of_forward(owner: type[torch.autograd.Function]) -> inspect.Signature:
    signature = inspect.signature(owner.forward)
    parameters = list(signature.parameters.values())
    # The forward of a class that defines `setup_context` has no ctx.
    has_context = owner.setup_context is torch.autograd.Function.setup_context
    return signature.replace(parameters=parameters[1:] if has_context else parameters)
