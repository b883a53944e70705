"""A `torch.nn.Module` as a function of its inputs, parameters and buffers; it is never changed.

Parameters and buffers that are primals take the place of the module's own; the others are constants
in the primals' dtype, copied for each call.
"""

import inspect
from collections.abc import Mapping

import torch
from torch.func import functional_call

from reference_impls.engines.leaves import ROOT, Primals
from reference_impls.nested import Tree, located
from reference_impls.words import name_of


def call_module(module: torch.nn.Module, primals: Primals) -> Tree:
    """The module's value at the primals."""
    given, inputs = _parted(module, primals)
    dtype = _common_dtype(primals)
    held = dict(module.named_parameters(remove_duplicate=False))
    replaced = {id(held[name]) for name in given if name in held}
    # torch takes one name of tied parameters, and replaces them all. So what is given by one of its
    # names must not be a constant by another.
    constants = {
        name: _constant(tensor, dtype)
        for name, tensor in (*module.named_parameters(), *module.named_buffers())
        if id(tensor) not in replaced
    }
    args, kwargs = (inputs, {}) if isinstance(inputs, tuple) else ((), inputs)
    return functional_call(module, constants | given, args, kwargs)


def _parted(module: torch.nn.Module, primals: Primals) -> tuple[dict[str, Tree], Primals]:
    """The primals that replace what the module holds, by dotted name, and the inputs of forward."""
    if isinstance(primals, tuple):
        return {}, primals
    accepted = inspect.signature(module.forward).parameters
    any_name = any(each.kind is each.VAR_KEYWORD for each in accepted.values())
    names = [name for name, _ in module.named_parameters(remove_duplicate=False)]
    names += [name for name, _ in module.named_buffers()]
    given: dict[str, Tree] = {}
    inputs: dict[str, Tree] = {}
    for key, tree in primals.items():
        held = any(name == key or name.startswith(f"{key}.") for name in names)
        if held and key in accepted:
            raise TypeError(
                f"{name_of(module)}: {key} is both an input of forward and held by the module; "
                "give the inputs by position, or rename one"
            )
        if held:
            given |= _dotted(key, tree)
        elif key in accepted or any_name:
            inputs[key] = tree
        else:
            given[key] = tree  # an unknown name, refused below
    for name in given:
        if name not in names:
            raise TypeError(
                f"{name_of(module)}: got {name}, wanted inputs of forward "
                f"({', '.join(accepted)}) or parameters ({', '.join(names) or 'none'})"
            )
    return given, inputs


def _dotted(prefix: str, tree: Tree) -> dict[str, Tree]:
    if not isinstance(tree, Mapping):
        return {prefix: tree}
    flat: dict[str, Tree] = {}
    for key, child in tree.items():
        flat |= _dotted(f"{prefix}.{key}", child)
    return flat


def _common_dtype(primals: Primals) -> torch.dtype | None:
    tensors = [leaf.value for leaf in located(primals, ROOT)]
    for tensor in tensors:
        if isinstance(tensor, torch.Tensor) and tensor.is_complex():
            return tensor.dtype
    floating = (each for each in tensors if isinstance(each, torch.Tensor))
    return next((each.dtype for each in floating if each.is_floating_point()), None)


def _constant(tensor: torch.Tensor, dtype: torch.dtype | None) -> torch.Tensor:
    if dtype is None or not (tensor.is_floating_point() or tensor.is_complex()):
        return tensor.detach().to("cpu", copy=True)
    return tensor.detach().to("cpu", dtype, copy=True)
