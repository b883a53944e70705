"""Extended precision: the truth against which ULPs are counted.

A rounding error is a difference from what exact arithmetic would have given. Arithmetic with far
more digits is as good, if it runs the same code: its own errors are smaller in proportion to its
unit roundoff, and so is everything that magnifies them, cancellation and conditioning included.

- float32 is judged by float64, 29 bits wider.
- float64 is judged by `np.longdouble` where the platform has a wider one: 11 bits on x86, 60 where
  it is IEEE quadruple, none with MSVC or on Apple silicon. LAPACK has no such routines.
- Elsewhere it is judged by 50 digits of mpmath, on small arrays (`verify.digits`).

A body may round inside to a dtype of its own choosing (`astype`, a buffer from `np.zeros`, a
library that knows float64 alone). The result would look wide and be no truth. So each result is
put to the proof: it must respond to changes of the primals and of the cotangent that are too small
for the narrow dtype, as it does to larger ones. An intermediate result that was rounded does not.
"""

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from reference_impls.computation import Array, Arrays, Vjp
from reference_impls.validation import check_choice
from verify.digits import DIGITS, Native, Workshop

ENTRIES = 5_000
"""In the primals, at most, for mpmath."""

SLOW = 0.05
"""Seconds of this thread in float64 beyond which longdouble is not tried: without BLAS it takes up
to 50 times as long."""

STEPS = (0.5, 0.7)
"""Exponents of the narrow dtype's spacing at 1: changes so large show their response in that dtype
already, and both rounding and the rest of Taylor's series are small beside it. The second is for
curvatures that make the first too large."""

JUMP = 2.0**-10
"""A response to a small change that is this fraction of that to a large one is a jump, at a kink
or a discontinuity, and tells nothing of digits."""

SHARE = 0.5
"""Of a response, how much may be missing. All of it is, where all that carries it was rounded; a
path that carries less than half of it can be rounded unnoticed."""

ROUNDING = 2.0**-4
"""What of a response, relative to the largest entry, may be the carrier's rounding error."""

VANISHING = 2.0**-50
"""An array this small beside the others is the rounding error of zero, and responds to nothing."""

Positions = list[Array]
"""The value, then the cotangents in the order of ``wrt``."""


@dataclass(frozen=True)
class Extended:
    """A function's value and VJP at a point, with more digits than its dtype has.

    Subtract them from arrays of that dtype as they are: rounded to it first, they would be wrong by
    half an ULP. They are float64 for float32; for float64 they are `np.longdouble`, which is also
    what mpmath's numbers are rounded to, or, where the platform has no wider longdouble, mpmath's
    numbers themselves in arrays of dtype object.

    Attributes:
        value: of the function.
        cotangents: Jᵀu, by argument.
        carrier: what they were computed in, in words.
    """

    value: Array
    cotangents: Arrays
    carrier: str


@dataclass(frozen=True)
class UlpErrors:
    """The errors of an array, entry by entry, in units of the spacing of floats at that entry.

    Attributes:
        errors: float64, of the array's shape; infinite where the exact entry is 0, and what was
            got is not.
        median: of the errors.
        max: the largest.
        index: where that is; ``()`` for a scalar.
    """

    errors: Array
    median: float
    max: float
    index: tuple[int, ...]


@dataclass(frozen=True)
class Precision:
    """How well an array was computed, and where most digits were lost.

    Attributes:
        argument: the name of the array.
        index: the entry that lost most digits; ``()`` for a scalar.
        got: that entry.
        exact: what it should have been.
        ulps_at_scale: the largest error of the array, in spacings of floats at its largest entry.
        ulps_at_entry: the error of this entry in spacings of floats there. Far above
            ``ulps_at_scale``, it tells of cancellation; infinite where 0 is exact.
        digits: the correct decimal digits of this entry, from 0 to all that the dtype has.
    """

    argument: str
    index: tuple[int, ...]
    got: float
    exact: float
    ulps_at_scale: float
    ulps_at_entry: float
    digits: float


def in_extended_precision(
    make_vjp: Callable[..., tuple[Array, Vjp]],
    primals: Arrays,
    cotangent: Array,
    wrt: Sequence[str],
    *,
    carrier: str | None = None,
) -> Extended | None:
    """The value and Jᵀu with more digits, or None where they cannot be had; see `attempt`."""
    outcome = attempt(make_vjp, primals, cotangent, wrt, carrier=carrier)
    return outcome if isinstance(outcome, Extended) else None


def attempt(
    make_vjp: Callable[..., tuple[Array, Vjp]],
    primals: Arrays,
    cotangent: Array,
    wrt: Sequence[str],
    *,
    carrier: str | None = None,
) -> Extended | str:
    """The value and Jᵀu with more digits, or why they cannot be had, carrier by carrier.

    Args:
        make_vjp: ``make_vjp(**primals) -> (value, vjp)``, and ``vjp(cotangent)`` a gradient per
            name in ``wrt``, in plain NumPy functions.
        primals: copies of those that are floating-point arrays become wide; others are passed as
            they are.
        cotangent: u, of the value's shape.
        wrt: the names of the primals that it is differentiated with respect to.
        carrier: ``float64``, ``longdouble`` or ``mpmath``; if None, the first that is wide enough
            and works, in this order.

    Raises:
        ValueError: another carrier.
    """
    names = list(CARRIERS) if carrier is None else [carrier]
    for name in names:
        check_choice("carrier", name, CARRIERS)
    body = Body(make_vjp, primals, cotangent, tuple(wrt))
    reasons = []
    for name in names:
        outcome = _carried(body, CARRIERS[name](body))
        if isinstance(outcome, Extended):
            return outcome
        reasons.append(f"{name}: {outcome}")
    return "; ".join(reasons)


def ulp_errors(got: Array, exact: Array) -> UlpErrors:
    """The error of every entry, in units of the spacing of floats at the exact entry.

    Args:
        got: float32 or float64, not empty.
        exact: the same with more digits: from `Extended`.
    """
    errors = _errors(got, exact)
    sizes = np.abs(_narrowed(exact, got.dtype))
    with np.errstate(over="ignore"):  # beside an entry that is nearly zero: infinitely many
        ulps = np.divide(errors, _spacing(sizes), out=np.zeros(got.shape), where=errors > 0)
    ulps = np.where((errors > 0) & (sizes == 0), np.inf, ulps)
    index = np.unravel_index(int(np.argmax(ulps)), ulps.shape)
    return UlpErrors(
        ulps, float(np.median(ulps)), float(ulps.max()), tuple(int(axis) for axis in index)
    )


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
    # What is zero is computed as noise, with more digits too: that is no scale for an error.
    scales = {
        name: largest if size <= VANISHING * largest else size for name, size in sizes.items()
    }
    return [_precision(name, got[name], array, scales[name]) for name, array in filled.items()]


def _precision(argument: str, got: Array, exact: Array, scale: float) -> Precision:
    ulps = ulp_errors(got, exact)
    errors = _errors(got, exact)
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
    # NaN compared with anything passes; as an infinite error it does not.
    with np.errstate(invalid="ignore"):
        errors = np.abs(np.asarray(got - exact, dtype=np.float64))
    same = np.asarray(got == _narrowed(exact, got.dtype))  # infinities of one sign differ by NaN
    errors = np.where(same & np.isnan(errors), 0, errors)
    return np.where(np.isnan(errors), np.inf, errors)


def _narrowed(exact: Array, dtype: npt.DTypeLike) -> Array:
    with np.errstate(over="ignore"):
        return np.asarray(exact, dtype=np.float64).astype(dtype)


def _spacing(sizes: Array) -> Array:
    last = np.nextafter(np.finfo(sizes.dtype).max, 0, dtype=sizes.dtype)
    return np.asarray(np.spacing(np.minimum(sizes, last)), dtype=np.float64)


@dataclass(frozen=True)
class Body:
    """What is to be carried out with more digits, and what it gives in float64.

    Attributes:
        make_vjp: the function and its VJP.
        primals: as given.
        cotangent: u.
        wrt: the names of the primals that gradients are for.
    """

    make_vjp: Callable[..., tuple[Array, Vjp]]
    primals: Arrays
    cotangent: Array
    wrt: tuple[str, ...]

    @property
    def narrow(self) -> np.dtype[Any]:
        """The dtype whose results are to be judged."""
        return np.dtype(np.result_type(*(self.primals[name].dtype for name in self.wrt)))

    @cached_property
    def double(self) -> tuple[Positions, float]:
        """The results in float64, and the seconds they took."""
        fastest = np.inf
        for _ in range(2):
            start = time.thread_time()
            results = self.results(_to_double, 0.0)
            fastest = min(fastest, time.thread_time() - start)
            if fastest <= SLOW:  # else perhaps a first call, which need not tell
                break
        return results, fastest

    def results(self, take: Callable[[Array], Native], step: float) -> Positions:
        """The value and the cotangents, with every entry of the input changed by up to a step.

        Args:
            take: from an array to the carrier's.
            step: of the change, relative to the entry.
        """
        ways = np.random.default_rng(0)

        def moved(array: Array) -> Native:
            wide = take(array)
            return wide + wide * (step * ways.uniform(-1, 1, array.shape)) if step else wide

        value, vjp = self.make_vjp(
            **{
                name: moved(primal) if _is_floating(primal) else primal
                for name, primal in self.primals.items()
            }
        )
        cotangents = vjp(moved(self.cotangent))
        return [np.asarray(value), *(np.asarray(cotangents[name]) for name in self.wrt)]


@dataclass(frozen=True)
class Double:
    """float64, for float32."""

    body: Body
    label = "float64"

    def refusal(self) -> str:
        """Why it is not even tried; empty if it is."""
        return _too_narrow(np.float64, self.body)

    def take(self, array: Array) -> Array:
        """The carrier's own copy of an array."""
        return _to_double(array)

    def fault(self, array: Array) -> str:
        """What is wrong with a result; empty if nothing is."""
        return "" if array.dtype == np.float64 else f"is {array.dtype}"

    def keep(self, array: Array) -> Array:
        """A result, in the form in which others can compute with it."""
        return array


@dataclass(frozen=True)
class LongDouble:
    """`np.longdouble`."""

    body: Body
    label = "extended precision (longdouble)"

    def refusal(self) -> str:
        """See `Double.refusal`."""
        if reason := _too_narrow(np.longdouble, self.body):
            return reason
        _, seconds = self.body.double
        return f"too slow: float64 takes {seconds:.2g} s" if seconds > SLOW else ""

    def take(self, array: Array) -> Array:
        """See `Double.take`."""
        return array.astype(np.longdouble)

    def fault(self, array: Array) -> str:
        """See `Double.fault`."""
        return "" if array.dtype == np.longdouble else f"is {array.dtype}"

    def keep(self, array: Array) -> Array:
        """See `Double.keep`."""
        return array


@dataclass(frozen=True)
class Mpmath:
    """50 digits."""

    body: Body
    label = f"{DIGITS} digits (mpmath)"

    def refusal(self) -> str:
        """See `Double.refusal`."""
        entries = sum(primal.size for primal in self.body.primals.values() if _is_floating(primal))
        return f"too large: {entries:,} entries, of {ENTRIES:,}" if entries > ENTRIES else ""

    @cached_property
    def workshop(self) -> Workshop:
        """Where the numbers are made; its allowance is for all that the carrier does."""
        return Workshop()

    def take(self, array: Array) -> Array:
        """See `Double.take`."""
        return self.workshop.digits(array)

    def fault(self, array: Array) -> str:
        """See `Double.fault`."""
        return "" if array.dtype == np.object_ else f"is {array.dtype}"

    def keep(self, array: Array) -> Array:
        """See `Double.keep`."""
        numbers = self.workshop.numbers(array)
        if not longdouble_is_wider():
            return numbers
        high = numbers.astype(np.float64)
        finite = np.isfinite(high)
        low = np.where(finite, numbers - np.where(finite, high, 0), 0).astype(np.float64)
        return np.asarray(high.astype(np.longdouble) + low)


Carrier = Double | LongDouble | Mpmath
CARRIERS: Mapping[str, Callable[[Body], Carrier]] = {
    "float64": Double,
    "longdouble": LongDouble,
    "mpmath": Mpmath,
}


def longdouble_is_wider() -> bool:
    """Has `np.longdouble` more digits than float64 here?"""
    return float(np.finfo(np.longdouble).eps) < float(np.finfo(np.float64).eps)


def _carried(body: Body, carrier: Carrier) -> Extended | str:
    """The results in the carrier, or what speaks against them."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the narrow dtype has warned of what there is
            outcome = carrier.refusal() or _proven(body, carrier)
    except Exception as error:  # noqa: BLE001 -- a body need not be written for this
        return f"raised {type(error).__name__}: {error}".splitlines()[0]
    if isinstance(outcome, str):
        return outcome
    value, *cotangents = map(carrier.keep, outcome)
    return Extended(value, dict(zip(body.wrt, cotangents, strict=True)), carrier.label)


def _proven(body: Body, carrier: Carrier) -> Positions | str:
    """The results in the carrier, if they respond to what is too small for the narrow dtype."""
    exact = body.results(carrier.take, 0.0)
    double, _ = body.double
    for name, array, like in zip(("value", *body.wrt), exact, double, strict=True):
        fault = carrier.fault(array)
        if fault or array.shape != like.shape:
            return f"{name} {fault or f'has shape {array.shape}, {like.shape} in float64'}"
    spacing = float(np.finfo(body.narrow).eps)
    small = _response(exact, body, carrier.take, spacing / 4)  # so little rounds back to nothing
    deaf: list[str] = []
    for exponent in STEPS:
        large = _response(double, body, _to_double, spacing**exponent)
        deaf = _deaf(body, double, small, large)
        if not deaf:
            return exact
    return f"{', '.join(deaf)}: rounded to fewer digits somewhere inside"


@dataclass(frozen=True)
class Response:
    """How results change with the input.

    Attributes:
        step: the relative change of the input.
        slopes: the changes of the results, divided by the step; float64.
        fits: where the changed results are numbers of the narrow dtype.
    """

    step: float
    slopes: Positions
    fits: Positions


def _response(
    before: Positions, body: Body, take: Callable[[Array], Native], step: float
) -> Response:
    after = body.results(take, step)
    with np.errstate(all="ignore"):
        changes = [
            np.asarray((moved - still) / step, dtype=np.float64)
            for still, moved in zip(before, after, strict=True)
        ]
        fits = [np.asarray(moved == moved.astype(body.narrow), dtype=np.bool_) for moved in after]
    return Response(step, changes, fits)


def _deaf(body: Body, double: Positions, small: Response, large: Response) -> list[str]:
    """Which results respond to small changes otherwise than to large ones."""
    scales = [float(np.abs(array).max(initial=0, where=np.isfinite(array))) for array in double]
    floor = VANISHING * max(scales[1:])
    ratio = small.step / large.step
    return [
        name
        for name, scale, fine, coarse, fits in zip(
            ("value", *body.wrt), scales, small.slopes, large.slopes, small.fits, strict=True
        )
        if scale > floor
        and not (_alike(fine / scale, coarse / scale, ratio) and _escapes(fits, coarse / scale))
    ]


def _escapes(fits: Array, large: Array) -> bool:
    """Have results that respond left the narrow dtype, whose numbers those rounded to it are?"""
    responds = np.isfinite(large) & (np.abs(large) > ROUNDING)
    # Of numbers that are 11 bits longer, one in 2048 is short by chance; two are not.
    return int(responds.sum()) < 2 or not bool(fits[responds].all())


def _alike(small: Array, large: Array, ratio: float) -> bool:
    known = np.isfinite(small) & np.isfinite(large)
    smooth = np.abs(small) * ratio <= JUMP * np.maximum(np.abs(large), ROUNDING)
    fine, coarse = small[known & smooth], large[known & smooth]
    room = SHARE * np.linalg.norm(coarse) + ROUNDING * np.sqrt(fine.size)
    return bool(np.linalg.norm(fine - coarse) <= room)


def _too_narrow(dtype: npt.DTypeLike, body: Body) -> str:
    wider = np.finfo(np.dtype(dtype)).eps < np.finfo(body.narrow).eps
    return "" if wider else f"no wider than {body.narrow}"


def _to_double(array: Array) -> Array:
    return array.astype(np.float64)


def _is_floating(primal: object) -> bool:
    return isinstance(primal, np.ndarray | np.generic) and primal.dtype.kind == "f"
