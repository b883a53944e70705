"""The rounding noise of every implementation at a case's point, and what they all are allowed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reference_impls.computation import Arrays
from reference_impls.function import Function
from verify.checks.case import Case, Stream
from verify.error_model.measurement import PROBES, measure_noises
from verify.error_model.noise import FUNCTIONAL, PAIRING, VALUE, Noise, largest_of, pooled


@dataclass(frozen=True)
class Noises:
    """What rounding does at one point. It holds for both dtypes, so it is measured for one.

    Attributes:
        each: by implementation, its noise; of those that give finite numbers.
        allowed: what all of them together are allowed; where none gives a gradient, their values.
    """

    each: Mapping[str, Noise]
    allowed: Noise

    @cached_property
    def measured(self) -> Noise:
        """The largest of each, however large."""
        return largest_of(list(self.each.values())) if self.each else self.allowed

    @classmethod
    def of_one(cls, name: str, noise: Noise) -> "Noises":
        """Of one implementation that stands alone."""
        return cls({name: noise}, pooled([noise]))

    def of_each(self, name: str) -> Noise:
        """An implementation's own, however large; what all are allowed if it has none."""
        return self.each.get(name, self.allowed)

    @classmethod
    def of(cls, case: Case, functions: Sequence[Function], probes: int = PROBES) -> "Noises":
        """Measured at a case's primals.

        Args:
            case: the point; of float64 if there is one.
            functions: the implementations.
            probes: how many neighbouring points to measure at.
        """
        rng = case.rounding_generator()
        point = case.primals, case.cotangent
        each = measure_noises(functions, point, case.directions, rng, probes, case.wrt)
        if each:
            return cls(each, pooled(list(each.values())))
        # Where nobody gives a gradient, values may still be right, and are compared.
        silence = _silence(case)
        values = measure_noises(functions, point, (), rng, probes, wrt=())
        pool = silence.with_noise_of(pooled(list(values.values()))) if values else silence
        return cls({}, pool)

    @classmethod
    def anew(cls, case: Case, primals: Arrays, functions: Sequence[Function]) -> "Noises | None":
        """Measured with other roundings at primals beside a case's, or at those; None if it fails.

        Args:
            case: the cotangent and the directions.
            primals: of float64, or of the only dtype there is.
            functions: the implementations.
        """
        point = primals, case.cotangent.astype(np.float64)
        rng = case.generator(Stream.ANEW)
        each = measure_noises(functions, point, case.directions, rng, PROBES, case.wrt)
        return cls(each, pooled(list(each.values()))) if each else None


def _silence(case: Case) -> Noise:
    shapes = {VALUE: case.cotangent.shape, FUNCTIONAL: (), PAIRING: (len(case.directions),)}
    return Noise.silent(shapes | {name: case.primals[name].shape for name in case.wrt})
