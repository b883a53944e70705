"""Extended precision: the truth against which ULPs are counted.

A rounding error is the difference from what exact arithmetic would have given. For measuring it,
the same code run with far more digits is as good as exact arithmetic: cancellation and conditioning
magnify its errors alike, but those are smaller in proportion to the unit roundoff.

- float32 is judged by float64, 29 bits wider.
- float64 is judged by `np.longdouble` where the platform has a wider one: 11 bits on x86, 60 where
  it is IEEE quadruple, none with MSVC or on Apple silicon. LAPACK has no such routines.
- Elsewhere it is judged by 50 digits of mpmath, on small arrays (`mpmath_arrays`).

A body may round somewhere inside (by `astype`, in a buffer from `np.zeros`, in a library that knows
float64 alone). Its result would be of the wide dtype and have no more right digits. So each result
is put to the proof: it must respond to changes of the primals and of the cotangent that are too
small for the narrow dtype, in the same way as to larger ones. If an intermediate result was rounded
to the narrow dtype, it does not.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reference_impls.computation import Array, Arrays, Vjp
from reference_impls.validation import check_choice
from verify.oracles.more_digits.carriers import (
    CARRIERS,
    Body,
    Carrier,
    NotCarriedError,
    Positions,
    to_double,
)
from verify.oracles.more_digits.mpmath_arrays import Native

STEPS = (0.5, 0.7)
"""Powers of the narrow dtype's spacing at 1: changes of this size show in that dtype already, and
both rounding and the curvature are small beside them. The second is shorter, and tried where
curvature makes the first too long."""


JUMP = 2.0**-10
"""If the response to a small change is more than this fraction of that to a large one, there is a
kink or a discontinuity, which tells nothing of digits."""


SHARE = 0.5
"""The part of a response that may be missing. Where everything was rounded, all of it is; a path
that carries less than half of the response may be rounded unnoticed."""


ROUNDING = 2.0**-4
"""The part of a response, relative to the largest entry, that may be the carrier's own rounding."""


VANISHING = 2.0**-50
"""An array this small beside the others is zero but for rounding, and responds to nothing."""


@dataclass(frozen=True)
class Extended:
    """A function's value and VJP at a point, with more digits than its dtype has.

    Subtract them from arrays of that dtype as they are: rounding them first would make them wrong
    by half an ULP. For float32 they are float64. For float64 they are `np.longdouble`, to which
    mpmath's numbers are rounded, too; where the platform has no wider longdouble, they are mpmath's
    numbers themselves, in arrays of dtype object.

    Attributes:
        value: of the function.
        cotangents: Jᵀu, by argument.
        carrier: what they were computed in, in words.
    """

    value: Array
    cotangents: Arrays
    carrier: str


@dataclass(frozen=True)
class NotCarried:
    """Why a function's value and VJP cannot be had with more digits.

    Attributes:
        reasons: one for every carrier that was tried, by its name.
    """

    reasons: Mapping[str, str]

    def __str__(self) -> str:
        return "; ".join(f"{carrier}: {reason}" for carrier, reason in self.reasons.items())


def in_extended_precision(
    make_vjp: Callable[..., tuple[Array, Vjp]],
    primals: Arrays,
    cotangent: Array,
    wrt: Sequence[str],
    *,
    carrier: str | None = None,
) -> Extended | NotCarried:
    """The value and Jᵀu with more digits, or why they cannot be had.

    Args:
        make_vjp: ``make_vjp(**primals) -> (value, vjp)``, and ``vjp(cotangent)`` a gradient per
            name in ``wrt``, in plain NumPy functions.
        primals: wide copies are made of those that are floating-point arrays; others are passed as
            they are.
        cotangent: u, of the value's shape.
        wrt: the names of the primals that it is differentiated with respect to.
        carrier: ``float64``, ``longdouble`` or ``mpmath``; if None, the first that is wider than
            the primals and works, in this order.

    Raises:
        ValueError: another carrier.
    """
    body = Body(make_vjp, primals, cotangent, tuple(wrt))
    if carrier is not None:
        check_choice("carrier", carrier, CARRIERS)
    names = [each for each in CARRIERS if _is_wider(each, body)] if carrier is None else [carrier]
    reasons: dict[str, str] = {}
    for name in names:
        try:
            if not _is_wider(name, body):
                raise NotCarriedError(f"no wider than {body.narrow}")  # noqa: TRY301
            return _carried(body, CARRIERS[name](body))
        except NotCarriedError as error:
            reasons[name] = str(error)
        except Exception as error:  # noqa: BLE001 -- a body need not be written for this
            reasons[name] = f"raised {type(error).__name__}: {error}".splitlines()[0]
    return NotCarried(reasons)


def _is_wider(carrier: str, body: Body) -> bool:
    return CARRIERS[carrier].eps() < float(np.finfo(body.narrow).eps)


def _carried(body: Body, carrier: Carrier) -> Extended:
    """The results in the carrier, put to the proof; NotCarriedError if it is no use here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the narrow dtype has warned of what there is
        carrier.check_feasible()
        exact = carrier.results()
        _check_form(exact, body, carrier)
        _check_responds(exact, body, carrier)
    value, *cotangents = map(carrier.keep, exact)
    return Extended(value, dict(zip(body.wrt, cotangents, strict=True)), carrier.label)


def _check_form(exact: Positions, body: Body, carrier: Carrier) -> None:
    """Are they the carrier's numbers, and of the shapes that float64 gives?"""
    for name, array, like in zip(("value", *body.wrt), exact, body.double.results, strict=True):
        if array.dtype != carrier.dtype:
            raise NotCarriedError(f"{name} is {array.dtype}")
        if array.shape != like.shape:
            raise NotCarriedError(f"{name} has shape {array.shape}, {like.shape} in float64")


def _check_responds(exact: Positions, body: Body, carrier: Carrier) -> None:
    """Do they respond to changes that are too small for the narrow dtype?"""
    double = body.double.results
    spacing = float(np.finfo(body.narrow).eps)
    small = _response(exact, body, carrier.take, spacing / 4)  # so little rounds back to nothing
    deaf: list[str] = []
    for exponent in STEPS:
        large = _response(double, body, to_double, spacing**exponent)
        deaf = _deaf(body, double, small, large)
        if not deaf:
            return
    raise NotCarriedError(f"{', '.join(deaf)}: rounded to fewer digits somewhere inside")


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
    """The names of results that do not respond to small changes as they do to large ones."""
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
    """Have the entries that respond more digits than the narrow dtype has?"""
    responds = np.isfinite(large) & (np.abs(large) > ROUNDING)
    # A number with 11 bits more fits the narrow dtype by chance once in 2048 times; two do not.
    return int(responds.sum()) < 2 or not bool(fits[responds].all())


def _alike(small: Array, large: Array, ratio: float) -> bool:
    known = np.isfinite(small) & np.isfinite(large)
    smooth = np.abs(small) * ratio <= JUMP * np.maximum(np.abs(large), ROUNDING)
    fine, coarse = small[known & smooth], large[known & smooth]
    room = SHARE * np.linalg.norm(coarse) + ROUNDING * np.sqrt(fine.size)
    return bool(np.linalg.norm(fine - coarse) <= room)
