"""A function that needs no wrapping to be known for one of an engine's."""

from collections.abc import Callable

from reference_impls.engines.adapter import Adapter
from reference_impls.engines.loaded import loaded_torch
from reference_impls.nested import Tree, located


def recognised(function: Callable[..., Tree], primals: Tree) -> Callable[..., Tree]:
    """The function by `from_torch`, if it is torch's to differentiate; else as it is.

    That is a module, the ``apply`` of a `torch.autograd.Function`, and whatever is to be called
    with tensors. Torch is not imported to find out: where nobody has, there are none of these.

    Args:
        function: anything that can be called.
        primals: that it is to be called with.

    Raises:
        TypeError: it is torch's, and is a class; or the keys of a dict cannot be sorted.
    """
    torch = loaded_torch()
    if torch is None or isinstance(function, Adapter):
        return function
    from reference_impls.engines.pytorch.choice import from_torch  # noqa: PLC0415 -- imports torch
    from reference_impls.engines.pytorch.custom import function_class  # noqa: PLC0415 -- likewise

    is_module = isinstance(function, torch.nn.Module)
    if is_module or function_class(function) or _holds_tensors(primals, torch.Tensor):
        return from_torch(function)
    return function


def _holds_tensors(primals: Tree, tensor: type) -> bool:
    try:
        return any(isinstance(leaf.value, tensor) for leaf in located(primals, "primals"))
    except RecursionError:
        return False  # what contains itself is refused elsewhere, in one line
