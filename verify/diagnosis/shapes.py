"""Gradients of the wrong shape: what h would be the gradient of, if its numbers bear it out.

Each form makes of h an array n, and of tangents w of its shape tangents Wᵀ w of an argument: it is
the right form if ⟨n, w⟩ = ⟨g, Wᵀ w⟩ for Gaussian w. A sum over an axis that the argument has
pairs with w as g does with w spread over that axis.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import combinations, permutations

import numpy as np

from reference_impls.computation import Array, Arrays
from verify.diagnosis.rearrangement import MOST_AXES
from verify.diagnosis.suspect import PROBES
from verify.diagnosis.witness import Derivative, Witness
from verify.diagnosis.words import Diagnosis, axes_text
from verify.error_model.arrays import index_of, inner, norm, unit_roundoff


def diagnose_shape(
    name: str,
    got: Array,
    shape: tuple[int, ...],
    truth: Derivative,
    *,
    dtype: str,
    rng: np.random.Generator,
    primals: Arrays,
) -> Diagnosis | None:
    """What a gradient of the wrong shape is, when its numbers bear it out; otherwise None.

    "un-reduced broadcast" if its sum or mean over some axes is the truth, "over-reduced broadcast"
    if the truth's is what was returned, "transpose", "swapped arguments" if it is the gradient of
    another, "wrong shape" if only that is wrong. The index in the diagnosis is of the array that
    was returned, and ``expected`` what the truth has at the place that entry came from or goes to.

    Args:
        name: the argument.
        got: its gradient as returned.
        shape: the argument's.
        truth: as for `diagnose`.
        dtype: of the computation.
        rng: for tangents.
        primals: the arguments by name.
    """
    wide = np.asarray(got, np.float64)
    if not wide.size or not math.prod(shape) or not np.isfinite(wide).all():
        return None
    witness = Witness(truth, primals, rng)
    for form in _forms(name, wide, shape, primals):
        if _is_form(form, wide, witness, dtype):
            return _report_form(name, form, wide, witness)
    return None


@dataclass(frozen=True)
class _Form:
    """What a gradient h of the wrong shape may be.

    For every tangent w of the shape of `narrow`, ⟨narrow, w⟩ is to be the truth along `widen(w)`.

    Attributes:
        fault: its class.
        predicate: what the gradient does.
        name: of the argument whose gradient it then is.
        shape: of that argument.
        narrow: h, made fit to be compared.
        places: for every entry of h, the entry of the argument that it is for.
        widen: from tangents of the shape of `narrow` to tangents of the argument.
    """

    fault: str
    predicate: str
    name: str
    shape: tuple[int, ...]
    narrow: Array
    places: Array
    widen: Callable[[Array], Array] = field(default=lambda tangent: tangent)


def _forms(name: str, got: Array, shape: tuple[int, ...], primals: Arrays) -> Iterator[_Form]:
    """From the plainest to the furthest-fetched."""
    yield from _same_size(name, got, shape)
    yield from _un_reduced(name, got, shape)
    yield from _over_reduced_forms(name, got, shape)
    for other, primal in primals.items():
        if other != name and np.shape(primal) == got.shape:
            places = np.arange(got.size)
            yield _Form("swapped arguments", f"is that of {other}", other, got.shape, got, places)


def _same_size(name: str, got: Array, shape: tuple[int, ...]) -> Iterator[_Form]:
    if got.size != math.prod(shape):
        return
    places = np.arange(got.size)
    wanted = f"has shape {got.shape}, wanted {shape}"
    plain, right = got.reshape(shape), f"{wanted}; its numbers are right"
    yield _Form("wrong shape", right, name, shape, plain, places)
    if not 2 <= got.ndim <= MOST_AXES:
        return
    for axes in permutations(range(got.ndim)):
        exchanged = got.transpose(axes)
        if axes != tuple(range(got.ndim)) and exchanged.shape == shape:
            moved = places.reshape(shape).transpose(np.argsort(axes))
            text = f"is transposed: it {wanted}"
            yield _Form("transpose", text, name, shape, exchanged, moved)


def _un_reduced(name: str, got: Array, shape: tuple[int, ...]) -> Iterator[_Form]:
    """Sums and means over axes of h that leave the argument's shape."""
    for axes in _subsets(got.ndim):
        kept, ones = _without(got.shape, axes)
        if shape not in (kept, ones):
            continue
        places = np.arange(math.prod(shape)).reshape(ones)
        places = np.broadcast_to(places, got.shape)
        for verb, reduce in (("summed", np.sum), ("averaged", np.mean)):
            predicate = f"was not {verb} over {axes_text(axes, got.shape)}"
            narrow = np.asarray(reduce(got, axis=axes)).reshape(shape)
            yield _Form("un-reduced broadcast", predicate, name, shape, narrow, places)


def _over_reduced_forms(name: str, got: Array, shape: tuple[int, ...]) -> Iterator[_Form]:
    """Sums and means over axes of the argument that leave h's shape."""
    for axes in _subsets(len(shape)):
        kept, ones = _without(shape, axes)
        if got.shape not in (kept, ones):
            continue
        count = math.prod(shape[axis] for axis in axes)
        places = np.arange(math.prod(shape)).reshape(shape).min(axis=axes)
        for verb, factor in (("summed", 1), ("averaged", count)):
            predicate = f"was {verb} over {axes_text(axes, shape)}, which the argument has"
            yield _Form(
                "over-reduced broadcast",
                predicate,
                name,
                shape,
                factor * got,
                places,
                _spreading(ones, shape),
            )


def _without(
    shape: tuple[int, ...], axes: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shape without these axes, and with each of length 1."""
    kept = tuple(n for axis, n in enumerate(shape) if axis not in axes)
    ones = tuple(1 if axis in axes else n for axis, n in enumerate(shape))
    return kept, ones


def _spreading(ones: tuple[int, ...], shape: tuple[int, ...]) -> Callable[[Array], Array]:
    return lambda tangent: np.broadcast_to(tangent.reshape(ones), shape).copy()


def _subsets(count: int) -> Iterator[tuple[int, ...]]:
    for size in range(1, min(count, MOST_AXES) + 1):
        yield from combinations(range(count), size)


def _is_form(form: _Form, got: Array, witness: Witness, dtype: str) -> bool:
    loose = unit_roundoff(dtype) ** 0.4
    for _ in range(PROBES - 1):
        tangent = witness.tangent(form.name, form.narrow.shape)
        truth = witness.along({form.name: form.widen(tangent)})
        size = norm(form.narrow * tangent)
        if truth.error_bar > 0.1 * size or not got.any():
            return False
        if not abs(inner(form.narrow, tangent) - truth.value) <= truth.error_bar + loose * size:
            return False
    return True


def _report_form(name: str, form: _Form, got: Array, witness: Witness) -> Diagnosis:
    flat = int(np.argmax(np.abs(got)))
    known = witness.entry(form.name, int(form.places.flat[flat]), form.shape, extra=True)
    return Diagnosis(
        fault=form.fault,
        sentence=f"gradient of {name} {form.predicate}",
        argument=name,
        index=index_of(flat, got.shape),
        got=float(got.flat[flat]),
        expected=known.value,
        error_bar=known.error_bar,
    )
