"""`from_torch`: the adapter for a torch function, a custom Function's ``apply`` or a module."""

from collections.abc import Callable
from functools import partial

import torch

from reference_impls.engines.adapter import call, check_callable
from reference_impls.engines.pytorch.custom import CustomFunction, function_class
from reference_impls.engines.pytorch.function import TorchFunction
from reference_impls.engines.pytorch.modules import ModuleFunction
from reference_impls.nested import Tree


def from_torch(function: Callable[..., Tree]) -> "TorchFunction":
    """A torch function as `verify.check` takes it.

    Arrays become tensors on the CPU with the same memory and strides, so that a function that
    writes to its input is caught, or stopped by torch. Two kinds are copied: a read-only array,
    with its strides; and one with strides that torch refuses, as negative ones, in row-major order.

    Of a custom `torch.autograd.Function`, give ``MyFunction.apply``: its gradients are what
    ``backward`` returned, before the engine repairs it, and share its memory. A ``backward`` may
    return the cotangent, or one tensor twice, because torch treats gradients as immutable; these
    are copied. In a function that calls such an ``apply`` the engine does repair, and the VJP's
    ``repaired`` says what. All gradients but those of ``MyFunction.apply`` are copies.

    A module is never changed. Primals by position are inputs of its ``forward``; primals by name
    are inputs, or parameters and buffers, as ``{"0": {"weight": …}}`` or ``{"0.weight": …}``.
    Parameters and buffers that are not given are constants, cast to the primals' dtype, so that a
    float32 module can be checked in float64. `verify.check` gives them all, by name.

    Args:
        function: of tensors, by position or by name, or of nested dicts, lists and tuples of
            them; the ``apply`` of a `torch.autograd.Function`; or a `torch.nn.Module`. It returns
            one tensor of any shape. A value that depends on no primal has gradients of zero.
            Several tensors, in a dict, list or tuple, come as one vector; those of them that
            require no gradient, where others do, are left out, as are integers.

    Raises:
        TypeError: it is a class, or cannot be called.
    """
    if isinstance(function, torch.nn.Module):
        return ModuleFunction(function)
    owner = function_class(function)
    if owner is not None:
        return CustomFunction(function, owner)
    check_callable(function, "from_torch")
    return TorchFunction(function, partial(call, function), function)
