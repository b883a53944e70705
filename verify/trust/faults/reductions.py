"""Sums that were not taken or taken too often, missing terms, and wrong shapes."""

import numpy as np

from reference_impls.computation import Array, Arrays, Vjp
from verify.trust.functions import (
    CENTRED,
    COLUMN_MEAN,
    EMPTY_BATCH,
    GATHER,
    MASKED,
    MEAN_SQUARE,
    ONE_COLUMN,
    PENALISED,
    SHIFTED,
    SHIFTED_SQUARE,
    SOFTMAX,
    SQUASH,
    affine,
    column_mean,
    gather,
    masked_mean_square,
    mean_square,
    penalised,
    shifted,
    softmax,
)
from verify.trust.planted import ELEMENTWISE, Fault, MakeVjp, instead, planted, spoilt_in


def _slope(t: Array, u: Array) -> Array:
    return np.asarray(u * (1 - t * t))


def _not_summed(X: Array, b: Array) -> tuple[Array, Vjp]:
    t, _ = shifted(X, b)
    return t, lambda u: {"X": _slope(t, u), "b": _slope(t, u)}


def _last_of_batch(X: Array, b: Array) -> tuple[Array, Vjp]:
    t, _ = shifted(X, b)
    return t, lambda u: {"X": _slope(t, u), "b": _slope(t, u)[-1].copy()}


def _summed_over_columns(X: Array, b: Array) -> tuple[Array, Vjp]:
    t, _ = shifted(X, b)
    return t, lambda u: {"X": _slope(t, u), "b": _slope(t, u).sum(axis=1)}


def _summed_too_much(X: Array, b: Array) -> tuple[Array, Vjp]:
    t, vjp = shifted(X, b)
    return t, lambda u: {**vjp(u), "X": np.ones_like(X) * _slope(t, u).sum(axis=0)}


def _mean_not_divided(x: Array, y: Array) -> tuple[Array, Vjp]:
    value, vjp = mean_square(x, y)
    return value, lambda u: {name: x.size * gradient for name, gradient in vjp(u).items()}


def _divided_by_all(X: Array) -> tuple[Array, Vjp]:
    value, vjp = column_mean(X)
    return value, lambda u: {"X": vjp(u)["X"] / X.shape[1]}


def _without_normaliser(x: Array) -> tuple[Array, Vjp]:
    value, _ = softmax(x)
    return value, lambda u: {"x": value * u}


def _not_penalised(w: Array, y: Array) -> tuple[Array, Vjp]:
    value, vjp = penalised(w, y)
    return value, lambda u: {**vjp(u), "w": u * (w - y)}


def _overwritten(x: Array, index: Array) -> tuple[Array, Vjp]:
    value, _ = gather(x, index)

    def vjp(u: Array) -> Arrays:
        gradient = np.zeros(x.shape, u.dtype)
        gradient[index] = u
        return {"x": gradient}

    return value, vjp


def _leaking(x: Array, y: Array, mask: Array) -> tuple[Array, Vjp]:
    value, vjp = masked_mean_square(x, y, mask)
    count = int(mask.sum())
    return value, lambda u: {**vjp(u), "x": u * (2 / count) * (x - y)}


def _squeezed(right: MakeVjp) -> MakeVjp:
    return spoilt_in("X", np.squeeze)(right)


def _without_rows(X: Array, W: Array, b: Array) -> tuple[Array, Vjp]:
    """No rows, so nothing to do, and the gradients are as empty as the batch."""
    value, vjp = affine(X, W, b)

    def early(u: Array) -> Arrays:
        if len(u) == 0:
            return {"X": np.zeros_like(X), "W": np.zeros_like(W[:0]), "b": np.zeros_like(b[:0])}
        return vjp(u)

    return value, early


def _left_from_before(X: Array, W: Array, b: Array) -> tuple[Array, Vjp]:
    """No rows, so nothing is written, and the gradients are what was in their buffers."""
    value, vjp = affine(X, W, b)

    def early(u: Array) -> Arrays:
        return vjp(u) if len(u) else {"X": np.zeros_like(X), "W": W.copy(), "b": b.copy()}

    return value, early


def _as_column(gradient: Array) -> Array:
    return gradient[:, None]


def _mean_held_constant(x: Array) -> tuple[Array, Vjp]:
    value, _ = CENTRED.make_vjp(x)
    return value, lambda u: {"x": u.copy()}


REDUCTION_FAULTS = (
    Fault(
        name="un-reduced broadcast",
        story="The gradient of a bias has the shape of the batch: pytorch #1787, nd4j #2424. "
        "torch's engine sums it without a word where it comes from a custom Function "
        "(pytorch #65244).",
        diagnosis="un-reduced broadcast",
        sizes=ELEMENTWISE,
        plant=planted(SHIFTED, instead(_not_summed)),
    ),
    Fault(
        name="over-reduced broadcast",
        story="The gradient of the batch is summed over the batch, as its bias's should be, and "
        "spread out again.",
        diagnosis="over-reduced broadcast",
        sizes=ELEMENTWISE,
        plant=planted(SHIFTED, instead(_summed_too_much)),
    ),
    Fault(
        name="missing batch sum",
        story="The gradient of a bias is that of the last example alone: assigned in the loop over "
        "the batch, and not added to.",
        diagnosis="one argument",
        sizes=ELEMENTWISE,
        plant=planted(SHIFTED, instead(_last_of_batch)),
    ),
    Fault(
        name="summed over the wrong axis",
        story="axis=1 for axis=0: with a square batch, the shape is right.",
        diagnosis="one argument",
        sizes=(9, 900, 1_000_000),
        plant=planted(SHIFTED_SQUARE, instead(_summed_over_columns)),
    ),
    Fault(
        name="1/N lost",
        story="The value is a mean, the gradient that of a sum: MNIST_center_loss_pytorch #9.",
        diagnosis="1/N",
        sizes=ELEMENTWISE,
        plant=planted(MEAN_SQUARE, instead(_mean_not_divided)),
    ),
    Fault(
        name="1/N of all for 1/N of an axis",
        story="A mean over the batch, and a gradient divided by the entries of the whole array.",
        diagnosis="1/N",
        sizes=ELEMENTWISE,
        plant=planted(COLUMN_MEAN, instead(_divided_by_all)),
    ),
    Fault(
        name="normaliser held constant",
        story="The gradient of softmax by its numerator alone, without the sum that every entry "
        "goes into.",
        diagnosis="diagonal of the Jacobian only",
        sizes=ELEMENTWISE,
        plant=planted(SOFTMAX, instead(_without_normaliser)),
    ),
    Fault(
        name="mean held constant",
        story="In x - mean x, as in a normalisation layer, the mean depends on x too: a backward "
        "by hand that forgets it is off by the same number everywhere.",
        diagnosis="offset",
        sizes=ELEMENTWISE,
        plant=planted(CENTRED, instead(_mean_held_constant)),
    ),
    Fault(
        name="regularisation forgotten",
        story="The loss that is printed has a penalty, the gradient has none: the tutorial "
        "multilayer_perceptron publishes the reverse.",
        diagnosis="regularisation",
        sizes=ELEMENTWISE,
        plant=planted(PENALISED, instead(_not_penalised)),
    ),
    Fault(
        name="duplicate indices overwritten",
        story="pytorch #1528: of an entry that was taken twice, only the last copy got a gradient; "
        "so does g[index] = u in NumPy, and so does g[index] += u.",
        diagnosis=None,
        sizes=ELEMENTWISE,
        plant=planted(GATHER, instead(_overwritten)),
    ),
    Fault(
        name="gradient leaked into ignored entries",
        story="Paddle #28622: softmax_with_cross_entropy gave gradients to the entries that "
        "ignore_index excludes from its value.",
        diagnosis="a block of entries",
        sizes=(40, 1_000, 1_000_000),
        plant=planted(MASKED, instead(_leaking)),
    ),
    Fault(
        name="zero-size gradient for a full argument",
        story="An empty batch makes the backward return early, with the weights' gradients as "
        "empty as the batch.",
        diagnosis="wrong shape",
        sizes=(3, 30, 300),
        plant=planted(EMPTY_BATCH, instead(_without_rows)),
    ),
    Fault(
        name="zero-size batch leaves what was there",
        story="pytorch #23784: for an empty batch, the backward of Slice did nothing, and the "
        "gradient kept what the iteration before had left in it.",
        diagnosis=None,
        sizes=(3, 30, 300),
        plant=planted(EMPTY_BATCH, instead(_left_from_before)),
    ),
    Fault(
        name="axis of size 1 squeezed",
        story="squeeze() without an axis: a batch, or a layer, of one loses an axis that a larger "
        "one keeps. In pytorch #1813, mean's backward undid a squeeze that had not been done.",
        diagnosis="wrong shape",
        sizes=ELEMENTWISE,
        plant=planted(ONE_COLUMN, _squeezed),
    ),
    Fault(
        name="wrong gradient shape",
        story="A column for a vector: all numbers are right, and adding it to the vector makes a "
        "matrix.",
        diagnosis="wrong shape",
        sizes=ELEMENTWISE,
        plant=planted(SQUASH, spoilt_in("x", _as_column)),
    ),
)
