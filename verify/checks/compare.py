"""Holding arrays against arrays: first what they are, then what is in them."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from reference_impls.computation import Array, Arrays
from verify.checks.check import NOT_FINITE, WRONG_SHAPE, Violation, Worst
from verify.error_model.arrays import first_index, index_of, largest, unit_roundoff
from verify.error_model.noise import EXCUSE, SAFETY, VALUE, quantiles_of

APART = 100.0
"""The quietest tenth of an array is another kind of entry if its noise is so many times less than
usual. Of two points, an entry's is by chance once in 10⁴."""


def contract_violation(
    value: Array, cotangents: Mapping[str, object], primals: Arrays, wrt: tuple[str, ...]
) -> Violation | None:
    """What is wrong with the names, shapes, dtypes or finiteness of a result, if anything is.

    Finiteness comes before any comparison: NaN compared with > passes everything.
    """
    own = value_violation({"value": value}, primals[wrt[0]].dtype)
    return own or cotangents_violation(cotangents, primals, wrt)


def value_violation(outputs: Arrays, dtype: npt.DTypeLike) -> Violation | None:
    """What is wrong with the dtype or the finiteness of a value, if anything is.

    Args:
        outputs: by name; mostly the one that is called ``value``.
        dtype: that they should have.
    """
    for name, array in outputs.items():
        if array.dtype != dtype:
            return Violation("dtype drift", f"{name} is {array.dtype}, wanted {dtype}")
        if not np.isfinite(array).all():
            where = first_index(~np.isfinite(array))
            return Violation(NOT_FINITE, f"{name}{where} is not finite", VALUE)
    return None


def cotangents_violation(
    cotangents: Mapping[str, object], primals: Arrays, wrt: tuple[str, ...]
) -> Violation | None:
    """What is wrong with the names, shapes, dtypes or finiteness of Jᵀu, if anything is."""
    if set(cotangents) != set(wrt):
        listed = f"gradients for {', '.join(cotangents)}, wanted {', '.join(wrt)}"
        return Violation("wrong names", listed)
    faults = (_array_fault(name, cotangents[name], primals[name]) for name in wrt)
    return next((fault for fault in faults if fault), None)


def _array_fault(name: str, array: object, like: Array) -> Violation | None:
    subject = f"gradient of {name}"
    if not isinstance(array, np.ndarray):
        wanted = f"{subject} is a {type(array).__name__}, wanted an array"
        return Violation("not an array", wanted)
    if array.shape != like.shape:
        return Violation(
            WRONG_SHAPE, f"{subject} has shape {array.shape}, wanted {like.shape}", name
        )
    if array.dtype != like.dtype:
        return Violation("dtype drift", f"{subject} is {array.dtype}, wanted {like.dtype}")
    if not np.isfinite(array).all():
        where = first_index(~np.isfinite(array))
        return Violation(NOT_FINITE, f"{subject}{where} is not finite", name)
    return None


def worst_entry(
    got: Arrays,
    expected: Arrays,
    noise: Arrays,
    quantiles: Mapping[str, tuple[float, float]] | None = None,
) -> Worst:
    """The entry of `got` with the largest error in units of its tolerance.

    Args:
        got: arrays by argument; where all are empty, there is no error.
        expected: arrays of the same names, shapes and dtypes.
        noise: the rounding noise they are allowed, in units of the unit roundoff.
        quantiles: that `quantiles_of` finds in each array of the noise, where that is known.
    """
    filled = {name: array for name, array in expected.items() if array.size}
    if not filled:
        (name, array), *_ = expected.items()
        return make_worst(name, "", 0.0, 0.0, (unit_roundoff(array.dtype), 1.0, 0.0))
    scales = {name: largest(array) for name, array in filled.items()}
    most = max(scales.values())
    candidates = [
        _worst_of_array(
            name,
            got[name],
            array,
            noise[name],
            quantiles_of(noise[name]) if quantiles is None else quantiles[name],
            (scales[name], most),
        )
        for name, array in filled.items()
    ]
    return max(candidates, key=lambda worst: worst.in_tolerances)


def _worst_of_array(
    name: str,
    got: Array,
    expected: Array,
    noise: Array,
    quantiles: tuple[float, float],
    sizes: tuple[float, float],
) -> Worst:
    """As `worst_entry`; the sizes are those of the largest entry here, and of all arrays."""
    unit = unit_roundoff(got.dtype)
    scale, most = sizes
    rounding = SAFETY * unit * float(noise.max())
    # Neighbouring points share most of their roundings: of one entry few are seen, and they may be
    # small by chance. Of half the entries they are not.
    low, floor = quantiles
    if low < floor / APART:
        # So many that are quieter by so much are not so by chance: the others are ill-conditioned.
        floor = min(floor, EXCUSE * scale)
    # A gradient that is exactly zero is computed as noise: its own size is then no measure.
    if most <= rounding:
        scale, floor = max(most, _usual(noise)), 0.0
    elif scale <= rounding:
        scale = most
    # Zero everywhere, as everything beside it: any difference at all is too much.
    scale = max(scale, float(np.finfo(got.dtype).tiny))
    # A gradient may have a million entries: what is made of them here is made in place.
    allowed = np.asarray(np.maximum(noise, floor))
    allowed += scale
    errors = np.asarray(np.subtract(got, expected))
    np.abs(errors, out=errors)
    with np.errstate(over="ignore"):  # beside zeros, an error may be infinitely many tolerances
        # Of NaN, which compared with anything passes, argmax finds the first.
        flat = int(np.argmax(errors / allowed))
    worst = make_worst(
        argument=name,
        index=index_of(flat, got.shape),
        got=float(got.flat[flat]),
        expected=float(expected.flat[flat]),
        units=(unit, scale, float(np.maximum(noise.flat[flat], floor))),
    )
    return replace(worst, flat=flat)


def _usual(noise: Array) -> float:
    """The median noise over entries that show any; a zero may be luck."""
    return float(np.median(noise[noise > 0])) if noise.any() else 0.0


def make_worst(
    argument: str,
    index: str,
    got: float,
    expected: float,
    units: tuple[float, float, float],
    error_bar: float = 0.0,
) -> Worst:
    """One compared number with its tolerance, SAFETY · u · (scale + noise) + the oracle's bar."""
    unit, scale, noise = units
    error = abs(got - expected)
    error = np.inf if np.isnan(error) else error
    parts = f"{SAFETY:g} · {unit:.1e} · (scale {scale:.1e} + noise {noise:.1e})"
    return Worst(
        argument=argument,
        index=index,
        got=got,
        expected=expected,
        error=error,
        tolerance=SAFETY * unit * (scale + noise) + error_bar,
        scale=scale,
        ulps=max(0.0, error - error_bar) / (2 * unit * scale),
        parts=parts + (f" + oracle's bar {error_bar:.1e}" if error_bar else ""),
    )
