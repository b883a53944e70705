"""VJPs that are no functions of their arguments: they remember, they write, or they vary."""

from typing import Any

import numpy as np

from reference_impls.computation import Array, Arrays, Vjp
from verify.trust.functions import SQUASH, squash
from verify.trust.planted import (
    ELEMENTWISE,
    Fault,
    Host,
    MakeVjp,
    instead,
    planted,
    spoilt_in,
)

UNWRITTEN = 3


JITTER = 1e-3


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
    """The allocator hands out the memory that was freed last, with its contents."""
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
    """As if threads added to a sum in the order in which they arrive, but plain to see."""
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


def _vector(rng: np.random.Generator, size: int) -> dict[str, Any]:
    return {"x": rng.standard_normal(size)}


CROSS_ENTROPY = Host(_vector, cross_entropy, ("x",))


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
)
