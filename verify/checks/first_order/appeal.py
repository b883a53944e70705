"""Noise measured once more, where an implementation is about to be accused of what it rounds.

`verify.error_model.noise` lets the noise of an array count for no more than a few times its own
size and conditioning: a mistake in float32 alone must not pass for rounding. But large terms may
cancel in a gradient, and then its rounding is many times its size, and rightly so. Four measures
tell, and one limit, each of which sees what the others are blind to:

- What float32 and float64 differ by. It is blind to rounding that happens to be exact in float32,
  as that of 1 - x² is where x is nearly 1.
- The residual vjp(u₁) + vjp(u₂) - vjp(u₁ + u₂). Of a map that is linear it is the rounding of its
  terms, in the dtype itself. A mistake in float32 alone, or a difference quotient in place of a
  derivative, is linear: it shows no residual, and is not excused by one. It is no noise, but the
  limit of the first measure. It is blind to what is rounded before u comes in.
- The conditioning: how far float64 results move when the input moves by one rounding. An algorithm
  that is as good as any is off by that (Higham, *Accuracy and Stability of Numerical Algorithms*,
  §1.6). It is measured over a float32 rounding, over which a derivative moves in proportion, and
  the rounding inside a difference quotient does not.
- The trembling: how far float64 results move when the input moves by one rounding of float64. All
  the rounding inside shows in it, also that of a difference quotient. So it counts for no more than
  `INSTABILITY` units, and for `EXCUSE` in float32: with a value near 1,000 that is rounded before
  the gradient is computed from it, as of logsumexp, a thousand units are lost. An entry that loses
  more is unstable, which is no excuse.
- The roughness of the values. Where they lose digits, as 1 + erf does far below 0, or as anything
  does that rounds to float32 inside, the gradient may lose as many. A function that gives the same
  for primals rounded to a narrower format computes in that.

The first counts up to `EXCUSE` times the largest entry of the residual, the conditioning and the
roughness; the trembling up to its own limit; the conditioning and the roughness always.

Jumps are no noise. A tie that is nearer than rounding is settled by it, and float32 may settle it
at this point as at none of those where noise was measured. Then it gives the right gradient of the
other side, which float64 has beside the point: that much, and no more, it may be off by.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from reference_impls.computation import Array, Arrays, Vjp, cast, copies
from reference_impls.function import Function
from verify.checks.case import Case, Stream
from verify.checks.first_order.oracle import Values
from verify.diagnosis.rounding import Format, narrower_than
from verify.error_model.arrays import largest, pair, unit_roundoff
from verify.error_model.jumps import in_noise, largest_bends, measure_bends
from verify.error_model.measurement import (
    PROBES,
    fits_float32,
    is_wild,
    measure_conditioning,
    measure_noise,
    nudged,
)
from verify.error_model.noise import EXCUSE, INSTABILITY, PAIRING, VALUE, Noise
from verify.oracles.careful import noise_of_steps, reach_of

FURTHER = 0.75
"""Times the primals, towards 0: a step that leaves few domains, and all small stairs."""


@dataclass(frozen=True)
class Appeal:
    """All the rounding that there is reason to allow one implementation at a case's point.

    Attributes:
        case: the point.
        function: the implementation.
        own: what it differs by between float32 and float64, with nothing cut off.
    """

    case: Case
    function: Function
    own: Noise

    @cached_property
    def noise(self) -> Noise:
        """By all these measures."""
        errors = {
            name: np.maximum(
                np.minimum(self._between_dtypes(name), EXCUSE * self._limit(name)),
                self._always(name),
            )
            for name in self.own.errors
        }
        return replace(self.own, errors=errors)

    def _between_dtypes(self, name: str) -> Array:
        """Of two points an entry's noise may be small by luck; of `PROBES` more it is not."""
        again = self._again
        return (
            np.maximum(self.own.errors[name], again.errors[name])
            if again
            else self.own.errors[name]
        )

    @cached_property
    def _again(self) -> Noise | None:
        case = self.case
        if self.own.apart or not fits_float32(case.primals):
            return None
        points = nudged(case.primals, case.cotangent, case.generator(Stream.BETWEEN_DTYPES), PROBES)
        return measure_noise(self.function, points, case.directions, case.wrt)

    def _limit(self, name: str) -> float:
        moved = largest(self.conditioning.get(name, np.zeros(())))
        rough = self.rough * self.own.scale[name]
        usual = (self.own.spread[name], self.terms(name), moved, rough)
        # An entry may be what is left of terms whose sizes are those of the value: p (1 - p), with
        # p rounded.
        return max(usual) + max(self.own.size(name), self.own.natural[name])

    @cached_property
    def in_doubt(self) -> Noise:
        """The same, with all that trembles, or that the value loses: it decides nothing."""
        # Where the value loses digits to rounding, a gradient may lose as many.
        size = self.own.size(VALUE)
        lost = self.own.typical[VALUE] / size if size else 0.0
        errors = {
            name: np.maximum(
                np.maximum(array, self._trembling_of(name, INSTABILITY)),
                lost * self.own.scale[name],
            )
            for name, array in self.noise.errors.items()
        }
        return replace(self.own, errors=errors)

    def _always(self, name: str) -> Array:
        most = INSTABILITY if self.case.dtype == "float64" else EXCUSE
        moved = self.conditioning.get(name, np.zeros(()))
        moved = np.maximum(moved, self._trembling_of(name, most))
        return np.maximum(moved, self.rough * self.own.scale[name])

    def _trembling_of(self, name: str, most: float) -> Array:
        scale = self.own.scale[name]
        trembling = self._trembling.get(name, np.zeros(()))
        return np.where(trembling > INSTABILITY * scale, 0.0, np.minimum(trembling, most * scale))

    @property
    def rough(self) -> float:
        """The roughness in units of the case's own dtype; what else float32 loses, it shows."""
        return self.roughness * unit_roundoff(np.float64) / self._unit

    def terms(self, name: str) -> float:
        """The largest term that cancels in an array, as far as residuals tell.

        Terms of x̄ and w̄ that come of one x w are in the ratio of w to x: what cancels in w̄ before u
        comes in, shows in x̄.
        """
        if name not in self._residuals:
            return 0.0
        own = largest(self._residuals[name]) / self._unit
        size = self._sizes.get(name)
        if not size:
            return own
        each = (largest(self._residuals[other]) * its for other, its in self._sizes.items())
        return max(own, max(each, default=0.0) / (size * self._unit))

    @property
    def _sizes(self) -> dict[str, float]:
        primals, names = self.case.primals, self.case.wrt
        return {name: largest(primals[name][np.isfinite(primals[name])]) for name in names}

    @cached_property
    def roughness(self) -> float:
        """The noise of float64 values that lie apart, beside their size, in units of roundoff."""
        if self.computes_in:
            return self.computes_in.unit / unit_roundoff(np.float64)
        size = self.own.natural[PAIRING]
        try:
            phi = Values(self.case, self.function.forward).along(self.case.directions[0])
            reach = reach_of(phi)
            noise = noise_of_steps(phi, reach) if reach else 0.0
        except Exception:  # noqa: BLE001 -- there are no values beside the primals
            return 0.0
        return noise / size / unit_roundoff(np.float64) if size else 0.0

    @cached_property
    def computes_in(self) -> Format | None:
        """The format that the function rounds its primals to, if that is a narrower one.

        It gives the same for primals that are rounded to it, though they have more digits, and
        something else for numbers of that format not far off: `round` itself hardly ever does.
        """
        try:
            return next(
                filter(self._is_all_it_sees, narrower_than(unit_roundoff(np.float64))), None
            )
        except Exception:  # noqa: BLE001 -- it refuses such numbers, and so does not compute in them
            return None

    def _is_all_it_sees(self, each: Format) -> bool:
        primals, names = self._with_more_digits_than(each), self.case.wrt
        nearby = 1 + 16 * each.unit

        def value(moved: Sequence[str], by: float = nearby) -> Array:
            times = {name: by if name in moved else 1.0 for name in names}
            rounded = {name: each.rounding(times[name] * primals[name]) for name in names}
            return self.function.forward(primals | cast(rounded, np.float64))

        here = self.function.forward(copies(primals))
        finer = [name for name in names if np.any(each.rounding(primals[name]) != primals[name])]
        if not (finer and np.array_equal(value([]), here)):
            return False
        # Of an argument that hardly moves the value, a rounding would not be seen at all.
        seen = 64 * np.spacing(np.abs(here))
        is_seen = all(np.any(np.abs(value([name]) - here) > seen) for name in finer)
        # What a ReLU stills, no step moves. Of a staircase, a longer step moves far more.
        moved, further = (np.abs(value(finer, by) - here) > seen for by in (nearby, FURTHER))
        return is_seen and bool(np.count_nonzero(moved) > np.count_nonzero(further) / 2)

    def _with_more_digits_than(self, each: Format) -> Arrays:
        """The primals in float64; those that are all numbers of float32, with digits beyond it."""
        primals = cast(self.case.primals, np.float64)
        if self.case.dtype == "float64" or each.unit > self._unit:
            return primals
        beyond = 1 + self._unit / 8
        return primals | {name: np.asarray(beyond * primals[name]) for name in self.case.wrt}

    @property
    def _unit(self) -> float:
        return unit_roundoff(self.case.dtype)

    @cached_property
    def _residuals(self) -> Arrays:
        try:
            _, vjp = self.function.make_vjp(copies(self.case.primals))
            rng = self.case.generator(Stream.DOUBT)
            return residuals_of(vjp, self.case.cotangent, self.case.directions, rng)
        except Exception:  # noqa: BLE001 -- it did not raise when it counted
            return {}

    @cached_property
    def jumps(self) -> Arrays:
        """As noise, how far results jump where float32 may be on the other side of a tie."""
        return {name: in_noise(jump) for name, jump in largest_bends(self._bends).items()}

    @cached_property
    def _bends(self) -> list[Arrays]:
        case = self.case
        if case.dtype == "float64" or not fits_float32(case.primals):
            return []
        point = case.primals, case.cotangent
        rng = case.generator(Stream.TIES)
        return measure_bends(self.function, point, case.directions, case.wrt, rng)

    def beside_ties(self, noise: Arrays) -> Arrays:
        """The noise of some of the arrays, or of an entry the jump where that is larger."""
        return {
            name: np.maximum(array, self.jumps[name]) if name in self.jumps else array
            for name, array in noise.items()
        }

    def jumps_along(self, tangents: Arrays) -> list[float]:
        """By how much ⟨Jᵀu, v⟩ jumps, with its sign, for a v of the case's directions."""
        directions = self.case.directions
        place = next((k for k, v in enumerate(directions) if v is tangents), None)
        return [] if place is None else [float(bend[PAIRING][place]) for bend in self._bends]

    @cached_property
    def conditioning(self) -> Arrays:
        """The root mean square change of float64 results when the input moves by one rounding."""
        case = self.case
        if not fits_float32(case.primals):
            return self._trembling
        moved = self._movement(np.float32)
        ratio = unit_roundoff(np.float64) / unit_roundoff(np.float32)
        return {name: ratio * errors for name, errors in moved.items()} or self._trembling

    @cached_property
    def _trembling(self) -> Arrays:
        """The same over a rounding of float64, which all the rounding inside shows in as well."""
        return self._movement(np.float64)

    def _movement(self, dtype: npt.DTypeLike) -> Arrays:
        case = self.case
        wide = cast(case.primals, np.float64), case.cotangent.astype(np.float64)
        points = nudged(*wide, case.generator(Stream.DOUBT), PROBES + 1, dtype)
        moved = measure_conditioning(self.function, points, case.directions, np.float64, case.wrt)
        return moved.errors if moved else {}


def if_one_function(case: Case, function: Function, noise: Noise) -> Noise:
    """The noise, or that of float64 alone where float32's values are another function's.

    Random numbers with a seed, for one, are others in the other dtype. An algorithm that is merely
    unstable in float32 is as unstable in float64, in units of its roundoff, and rough for it.

    Args:
        case: the point.
        function: the one implementation that there is.
        noise: of it, from float32.
    """
    if not is_wild(noise, [VALUE]):
        return noise
    appeal = Appeal(case, function, noise)
    if INSTABILITY * appeal.roughness * noise.size(VALUE) > noise.typical[VALUE]:
        return noise
    rng = case.generator(Stream.ONE_DTYPE)
    wide = cast(case.primals, np.float64), case.cotangent.astype(np.float64)
    points = nudged(*wide, rng, PROBES + 1, np.float64)
    alone = measure_conditioning(function, points, case.directions, np.float64, case.wrt)
    return replace(alone, apart=True) if alone else noise


def residuals_of(
    vjp: Vjp, cotangent: Array, tangents: Sequence[Arrays], rng: np.random.Generator
) -> Arrays:
    """vjp(u₁) + vjp(u₂) - vjp(u₁ + u₂), by argument, for Gaussian u's of the size of this one.

    Args:
        vjp: at the primals.
        cotangent: u.
        tangents: the directions v, along which the residual is paired as well.
        rng: of u₁ and u₂.
    """
    size = largest(cotangent) or 1.0
    one, other = (
        np.asarray((size * rng.standard_normal(cotangent.shape)).astype(cotangent.dtype))
        for _ in range(2)
    )
    # A VJP may write each answer where it wrote the last.
    of_one, of_other, of_both = (
        {name: np.array(array, np.float64) for name, array in vjp(each).items()}
        for each in (one, other, np.asarray(one + other))
    )
    residuals = {name: of_one[name] + of_other[name] - of_both[name] for name in of_one}
    return residuals | {PAIRING: np.asarray([pair(residuals, each) for each in tangents])}
