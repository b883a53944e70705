"""VJPs whose arrays are not what they seem: shared memory, strides, another dtype."""

from typing import Any

import numpy as np

from reference_impls.computation import Array, Arrays, Vjp
from verify.trust.functions import CENTRED, MATRIX, SQUASH, SUMMED, rows_squashed, squash, summed
from verify.trust.planted import (
    ELEMENTWISE,
    Fault,
    Host,
    fed,
    instead,
    planted,
    rectangle,
    spoilt_in,
)

WIDER = {"float64": np.longdouble, "float32": np.float64}


def total(x: Array) -> tuple[Array, Vjp]:
    """f(x) = Σ x, a scalar."""
    return np.asarray(x.sum()), lambda u: {"x": u * np.ones_like(x)}


def shifted_by_one(x: Array) -> tuple[Array, Vjp]:
    """f(x) = x + 1: the gradient is the cotangent."""
    return x + 1, lambda u: {"x": u.copy()}


def turned(X: Array) -> tuple[Array, Vjp]:
    """f(X) = Xᵀ."""
    return X.T.copy(), lambda u: {"X": u.T.copy()}


def _into_one_buffer(x: Array) -> tuple[Array, Vjp]:
    t, vjp = squash(x)
    buffer = np.empty_like(x)

    def again(u: Array) -> Arrays:
        buffer[...] = vjp(u)["x"]
        return {"x": buffer}

    return t, again


def _same_array_twice(x: Array, y: Array) -> tuple[Array, Vjp]:
    t, vjp = summed(x, y)

    def one(u: Array) -> Arrays:
        gradient = vjp(u)["x"]
        return {"x": gradient, "y": gradient}

    return t, one


def _the_cotangent_itself(x: Array) -> tuple[Array, Vjp]:
    return x + 1, lambda u: {"x": u}


def _a_view_of_the_cotangent(X: Array) -> tuple[Array, Vjp]:
    return X.T.copy(), lambda u: {"X": u.T}


def _spread_out(x: Array) -> tuple[Array, Vjp]:
    value, _ = total(x)
    return value, lambda u: {"x": np.broadcast_to(u, x.shape)}


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


def _matrix(rng: np.random.Generator, size: int) -> dict[str, Any]:
    return {"X": rng.standard_normal(rectangle(size))}


def _vector(rng: np.random.Generator, size: int) -> dict[str, Any]:
    return {"x": rng.standard_normal(size)}


TOTAL = Host(_vector, total, ("x",))


SHIFTED_BY_ONE = Host(_vector, shifted_by_one, ("x",))


TURNED = Host(_matrix, turned, ("X",))


MEMORY_FAULTS = (
    Fault(
        name="one array for two gradients",
        story="Both summands of x + y get one array: who scales the gradient of x in place, as "
        "clipping does, scales that of y.",
        diagnosis="shared memory",
        sizes=ELEMENTWISE,
        plant=planted(SUMMED, instead(_same_array_twice)),
    ),
    Fault(
        name="gradient is the cotangent",
        story="The identity returns what it was given, and not a copy.",
        diagnosis="shared memory",
        sizes=ELEMENTWISE,
        plant=planted(SHIFTED_BY_ONE, instead(_the_cotangent_itself)),
    ),
    Fault(
        name="gradient is a view of the cotangent",
        story="A transpose, or a reshape, gives back a view.",
        diagnosis="shared memory",
        sizes=ELEMENTWISE,
        plant=planted(TURNED, instead(_a_view_of_the_cotangent)),
    ),
    Fault(
        name="gradient is one number spread out",
        story="np.broadcast_to for the gradient of a sum: read-only, and all entries are one.",
        diagnosis="shared memory",
        sizes=ELEMENTWISE,
        plant=planted(TOTAL, instead(_spread_out)),
    ),
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
