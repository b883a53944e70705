"""Number types with more digits, and how a derivation by hand is carried through them."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from reference_impls.computation import Array, Arrays, Vjp
from verify.oracles.more_digits.mpmath_arrays import DIGITS, Native, Workshop

ENTRIES = 5_000
"""In the primals, at most, for mpmath."""


SLOW = 0.05
"""Seconds of this thread in float64 beyond which longdouble is not tried: without BLAS it takes up
to 50 times as long."""


Positions = list[Array]
"""The value, then the cotangents in the order of ``wrt``."""


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
            results = self.results(to_double, 0.0)
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
        return to_double(array)

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


def _too_narrow(dtype: npt.DTypeLike, body: Body) -> str:
    wider = np.finfo(np.dtype(dtype)).eps < np.finfo(body.narrow).eps
    return "" if wider else f"no wider than {body.narrow}"


def to_double(array: Array) -> Array:
    """The same numbers, rounded to float64."""
    return array.astype(np.float64)


def _is_floating(primal: object) -> bool:
    return isinstance(primal, np.ndarray | np.generic) and primal.dtype.kind == "f"
