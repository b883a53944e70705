"""What torch, and modules and tensors that a function holds, have of state: restored."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

import torch


@contextmanager
def torch_left_as_found(held: Iterable[object]) -> Iterator[None]:
    """Afterwards, these are as before: random state, grad mode, and what objects hold of state.

    Of modules, these are their buffers, and whether they are in training; of tensors and of
    modules' parameters, `.grad`; of generators, their state. Other objects are passed over.
    """
    is_used = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    devices = range(torch.cuda.device_count()) if is_used else ()
    with ExitStack() as restored:
        restored.enter_context(torch.random.fork_rng(devices))
        restored.callback(torch.set_grad_enabled, torch.is_grad_enabled())
        for each in held:
            if isinstance(each, torch.Generator):
                restored.callback(each.set_state, each.get_state())
            elif isinstance(each, torch.nn.Module):
                _keep_module(each, restored)
            elif isinstance(each, torch.Tensor):
                _keep_gradient(each, restored)
        yield


def _keep_module(module: torch.nn.Module, restored: ExitStack) -> None:
    for each in module.modules():
        restored.callback(setattr, each, "training", each.training)
        for name, buffer in each.named_buffers(recurse=False):
            restored.callback(_put_back, each, name, buffer, buffer.detach().clone())
    for parameter in module.parameters():
        _keep_gradient(parameter, restored)


def _put_back(
    module: torch.nn.Module, name: str, buffer: torch.Tensor, value: torch.Tensor
) -> None:
    """The same tensor, with the value that it had."""
    _restore(buffer, value)
    setattr(module, name, buffer)


def _keep_gradient(tensor: torch.Tensor, restored: ExitStack) -> None:
    if not tensor.is_leaf:
        return  # it has no gradient, and torch warns of the question
    gradient = tensor.grad
    if gradient is not None:
        restored.callback(_restore, gradient, gradient.detach().clone())
    restored.callback(setattr, tensor, "grad", gradient)


def _restore(tensor: torch.Tensor, value: torch.Tensor) -> None:
    # One that is as it was is not written to: a graph may have saved it.
    if not torch.equal(tensor, value):
        with torch.no_grad():
            tensor.copy_(value)
