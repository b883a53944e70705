"""A `torch.nn.Module` as a function of its inputs, parameters and buffers; it is never changed.

Parameters and buffers that are primals take the place of the module's own; the others are constants
in the primals' dtype, copied for each call.
"""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import torch
from torch.func import functional_call

from reference_impls.computation import DTYPES, Array
from reference_impls.engines.leaves import ROOT, Primals
from reference_impls.engines.pytorch.function import TorchFunction
from reference_impls.nested import Tree, located
from reference_impls.words import name_of


class ModuleFunction(TorchFunction):
    """A module, made by `from_torch`."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__(module, partial(call_module, module), module.forward)
        self._module = module

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of its parameters that require a gradient: those of a frozen layer do not."""
        return tuple(name for name, _ in self._learned())

    def completed(self, primals: Tree) -> Tree:
        """The inputs by name, and beside them the parameters that are not among them.

        In the inputs' dtype, if they have one. Left as they are where an input has no name, or one
        that a part of the module has as well.
        """
        inputs = self._named(primals)
        held = [name for name, _ in self._module.named_parameters(remove_duplicate=False)]
        accepted = inspect.signature(self._module.forward).parameters
        clashing = (name in accepted and _is_held(name, held) for name in inputs or ())
        if inputs is None or any(clashing):
            return primals
        given, _ = _parted(self._module, inputs)
        tensors = dict(self._module.named_parameters(remove_duplicate=False))
        replaced = {id(tensors[name]) for name in given if name in tensors}
        dtype = _dtype_of_arrays(inputs)
        return inputs | {
            name: _array_of(tensor, dtype)
            for name, tensor in self._learned()
            if id(tensor) not in replaced
        }

    def _learned(self) -> Iterator[tuple[str, torch.nn.Parameter]]:
        for name, tensor in self._module.named_parameters():
            if tensor.requires_grad and tensor.is_floating_point():
                yield name, tensor

    def _named(self, primals: Tree) -> dict[str, Tree] | None:
        if isinstance(primals, Mapping):
            return dict(primals)
        given = primals if isinstance(primals, tuple) else (primals,)
        accepted = inspect.signature(self._module.forward).parameters.values()
        names = [each.name for each in accepted if each.kind is each.POSITIONAL_OR_KEYWORD]
        return dict(zip(names, given, strict=False)) if len(given) <= len(names) else None


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
        held = _is_held(key, names)
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


def _is_held(key: str, names: Sequence[str]) -> bool:
    """Is it the name of something that the module holds, or of a part of the module?"""
    return any(name == key or name.startswith(f"{key}.") for name in names)


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


def _dtype_of_arrays(inputs: Tree) -> np.dtype[np.floating] | None:
    """The dtype of the first floating-point array or tensor, if there is one."""
    for leaf in located(inputs, ROOT):
        name = str(getattr(leaf.value, "dtype", "")).removeprefix("torch.")
        if name in DTYPES:
            return np.dtype(name)
    return None


def _array_of(tensor: torch.Tensor, dtype: np.dtype[np.floating] | None) -> Array:
    """A parameter as an array; half precision, which NumPy lacks, becomes single."""
    plain = tensor.detach().to("cpu")
    has_array = str(plain.dtype).removeprefix("torch.") in DTYPES
    return np.array((plain if has_array else plain.float()).numpy(), dtype)


def _constant(tensor: torch.Tensor, dtype: torch.dtype | None) -> torch.Tensor:
    if dtype is None or not (tensor.is_floating_point() or tensor.is_complex()):
        return tensor.detach().to("cpu", copy=True)
    return tensor.detach().to("cpu", dtype, copy=True)
