"""Derivatives at a case's point from the values of one implementation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reference_impls.computation import Array, Arrays, cast, copies
from verify.checks.case import Case
from verify.diagnosis import Derivative
from verify.error_model.arrays import inner, pairing_norm, unit_roundoff
from verify.error_model.noise import Noise
from verify.oracles.careful import carefully, noise_between_kinks, noise_of_steps, reach_of
from verify.oracles.complex_step import COMPLEX, complex_step
from verify.oracles.derivative import FEWEST, between_kinks, derivative, quickly, remembered
from verify.oracles.estimate import Estimate, Functional, Scalar, is_blunt, or_nan
from verify.oracles.one_sided import Sides, inside_guard, is_folded, kink_at
from verify.oracles.richardson import richardson
from verify.oracles.sparing import Sparing

Forward = Callable[[Mapping[str, Array]], Array]
"""From primals to f's value."""


@dataclass(frozen=True)
class Values:
    """f's values near a case's point, in float64: what an oracle differentiates.

    Attributes:
        case: the point and the cotangent u.
        forward: f's value.
    """

    case: Case
    forward: Forward

    def along(self, tangents: Arrays, start: float = 0.0) -> Functional:
        """φ(h) = ⟨u, f(x + (start + h) v)⟩, in complex128 for a complex h.

        All that f is differentiated by is complex then, moved or not: assigned into an array that
        was made of a real one, a complex number loses its imaginary part.

        Args:
            tangents: v, by argument; those not named are not moved.
            start: how far from x the derivative is wanted.
        """
        if not start:
            for own, phi in zip(self.case.directions, self._along_own, strict=True):
                if own is tangents:
                    return phi
        return self._functional(tangents, start)

    @cached_property
    def _along_own(self) -> list[Functional]:
        """Along the case's directions, each value taken once: they are asked for time and again."""
        return [remembered(self._functional(each, 0.0)) for each in self.case.directions]

    def _functional(self, tangents: Arrays, start: float) -> Functional:
        primals = cast(self.case.primals, np.float64)
        wide = cast(tangents, np.float64)
        cotangent = self.case.cotangent.astype(np.float64)

        def phi(h: Scalar) -> Scalar:
            if start == h == 0 and not isinstance(h, complex):
                return self._here
            moved = {name: np.asarray((start + h) * wide[name]) for name in wide}
            for name in moved:
                moved[name] += primals[name]
            if isinstance(h, complex):
                still = (name for name in self.case.wrt if name not in moved)
                moved |= {name: primals[name].astype(np.complex128) for name in still}
            return np.sum(cotangent * self.forward(primals | moved)).item()

        return phi

    @cached_property
    def _here(self) -> float:
        """φ(0), along whatever."""
        # Copies: whoever writes to them shall not move the point.
        value = self.forward(copies(cast(self.case.primals, np.float64)))
        return inner(self.case.cotangent, value)

    def in_float32(self, tangents: Arrays) -> Functional:
        """φ(h) = ⟨u, f(x + h v)⟩, with f computed in float32."""
        primals = cast(self.case.primals, np.float64)
        wide = cast(tangents, np.float64)

        def phi(h: Scalar) -> Scalar:
            moved = {name: np.asarray(primals[name] + h * wide[name]) for name in wide}
            value = self.forward(cast(primals | moved, np.float32))
            return inner(self.case.cotangent, value)

        return phi


@dataclass(frozen=True)
class Oracle:
    """Derivatives from values.

    Attributes:
        values: f's.
        estimates: ⟨u, J v⟩ along the case's directions v.
        kinks: the two derivatives along a direction, where they are not one; empty where the
            function is differentiable.
        points: how many the noise of an estimate is measured at.
        noise: of φ.
    """

    values: Values
    estimates: tuple[Estimate, ...]
    kinks: tuple[Sides, ...]
    points: int
    noise: float

    @classmethod
    def of(
        cls, values: Values, noise: Noise, points: int, cotangents: Sequence[Arrays] = ()
    ) -> "Oracle":
        """At a case's primals, in float64.

        Args:
            values: f's.
            noise: of f at the primals.
            points: how many to measure noise at; if less than `FEWEST`, `quickly`.
            cotangents: Jᵀu of the implementations: the smallest tell of what size the terms of
                ⟨Jᵀu, v⟩ are. Wrong ones make the oracle blunt, but not beside their own size.

        Raises:
            Exception: whatever `forward` raises beside the primals.
        """
        directions = values.case.directions
        phis = [values.along(tangents) for tangents in directions]
        scales = [
            min((pairing_norm(each, tangents) for each in cotangents), default=0.0)
            for tangents in directions
        ]
        # The points x + hv are rounded, too.
        rounding = unit_roundoff(np.float64) * (noise.functional + max(scales))
        try:
            estimates = (
                quickly(phis, scales, rounding)
                if points < FEWEST
                else [derivative(phi, points) for phi in phis]
            )
        except Exception:
            # The domain may end within a step: there are shorter ones.
            phis = [or_nan(phi) for phi in phis]
            estimates = [carefully(phi) for phi in phis]
            if not all(np.isfinite(estimate.error_bar) for estimate in estimates):
                raise
        points = max(points, FEWEST)
        looks = zip(phis, estimates, scales, strict=True)
        blunt = [phi for phi, estimate, scale in looks if is_blunt(estimate, scale)]
        return cls(values, tuple(estimates), _kinks_of(blunt), points, rounding)

    def truth(self, tangents: Arrays) -> Estimate:
        """⟨u, J v⟩ along any tangents v, by argument.

        Directions that move every entry show whether the complex step is valid for this code. A
        single entry's derivative may be too small beside the sum φ to show it again.
        """
        phi = self.values.along(tangents)
        if not all(estimate.oracle == COMPLEX for estimate in self.estimates):
            return derivative(phi, self.points)
        try:
            return complex_step(phi, self.points)
        except Exception:  # noqa: BLE001 -- it may have turned where complex numbers are refused
            return richardson(phi, self.points)

    def for_diagnosis(self, got: Arrays, *, by_values: bool, is_sharp: bool = False) -> Derivative:
        """`truth`, or `by_values`, for many tangents and with few values for each.

        Args:
            got: Jᵀu of an implementation, for the size of the terms.
            by_values: is the complex step not to be believed?
            is_sharp: is what is to be seen so small that it takes all digits?
        """
        if not by_values and all(each.oracle == COMPLEX for each in self.estimates):
            return self._by_one_step
        sparing = Sparing(self.noise, self.values.case.dtype, is_sharp=is_sharp)

        def sparingly(tangents: Arrays) -> Estimate:
            moved = sum(int(np.count_nonzero(v)) for v in tangents.values())
            alike = {name: v for name, v in tangents.items() if got[name].shape == v.shape}
            scale = pairing_norm(got, alike)
            return sparing.along(self.values.along(tangents), scale, is_entry=moved == 1)

        return sparingly

    def _by_one_step(self, tangents: Arrays) -> Estimate:
        phi = self.values.along(tangents)
        try:
            return complex_step(phi, 1)
        except Exception:  # noqa: BLE001 -- it may have turned where complex numbers are refused
            return richardson(phi)

    def by_values(self, tangents: Arrays) -> Estimate:
        """The same from real values alone."""
        return richardson(self.values.along(tangents))

    def carefully(self, tangents: Arrays) -> Estimate:
        """The same before an accusation: see `verify.oracles.careful`."""
        return carefully(self.values.along(tangents), self.values.in_float32(tangents))

    def between_kinks(self, tangents: Arrays, scale: float) -> Estimate:
        """The same from the shortest steps; the scale is the size of the terms."""
        phi = remembered(self.values.along(tangents))
        return between_kinks(phi, scale, max(self.noise, noise_between_kinks(phi)))

    def sides(self, tangents: Arrays) -> Sides | None:
        """The derivatives on the two sides, where they are not one."""
        return kink_at(self.values.along(tangents))

    def is_kinked(self, unit: float, size: float) -> bool:
        """Is there a kink, over steps that show in values which are rounded inside?

        Args:
            unit: the unit roundoff of the format that they are rounded to.
            size: of the value's terms.
        """
        # Of as many digits as there are, half are left to the step, and half to what it moves.
        step = float(np.sqrt(unit))
        phis = [self.values.along(each) for each in self.values.case.directions]
        return any(kink_at(phi, unit * size, step) is not None for phi in phis)

    def inside_guard(self, tangents: Arrays) -> Estimate:
        """⟨u, J v⟩ from steps that stay within a guard of the function's."""
        return inside_guard(self.values.along(tangents))

    def is_folded(self, coordinates: Array, tangents: Sequence[Arrays]) -> bool:
        """Do the derivatives along sums of tangents belong to no linear map?

        Args:
            coordinates: of each sum, a row.
            tangents: of the sums, fewer than there are of these.
        """
        wide = [cast(each, np.float64) for each in tangents]
        sums = [
            {name: sum(c * v[name] for c, v in zip(row, wide, strict=True)) for name in wide[0]}
            for row in coordinates
        ]
        return is_folded([self.values.along(each) for each in sums], coordinates, self.noise)

    def beside(self, direction: int, step: float, *, is_careful: bool = False) -> Estimate:
        """⟨u, J v⟩ at x + h v, for one of the case's directions v and a step h."""
        phi = self.values.along(self.values.case.directions[direction], step)
        return carefully(phi) if is_careful else derivative(phi, self.points)


def _kinks_of(phis: Sequence[Functional]) -> tuple[Sides, ...]:
    """Kinks, but not the steps of values that are rounded more than their dtype is."""
    found = [phi for phi in phis if kink_at(phi)]
    if not found:
        return ()
    reach = reach_of(found[0])
    noise = noise_of_steps(found[0], reach, first=0) if reach else 0.0
    return tuple(sides for phi in found if (sides := kink_at(phi, noise)))


@dataclass(frozen=True)
class NoOracle:
    """Why there is nothing to hold gradients against, and what was raised if anything was."""

    reason: str
    cause: BaseException | None = None
