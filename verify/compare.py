"""Holding arrays against arrays: first what they are, then what is in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from reference_impls.computation import Array, Arrays
from verify.tolerance import SAFETY, unit_roundoff

Verdict = Literal["agree", "disagree", "inconclusive", "unsupported"]


@dataclass(frozen=True)
class Check:
    """What one implementation was held against, and what came of it.

    Attributes:
        implementation: whose value or cotangents these are.
        kind: ``contract``, ``stability``, ``value``, ``vjp``, ``oracle``, ``precision`` or
            ``argmin``.
        against: another implementation, or the oracle.
        verdict: agree, disagree, inconclusive or unsupported.
        detail: in words, where numbers do not say it all.
        worst: the entry furthest outside, or closest to leaving, its tolerance.
    """

    implementation: str
    kind: str
    against: str
    verdict: Verdict
    detail: str = ""
    worst: "Worst | None" = None


@dataclass(frozen=True)
class Worst:
    """The entry with the largest error in units of its tolerance.

    Attributes:
        argument: the name of the array.
        index: of the entry, e.g. ``[3, 0]``; empty for a scalar.
        got: its value.
        expected: what it was held against.
        error: |got - expected|.
        tolerance: the largest error that would have been accepted.
        scale: the largest entry beside it, of which ``error / scale`` is a fraction.
        ulps: the error beyond the oracle's own, in units of the spacing of floats at ``scale``.
        parts: what the tolerance is made of, in words.
    """

    argument: str
    index: str
    got: float
    expected: float
    error: float
    tolerance: float
    scale: float
    ulps: float
    parts: str = field(default="", compare=False)

    @property
    def accepted(self) -> bool:
        """Is the error within the tolerance?"""
        return self.error <= self.tolerance


def overall(checks: Sequence[Check]) -> Verdict:
    """Disagree if any check does; agree only if all of them do."""
    verdicts = {check.verdict for check in checks}
    order: tuple[Verdict, ...] = ("disagree", "unsupported", "inconclusive")
    return next((verdict for verdict in order if verdict in verdicts), "agree")


def contract_violation(
    value: Array, cotangents: Mapping[str, object], primals: Arrays, wrt: tuple[str, ...]
) -> str:
    """What is wrong with the names, shapes, dtypes or finiteness of a result; empty if nothing is.

    Finiteness comes before any comparison: NaN compared with > passes everything.
    """
    dtype = primals[wrt[0]].dtype
    if value.dtype != dtype:
        return f"value is {value.dtype}, wanted {dtype}"
    if not np.isfinite(value).all():
        return f"value{first_index(~np.isfinite(value))} is not finite"
    if set(cotangents) != set(wrt):
        return f"cotangents for {', '.join(cotangents)}, wanted {', '.join(wrt)}"
    for name in wrt:
        fault = _array_fault(cotangents[name], primals[name])
        if fault:
            return f"cotangent {name}{fault}"
    return ""


def _array_fault(array: object, like: Array) -> str:
    if not isinstance(array, np.ndarray):
        return f" is a {type(array).__name__}, wanted an array"
    if array.shape != like.shape:
        return f" has shape {array.shape}, wanted {like.shape}"
    if array.dtype != like.dtype:
        return f" is {array.dtype}, wanted {like.dtype}"
    if not np.isfinite(array).all():
        return f"{first_index(~np.isfinite(array))} is not finite"
    return ""


def first_index(mask: Array) -> str:
    """The first true position, as ``[3, 0]``; empty for a scalar."""
    return _index(int(np.argmax(mask)), mask.shape)


def worst_entry(got: Arrays, expected: Arrays, noise: Arrays) -> Worst:
    """The entry of `got` with the largest error in units of its tolerance.

    Args:
        got: arrays by argument.
        expected: arrays of the same names, shapes and dtypes.
        noise: the rounding noise they are allowed, in units of the unit roundoff.
    """
    largest = max(float(np.abs(array).max()) for array in expected.values())
    candidates = [
        _worst_of_array(name, got[name], array, noise[name], largest)
        for name, array in expected.items()
    ]
    return max(candidates, key=lambda worst: worst.error / worst.tolerance)


def _worst_of_array(name: str, got: Array, expected: Array, noise: Array, largest: float) -> Worst:
    unit = unit_roundoff(got.dtype)
    scale = float(np.abs(expected).max())
    # A gradient that is exactly zero is computed as noise: its own size is then no measure.
    if scale <= SAFETY * unit * float(noise.max()):
        scale = largest
    # Zero everywhere, as everything beside it: any difference at all is too much.
    scale = max(scale, float(np.finfo(got.dtype).tiny))
    tolerances = SAFETY * unit * (scale + noise)
    # NaN compared with anything passes; as an infinite error it does not.
    errors = np.nan_to_num(np.abs(got - expected).astype(np.float64), nan=np.inf)
    with np.errstate(over="ignore"):  # beside zeros, an error may be infinitely many tolerances
        flat = int(np.argmax(errors / tolerances))
    return make_worst(
        argument=name,
        index=_index(flat, got.shape),
        got=float(got.flat[flat]),
        expected=float(expected.flat[flat]),
        units=(unit, scale, float(noise.flat[flat])),
    )


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


def _index(flat: int, shape: tuple[int, ...]) -> str:
    if not shape:
        return ""
    return f"[{', '.join(str(int(i)) for i in np.unravel_index(flat, shape))}]"
