"""Errors counted in units in the last place, and digits that are right."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reference_impls.computation import Array, Arrays
from verify.oracles.more_digits.wider import VANISHING


@dataclass(frozen=True)
class UlpErrors:
    """The errors of an array, entry by entry, in units of the spacing of floats at that entry.

    Attributes:
        errors: float64, of the array's shape; infinite where 0 is exact and something else was got.
        max: the largest.
        index: where that is; ``()`` for a scalar.
    """

    errors: Array
    max: float
    index: tuple[int, ...]

    @property
    def median(self) -> float:
        """Of the errors."""
        return float(np.median(self.errors))


@dataclass(frozen=True)
class Precision:
    """How well an array was computed, and where most digits were lost.

    Attributes:
        argument: the name of the array.
        index: the entry that lost most digits; ``()`` for a scalar.
        got: that entry.
        exact: what it should have been.
        ulps_at_scale: the largest error of the array, in spacings of floats at its largest entry.
        ulps_at_entry: the error of this entry in spacings of floats there; infinite where 0 is
            exact. If it is far above ``ulps_at_scale``, something cancelled.
        digits: how many decimal digits of this entry are right, from 0 to all that the dtype has.
    """

    argument: str
    index: tuple[int, ...]
    got: float
    exact: float
    ulps_at_scale: float
    ulps_at_entry: float
    digits: float


def ulp_errors(got: Array, exact: Array) -> UlpErrors:
    """The error of every entry, in units of the spacing of floats at the exact entry.

    Args:
        got: float32 or float64, not empty.
        exact: the same with more digits: from `Extended`.
    """
    return _in_ulps(_errors(got, exact), exact, got.dtype)


def _in_ulps(errors: Array, exact: Array, dtype: npt.DTypeLike) -> UlpErrors:
    sizes = np.abs(_narrowed(exact, dtype))
    with np.errstate(over="ignore"):  # the spacing at an entry that is nearly zero is tiny
        ulps = np.divide(errors, _spacing(sizes), out=np.zeros(errors.shape), where=errors > 0)
    ulps = np.where((errors > 0) & (sizes == 0), np.inf, ulps)
    index = np.unravel_index(int(np.argmax(ulps)), ulps.shape)
    return UlpErrors(ulps, float(ulps.max()), tuple(int(axis) for axis in index))


def digits_lost(got: Arrays, exact: Arrays) -> list[Precision]:
    """For each argument that has entries: the largest error, and the entry that lost most digits.

    Args:
        got: float32 or float64 arrays, the value or the cotangents of one implementation.
        exact: arrays of the same names and shapes: from `Extended`.
    """
    filled = {name: array for name, array in exact.items() if array.size}
    sizes = {
        name: float(np.abs(_narrowed(array, np.float64)).max()) for name, array in filled.items()
    }
    largest = max(sizes.values(), default=0.0)
    # An array that should be zero is computed as noise, with more digits too: that is no scale.
    scales = {
        name: largest if size <= VANISHING * largest else size for name, size in sizes.items()
    }
    return [_precision(name, got[name], array, scales[name]) for name, array in filled.items()]


def _precision(argument: str, got: Array, exact: Array, scale: float) -> Precision:
    errors = _errors(got, exact)
    ulps = _in_ulps(errors, exact, got.dtype)
    true = float(exact[ulps.index])
    return Precision(
        argument=argument,
        index=ulps.index,
        got=float(got[ulps.index]),
        exact=true,
        ulps_at_scale=float(errors.max() / _spacing(np.asarray(scale, got.dtype))),
        ulps_at_entry=ulps.max,
        digits=_correct_digits(float(errors[ulps.index]), true, got.dtype),
    )


def _correct_digits(error: float, true: float, dtype: npt.DTypeLike) -> float:
    everything = -float(np.log10(np.finfo(dtype).eps / 2))
    if error == 0:
        return everything
    return min(everything, -float(np.log10(error / abs(true)))) if error < abs(true) else 0.0


def _errors(got: Array, exact: Array) -> Array:
    # NaN would pass every comparison; an infinite error does not.
    with np.errstate(invalid="ignore"):
        errors = np.abs(np.asarray(got - exact, dtype=np.float64))
    same = np.asarray(got == _narrowed(exact, got.dtype))  # two infinities of one sign are equal
    errors = np.where(same & np.isnan(errors), 0, errors)
    return np.where(np.isnan(errors), np.inf, errors)


def _narrowed(exact: Array, dtype: npt.DTypeLike) -> Array:
    with np.errstate(over="ignore"):
        return np.asarray(exact, dtype=np.float64).astype(dtype)


def _spacing(sizes: Array) -> Array:
    last = np.nextafter(np.finfo(sizes.dtype).max, 0, dtype=sizes.dtype)
    return np.asarray(np.spacing(np.minimum(sizes, last)), dtype=np.float64)
