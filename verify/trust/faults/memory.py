"""VJPs whose arrays are not what they seem: overwritten later, strides, another dtype."""

import numpy as np

from reference_impls.computation import Array, Arrays, Vjp
from verify.trust.functions import CENTRED, MATRIX, SQUASH, rows_squashed, squash
from verify.trust.planted import (
    ELEMENTWISE,
    Fault,
    fed,
    instead,
    planted,
    spoilt_in,
)

WIDER = {"float64": np.longdouble, "float32": np.float64}


def _into_one_buffer(x: Array) -> tuple[Array, Vjp]:
    t, vjp = squash(x)
    buffer = np.empty_like(x)

    def again(u: Array) -> Arrays:
        buffer[...] = vjp(u)["x"]
        return {"x": buffer}

    return t, again


def in_memory_order(array: Array) -> Array:
    """The array's shape filled with its memory from the lowest address on, as a kernel reads it."""
    return np.ravel(array, order="K").reshape(array.shape)


def _strides_of_primal(X: Array) -> tuple[Array, Vjp]:
    value, _ = rows_squashed(X)

    def vjp(u: Array) -> Arrays:
        t = np.tanh(in_memory_order(X))
        return {"X": u * (1 - t * t)}

    return value, vjp


def _first_of_expanded(u: Array) -> Array:
    """A cotangent of stride 0 is one number in memory; what is read behind it is something else."""
    if u.size > 1 and not any(u.strides):
        behind = np.zeros_like(u, order="C", subok=False)
        behind.flat[0] = u.flat[0]
        return behind
    return u


def _widened(gradient: Array) -> Array:
    return gradient.astype(WIDER.get(gradient.dtype.name, np.longdouble))


MEMORY_FAULTS = (
    Fault(
        name="gradient in a buffer that is used again",
        story="Preallocated for speed: the second call overwrites what the first returned.",
        diagnosis="shared memory",
        sizes=ELEMENTWISE,
        plant=planted(SQUASH, instead(_into_one_buffer)),
    ),
    Fault(
        name="strides of the cotangent ignored",
        story="A kernel that takes its cotangent for contiguous: torch/nn #345, flash-attention "
        "#355, pytorch #194719. torch's gradcheck hands out contiguous ones only.",
        diagnosis="strides",
        sizes=ELEMENTWISE,
        plant=planted(MATRIX, fed(in_memory_order)),
    ),
    Fault(
        name="strides of a primal ignored",
        story="The backward reads its saved input as if it were contiguous: candle #3735, for the "
        "kernel of a convolution.",
        diagnosis="strides",
        sizes=ELEMENTWISE,
        plant=planted(MATRIX, instead(_strides_of_primal)),
    ),
    Fault(
        name="stride 0 of the cotangent ignored",
        story="The cotangent of a sum is one number with stride 0: ROCm/TransformerEngine #623 "
        "read past it.",
        diagnosis="strides",
        sizes=ELEMENTWISE,
        plant=planted(CENTRED, fed(_first_of_expanded)),
    ),
    Fault(
        name="dtype drift",
        story="float64 gradients for float32 arguments (longdouble for float64): chainer #684, "
        "HIPS/autograd #199, by dividing by a NumPy integer.",
        diagnosis="dtype drift",
        sizes=ELEMENTWISE,
        plant=planted(SQUASH, spoilt_in("x", _widened)),
    ),
)
