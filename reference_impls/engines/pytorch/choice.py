"""Which adapter a torch function, a custom Function's ``apply`` or a module is given."""

from collections.abc import Callable
from functools import partial

import torch

from reference_impls.engines.adapter import call, check_callable
from reference_impls.engines.pytorch.custom import CustomFunction, function_class
from reference_impls.engines.pytorch.function import TorchFunction
from reference_impls.engines.pytorch.modules import call_module
from reference_impls.nested import Tree


def from_torch(function: Callable[..., Tree]) -> "TorchFunction":
    """A torch function as `verify.check` takes it.

    Arrays become tensors on the CPU that share their memory and strides. A read-only array is
    copied with its strides; one of negative strides, which torch refuses, in row-major order.
    So a function that writes to its input is seen to, or is stopped by torch.

    ``MyFunction.apply`` of a custom `torch.autograd.Function` has the gradients that its
    ``backward`` returned, before the engine repairs them, as views of their memory. Inside
    another function the engine does repair them, and the VJP's ``repaired`` says so. What torch
    treats as immutable is no fault there: the cotangent, or one tensor twice, is returned as
    copies. All other gradients are copies.

    A module is never changed. Primals by position are inputs of its ``forward``; primals by name
    are those, or parameters and buffers, as ``{"0": {"weight": …}}`` or ``{"0.weight": …}``.
    Those not given are constants of the primals' dtype: a float32 module can be checked in
    float64.

    Args:
        function: of tensors, by position or by name, or of nested dicts, lists and tuples of
            them; the ``apply`` of a `torch.autograd.Function`; or a `torch.nn.Module`. It returns
            one tensor of any shape. A value that depends on no primal has gradients of zero.

    Raises:
        TypeError: it is a class, or cannot be called.
    """
    if isinstance(function, torch.nn.Module):
        return TorchFunction(function, partial(call_module, function), function.forward)
    owner = function_class(function)
    if owner is not None:
        return CustomFunction(function, owner)
    check_callable(function, "from_torch")
    return TorchFunction(function, partial(call, function), function)
