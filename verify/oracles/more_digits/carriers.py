"""Number types with more digits, and how a derivation by hand is carried through them.

A carrier says whether it is wider than a dtype, raises `NotCarriedError` for a body that it will
not try, makes its numbers of a body's arrays, and looks at what comes back.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from reference_impls.computation import Array, Arrays, Vjp
from verify.oracles.more_digits.mpmath_arrays import DIGITS, Native, Workshop

ENTRIES = 5_000
"""The most that the primals may have together, for mpmath."""


SLOW = 0.05
"""Where float64 takes longer than so many seconds, longdouble is not tried: it does without BLAS,
and takes up to 50 times as long."""


Positions = list[Array]
"""The value, then the cotangents in the order of ``wrt``."""


class NotCarriedError(Exception):
    """A carrier cannot give more digits here; the message says why, in one line."""


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
    def double(self) -> "Timed":
        """The results in float64, and how long they took."""
        timed = self._timed()
        # A first call may be slow for reasons of its own, so a slow one is repeated.
        return timed if timed.seconds <= SLOW else min(timed, self._timed(), key=_seconds)

    def _timed(self) -> "Timed":
        start = time.thread_time()
        results = self.results(to_double, 0.0)
        return Timed(results, time.thread_time() - start)

    def results(self, take: Callable[[Array], Native], step: float) -> Positions:
        """The value and the cotangents, at the primals or beside them.

        Args:
            take: makes the carrier's array of one of ours.
            step: every entry of the primals and of the cotangent is changed by a random fraction of
                itself, at most this one; 0 for the primals themselves.
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
class Timed:
    """Results in float64, and the seconds of this thread that they took."""

    results: Positions
    seconds: float


def _seconds(timed: Timed) -> float:
    return timed.seconds


@dataclass(frozen=True)
class Double:
    """float64, for float32."""

    body: Body
    label = "float64"
    dtype = np.dtype(np.float64)

    @staticmethod
    def eps() -> float:
        """The spacing of the carrier's numbers at 1."""
        return float(np.finfo(np.float64).eps)

    def check_feasible(self) -> None:
        """Nothing speaks against it."""

    def results(self) -> Positions:
        """The value and the cotangents at the primals, in the carrier's numbers."""
        return self.body.double.results

    def take(self, array: Array) -> Array:
        """The carrier's own copy of an array."""
        return to_double(array)

    def keep(self, array: Array) -> Array:
        """A result in the form in which others can compute with it."""
        return array


@dataclass(frozen=True)
class LongDouble:
    """`np.longdouble`."""

    body: Body
    label = "extended precision (longdouble)"
    dtype = np.dtype(np.longdouble)

    @staticmethod
    def eps() -> float:
        """See `Double.eps`."""
        return float(np.finfo(np.longdouble).eps)

    def check_feasible(self) -> None:
        """NotCarriedError, if it would take too long."""
        seconds = self.body.double.seconds
        if seconds > SLOW:
            raise NotCarriedError(f"too slow: float64 takes {seconds:.2g} s")

    def results(self) -> Positions:
        """See `Double.results`."""
        return self.body.results(self.take, 0.0)

    def take(self, array: Array) -> Array:
        """See `Double.take`."""
        return array.astype(np.longdouble)

    def keep(self, array: Array) -> Array:
        """See `Double.keep`."""
        return array


@dataclass(frozen=True)
class Mpmath:
    """50 digits."""

    body: Body
    label = f"{DIGITS} digits (mpmath)"
    dtype = np.dtype(np.object_)

    @staticmethod
    def eps() -> float:
        """See `Double.eps`."""
        return float(10.0**-DIGITS)

    def check_feasible(self) -> None:
        """NotCarriedError, if there are too many numbers."""
        entries = sum(primal.size for primal in self.body.primals.values() if _is_floating(primal))
        if entries > ENTRIES:
            raise NotCarriedError(f"too large: {entries:,} entries, of {ENTRIES:,}")

    def results(self) -> Positions:
        """See `Double.results`."""
        return self.body.results(self.take, 0.0)

    @cached_property
    def workshop(self) -> Workshop:
        """Where the numbers are made; all that the carrier does counts against its allowance."""
        return Workshop()

    def take(self, array: Array) -> Array:
        """See `Double.take`."""
        return self.workshop.digits(array)

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


CARRIERS: Mapping[str, type[Carrier]] = {
    "float64": Double,
    "longdouble": LongDouble,
    "mpmath": Mpmath,
}


def longdouble_is_wider() -> bool:
    """Has `np.longdouble` more digits than float64 here?"""
    return LongDouble.eps() < Double.eps()


def to_double(array: Array) -> Array:
    """The same numbers, rounded to float64."""
    return array.astype(np.float64)


def _is_floating(primal: object) -> bool:
    return isinstance(primal, np.ndarray | np.generic) and primal.dtype.kind == "f"
