"""VJPs that are no functions: of state, of memory, of its layout."""

from typing import Any

import numpy as np

from reference_impls.computation import Array, Arrays, Vjp
from verify.trust.functions import CENTRED, MATRIX, SQUASH, SUMMED, rows_squashed, squash, summed
from verify.trust.planted import (
    ELEMENTWISE,
    Fault,
    Host,
    MakeVjp,
    fed,
    instead,
    planted,
    rectangle,
    spoilt_in,
)

UNWRITTEN = 3


JITTER = 1e-3


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


def cross_entropy(x: Array) -> tuple[Array, Vjp]:
    """f(x) = n (log Σ eˣ - x₀), a scalar: n times, so that its gradient is of size one at any n."""
    shifted = x - np.real(x).max()
    e = np.exp(shifted)
    p = e / e.sum()

    def vjp(u: Array) -> Arrays:
        gradient = p.copy()
        gradient[0] -= 1
        return {"x": u * x.size * gradient}

    return np.asarray(x.size * (np.log(e.sum()) - shifted[0])), vjp


def _accumulating(x: Array) -> tuple[Array, Vjp]:
    t, vjp = squash(x)
    gradient = np.zeros_like(x)

    def again(u: Array) -> Arrays:
        nonlocal gradient
        gradient = gradient + vjp(u)["x"]
        return {"x": gradient.copy()}

    return t, again


def _into_one_buffer(x: Array) -> tuple[Array, Vjp]:
    t, vjp = squash(x)
    buffer = np.empty_like(x)

    def again(u: Array) -> Arrays:
        buffer[...] = vjp(u)["x"]
        return {"x": buffer}

    return t, again


def _over_its_output(x: Array) -> tuple[Array, Vjp]:
    """Saves memory: t is not needed any more, if this is the only call."""
    saved = np.tanh(x)

    def vjp(u: Array) -> Arrays:
        gradient = u * (1 - saved * saved)
        saved[...] = gradient
        return {"x": gradient}

    return saved.copy(), vjp


def _from_its_probabilities(x: Array) -> tuple[Array, Vjp]:
    """p - 1 at the label is the gradient, and is taken from p itself."""
    value, _ = cross_entropy(x)
    p = np.exp(x - x.max())
    p /= p.sum()

    def vjp(u: Array) -> Arrays:
        p[0] -= 1
        return {"x": u * x.size * p}

    return value, vjp


def _unwritten(x: Array) -> tuple[Array, Vjp]:
    """An allocator hands out what was last freed, with what was last in it."""
    t, vjp = squash(x)
    freed = t.copy()

    def again(u: Array) -> Arrays:
        nonlocal freed
        gradient = freed.copy()
        gradient[:-UNWRITTEN] = vjp(u)["x"][:-UNWRITTEN]
        freed = u * t
        return {"x": gradient}

    return t, again


def _jittering(right: MakeVjp) -> MakeVjp:
    """As where threads add to a sum in the order in which they arrive, but plain to see."""
    rng = np.random.default_rng(0)

    def jittered(gradient: Array) -> Array:
        noise = rng.standard_normal(gradient.shape).astype(gradient.dtype)
        return np.asarray(gradient * (1 + JITTER * noise))

    return spoilt_in("x", jittered)(right)


def _writing_to_cotangent(x: Array) -> tuple[Array, Vjp]:
    t, _ = squash(x)

    def vjp(u: Array) -> Arrays:
        np.multiply(u, 1 - t * t, out=u)
        return {"x": u.copy()}

    return t, vjp


def _writing_to_primal(x: Array) -> tuple[Array, Vjp]:
    value = np.tanh(x)

    def vjp(u: Array) -> Arrays:
        np.tanh(x, out=x)
        return {"x": u * (1 - x * x)}

    return value, vjp


def _value_in_place(x: Array) -> tuple[Array, Vjp]:
    np.tanh(x, out=x)
    return x.copy(), lambda u: {"x": u * (1 - np.square(np.tanh(x)))}


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
    """Of a cotangent of stride 0 only the first entry is there; what lies behind it is not its."""
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


CROSS_ENTROPY = Host(_vector, cross_entropy, ("x",))


SHIFTED_BY_ONE = Host(_vector, shifted_by_one, ("x",))


TURNED = Host(_matrix, turned, ("X",))


STATE_FAULTS = (
    Fault(
        name="stale accumulator",
        story="The second call doubles: micrograd #102, where backward() adds to gradients that "
        "nobody has set to zero.",
        diagnosis="stale state",
        sizes=ELEMENTWISE,
        plant=planted(SQUASH, instead(_accumulating)),
    ),
    Fault(
        name="saved output overwritten",
        story="The gradient is written where the saved activation was, to save memory, which a "
        "second backward then takes for it (compare Liger-Kernel #254).",
        diagnosis="stale state",
        sizes=ELEMENTWISE,
        plant=planted(SQUASH, instead(_over_its_output)),
    ),
    Fault(
        name="residual of a loss written to",
        story="dscores = probs, and not a copy of it, then dscores[range(n), y] -= 1, as in the "
        "notes of CS231n: right the first time. A loss has but one number for a cotangent.",
        diagnosis="stale state",
        sizes=ELEMENTWISE,
        plant=planted(CROSS_ENTROPY, instead(_from_its_probabilities)),
    ),
    Fault(
        name="uninitialised output",
        story="FBGEMM #5754: the gradient was allocated with at::empty, and the tail of long "
        "segments never written: it had what the memory had held before.",
        diagnosis="stale state",
        sizes=ELEMENTWISE,
        plant=planted(SQUASH, instead(_unwritten)),
    ),
    Fault(
        name="nondeterminism",
        story="Another gradient at every call; by rounding only, with atomicAdd (DCNv2 #8), by "
        "more with a dropout mask drawn anew in the backward pass.",
        diagnosis="nondeterminism",
        sizes=ELEMENTWISE,
        plant=planted(SQUASH, _jittering),
    ),
    Fault(
        name="cotangent mutated",
        story="The chain rule multiplied into the cotangent in place, which belongs to whoever "
        "called: pytorch #81417.",
        diagnosis="mutation",
        sizes=ELEMENTWISE,
        plant=planted(SQUASH, instead(_writing_to_cotangent)),
    ),
    Fault(
        name="primal mutated by the VJP",
        story="An intermediate is recomputed in the backward pass, in the memory of the input "
        "(Liger-Kernel #254).",
        diagnosis="mutation",
        sizes=ELEMENTWISE,
        plant=planted(SQUASH, instead(_writing_to_primal)),
    ),
    Fault(
        name="value computed in place",
        story="An activation with out=x: the value is right, and the gradient is that of "
        "tanh(tanh x), since x is not x any more.",
        diagnosis="mutation",
        sizes=ELEMENTWISE,
        plant=planted(SQUASH, instead(_value_in_place)),
    ),
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
