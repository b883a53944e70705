"""Derivatives at a case's point from the values of one implementation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reference_impls.computation import Array, Arrays, cast
from verify.checks.case import Case
from verify.error_model.arrays import pairing_norm, unit_roundoff
from verify.error_model.noise import Noise
from verify.oracles.complex_step import COMPLEX, complex_step
from verify.oracles.derivative import FEWEST, between_kinks, derivative, quickly
from verify.oracles.estimate import Estimate, Functional, Scalar, is_blunt
from verify.oracles.one_sided import Sides, kink_at
from verify.oracles.richardson import richardson

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
        primals = cast(self.case.primals, np.float64)
        wide = cast(tangents, np.float64)
        cotangent = self.case.cotangent.astype(np.float64)

        def phi(h: Scalar) -> Scalar:
            moved = {name: np.asarray((start + h) * wide[name]) for name in wide}
            for name in moved:
                moved[name] += primals[name]
            if isinstance(h, complex):
                still = (name for name in self.case.wrt if name not in moved)
                moved |= {name: primals[name].astype(np.complex128) for name in still}
            return np.sum(cotangent * self.forward(primals | moved)).item()

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
        if points < FEWEST:
            estimates, points = quickly(phis, scales, rounding), FEWEST
        else:
            estimates = [derivative(phi, points) for phi in phis]
        sides = [
            kink_at(phi) if is_blunt(estimate, scale) else None
            for phi, estimate, scale in zip(phis, estimates, scales, strict=True)
        ]
        kinks = tuple(each for each in sides if each)
        return cls(values, tuple(estimates), kinks, points, rounding)

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

    def by_values(self, tangents: Arrays) -> Estimate:
        """The same from real values alone."""
        return richardson(self.values.along(tangents))

    def between_kinks(self, tangents: Arrays, scale: float) -> Estimate:
        """The same from the shortest steps; the scale is the size of the terms."""
        return between_kinks(self.values.along(tangents), scale, self.noise)

    def sides(self, tangents: Arrays) -> Sides | None:
        """The derivatives on the two sides, where they are not one."""
        return kink_at(self.values.along(tangents))

    def beside(self, direction: int, step: float) -> Estimate:
        """⟨u, J v⟩ at x + h v, for one of the case's directions v and a step h."""
        tangents = self.values.case.directions[direction]
        return derivative(self.values.along(tangents, step), self.points)


@dataclass(frozen=True)
class NoOracle:
    """Why there is nothing to hold gradients against."""

    reason: str
