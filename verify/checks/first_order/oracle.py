"""Derivatives at a case's point from the values of one implementation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reference_impls.computation import Array, Arrays, Computation, cast
from reference_impls.engines.backend import Implementation
from verify.checks.case import Case, Result
from verify.checks.check import RefusalError, one_line
from verify.checks.first_order.contract import Observed
from verify.error_model.arrays import pairing_norm, unit_roundoff
from verify.oracles.complex_step import COMPLEX, complex_step
from verify.oracles.derivative import FEWEST, between_kinks, derivative, quickly
from verify.oracles.estimate import Estimate, Functional, Scalar, is_blunt
from verify.oracles.one_sided import Sides, kink_at
from verify.oracles.richardson import richardson

Forward = Callable[[Computation, Arrays], Array]


@dataclass(frozen=True)
class Oracle:
    """Derivatives from the values of one implementation.

    Attributes:
        estimates: ⟨u, J v⟩ along the case's directions v.
        kinks: the two derivatives along a direction, where they are not one; empty where the
            function is differentiable.
        truth: from any tangents v, by argument, to ⟨u, J v⟩.
        by_values: the same, from real values.
        between_kinks: from tangents and the size of the terms to the same, from the shortest steps.
        sides: from any tangents to the two derivatives there, where they are not one.
        beside: from a direction's position and a step h to ⟨u, J v⟩ at x + h v.
    """

    estimates: tuple[Estimate, ...]
    kinks: tuple[Sides, ...]
    truth: Callable[[Arrays], Estimate]
    by_values: Callable[[Arrays], Estimate]
    between_kinks: Callable[[Arrays, float], Estimate]
    sides: Callable[[Arrays], Sides | None]
    beside: Callable[[int, float], Estimate]

    @classmethod
    def of(
        cls, case: Case, forward: Forward, points: int, cotangents: Sequence[Arrays] = ()
    ) -> "Oracle":
        """At a case's primals, in float64.

        Args:
            case: the function and the point.
            forward: its value.
            points: how many to measure noise at; if less than `FEWEST`, `quickly`.
            cotangents: Jᵀu of the implementations: the smallest tell of what size the terms of
                ⟨Jᵀu, v⟩ are. Wrong ones make the oracle blunt, but not beside their own size.

        Raises:
            Exception: whatever `forward` raises beside the primals.
        """
        phis = [functional(case, tangents, forward) for tangents in case.directions]
        scales = [
            min((pairing_norm(each, tangents) for each in cotangents), default=0.0)
            for tangents in case.directions
        ]
        # The points x + hv are rounded, too.
        noise = unit_roundoff(np.float64) * (case.noise.functional + max(scales))
        if points < FEWEST:
            estimates, points = quickly(phis, scales, noise), FEWEST
        else:
            estimates = [derivative(phi, points) for phi in phis]
        sides = [
            kink_at(phi) if is_blunt(estimate, scale) else None
            for phi, estimate, scale in zip(phis, estimates, scales, strict=True)
        ]
        # Directions that move every entry have shown the complex step to be valid for this code. A
        # single entry's derivative may be too small beside the sum φ to show it again.
        is_analytic = all(estimate.oracle == COMPLEX for estimate in estimates)
        differentiate = _by_complex_step if is_analytic else derivative
        return cls(
            tuple(estimates),
            tuple(each for each in sides if each),
            lambda tangents: differentiate(functional(case, tangents, forward), points),
            lambda tangents: richardson(functional(case, tangents, forward)),
            lambda tangents, scale: between_kinks(
                functional(case, tangents, forward), scale, noise
            ),
            lambda tangents: kink_at(functional(case, tangents, forward)),
            lambda direction, step: derivative(_from(phis[direction], step), points),
        )


def _by_complex_step(phi: Functional, points: int) -> Estimate:
    try:
        return complex_step(phi, points)
    except Exception:  # noqa: BLE001 -- its code may have turned where complex numbers are refused
        return richardson(phi, points)


def _from(phi: Functional, step: float) -> Functional:
    return lambda h: phi(step + h)


def functional(case: Case, tangents: Arrays, forward: Forward) -> Functional:
    """φ(h) = ⟨u, f(x + h v)⟩ in float64, or in complex128 for a complex h."""
    primals = cast(case.primals, np.float64)
    wide = cast(tangents, np.float64)
    cotangent = case.cotangent.astype(np.float64)

    def phi(h: Scalar) -> Scalar:
        moved = {name: np.asarray(h * wide[name]) for name in wide}
        for name in moved:
            moved[name] += primals[name]
        return np.sum(cotangent * forward(case.computation, primals | moved)).item()

    return phi


def moved(case: Case, direction: int, step: float) -> Arrays:
    """The primals x + h v, in float64.

    Args:
        case: with x and the directions v.
        direction: which of them.
        step: h.
    """
    primals, tangents = (
        cast(each, np.float64) for each in (case.primals, case.directions[direction])
    )
    return primals | {name: primals[name] + step * tangents[name] for name in tangents}


def oracle_of(
    case: Case,
    named: Mapping[str, Implementation],
    observed: Sequence[Observed],
    sound: Sequence[Result],
    points: int,
) -> Oracle | str:
    """From values that nothing speaks against, or why there is none."""
    trusted = [named[result.name] for result in sound]
    if len(named) == 1:
        # Its gradient may be no array at all: its values are all there is to go by.
        trusted = [named[each.name] for each in observed if not each.refusal]
    if not trusted:
        return "no values to differentiate that nothing speaks against"
    # Bodies that take complex numbers first: the complex step is the sharper oracle.
    forward = max(reversed(trusted), key=lambda each: each.takes_complex).forward
    cotangents = [each.result.cotangents for each in observed if each.result]
    try:
        return Oracle.of(case, forward, points, cotangents)
    except RefusalError as error:
        return f"at a point beside the primals, {error}"
    except Exception as error:  # noqa: BLE001 -- it did not at the primals themselves
        return f"at a point beside the primals it {one_line(error)}"
