"""NumPy arrays as torch tensors and back, and what becomes of torch's refusals and warnings.

A tensor shares its array's memory and strides where torch accepts them. A dual number
x + ε v carries a tangent v through forward mode, where ε² = 0.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.autograd import forward_ad

from reference_impls.computation import Array
from reference_impls.nested import Tree, located

UNDERIVED = "is not implemented"
"""How torch says, in a RuntimeError, that something has no derivative."""


# torch gives these no types.
make_dual: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = forward_ad.make_dual


unpack_dual: Callable[[torch.Tensor], forward_ad.UnpackedDualTensor] = forward_ad.unpack_dual


def native(leaf: Tree) -> Tree:
    """An array of numbers as a tensor; anything else as it is."""
    is_numbers = isinstance(leaf, np.ndarray) and leaf.dtype.kind in "biufc"
    return shared(leaf) if is_numbers else leaf


def native_leaf(leaf: Tree) -> Tree:
    """The same, but tensors of floating or complex dtype require grad."""
    tensor = native(leaf)
    is_varied = isinstance(leaf, np.ndarray) and leaf.dtype.kind in "fc"
    return tensor.requires_grad_() if is_varied else tensor


def shared(array: Array) -> torch.Tensor:
    """A tensor on the array's own memory, or on a copy if torch would not accept that."""
    if any(stride < 0 or stride % array.itemsize for stride in array.strides):
        return torch.from_numpy(np.array(array, order="C"))
    return torch.from_numpy(array if array.flags.writeable else _strided_copy(array))


def _strided_copy(array: Array) -> Array:
    """A copy with the array's strides, which may be zero but not negative."""
    if not array.size:
        return np.array(array)
    steps = [stride // array.itemsize for stride in array.strides]
    reach = sum((length - 1) * step for length, step in zip(array.shape, steps, strict=True))
    memory = np.zeros(reach + 1, array.dtype)
    copy = np.lib.stride_tricks.as_strided(memory, array.shape, array.strides)
    copy[...] = array
    return copy


def fresh(array: Array) -> torch.Tensor:
    """A tensor on a copy of the array."""
    # Row-major: forward mode refuses tensors whose strides are zero.
    return torch.from_numpy(np.array(array, order="C"))


def duals(leaves: Sequence[torch.Tensor], directions: Sequence[Array | None]) -> list[torch.Tensor]:
    """The leaves with these tangents, in the current dual level; as they are where one is None."""
    return [
        leaf if direction is None else make_dual(leaf, fresh(direction))
        for leaf, direction in zip(leaves, directions, strict=True)
    ]


def viewed(tensor: torch.Tensor) -> Array:
    """The tensor as a dense array, on its own memory if it is dense and on the CPU."""
    # By force, which also detaches it: a gradient that torch knows to be zero has no memory.
    array: Array = (tensor.to_dense() if tensor.is_sparse else tensor).numpy(force=True)
    return array


def differentiated_among(value: Tree) -> Callable[[Tree], bool]:
    """Which of a function's outputs have a derivative: what requires a gradient, where any does.

    So a tensor that was detached, as statistics are, or is `mark_non_differentiable`, is left out.
    Where none requires one, the gradients of all tensors of numbers that are no integers are zero.
    """

    def is_number(leaf: Tree) -> bool:
        is_tensor = isinstance(leaf, torch.Tensor)
        return is_tensor and (leaf.is_floating_point() or leaf.is_complex())

    any_does = any(
        is_number(leaf.value) and leaf.value.requires_grad for leaf in located(value, "")
    )
    return lambda leaf: is_number(leaf) and (leaf.requires_grad or not any_does)


def copied(tensor: torch.Tensor) -> Array:
    """The tensor as an array of its own."""
    return np.array(viewed(tensor))


def dtype_of(tensor: torch.Tensor) -> np.dtype[Any]:
    """NumPy's name for the tensor's dtype."""
    return viewed(tensor).dtype


@contextmanager
def dual_level() -> Iterator[None]:
    """A level in which dual numbers can be made."""
    with warnings.catch_warnings():
        # It comes from code of torch's own, which it loads at the first dual number.
        warnings.filterwarnings("ignore", ".*torch.jit.*", DeprecationWarning)
        with forward_ad.dual_level():
            yield


@contextmanager
def one_line_refusals(name: str) -> Iterator[None]:
    """Raises NotImplementedError, in one line, for a derivative that torch does not have."""
    try:
        yield
    except RuntimeError as error:  # NotImplementedError is one
        words = str(error)
        if isinstance(error, NotImplementedError) or UNDERIVED in words:
            raise NotImplementedError(f"{name}: {words.splitlines()[0]}") from error
        raise


@contextmanager
def no_cast_to_real(name: str) -> Iterator[None]:
    """Raises TypeError where torch drops an imaginary part.

    That is a warning, which torch gives once in a process unless it is told to warn always.
    """
    always = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "Casting complex values to real", UserWarning)
            yield
    except UserWarning as error:
        if "Casting complex" not in str(error):
            raise
        raise TypeError(f"{name} does not take complex numbers: it casts them to real") from None
    finally:
        torch.set_warn_always(always)
