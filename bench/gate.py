"""Nothing is timed before it is known to be right.

A benchmark runs once before it is timed. Its output must be that of the manual derivation in
float64, within the tolerance of `verify.error_model`; and that derivation must agree with torch.
Where a computation lacks one of the two bodies, another implementation stands in for it.

A formulation of an argmin layer must agree with the closed form, but only roughly. Its solver may
stop early: that is no fault, and the results have a column for how far off it is.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from reference_impls import Array, Arrays, Backend, Computation, Manual, Torch, draw
from reference_impls.computation import cast
from reference_impls.engines import registered
from reference_impls.engines.backend import seed_cotangent
from reference_impls.function import Implementation, implementations
from verify.checks.check import Worst
from verify.checks.compare import worst_entry
from verify.error_model.measurement import PROBES, measure_noises
from verify.error_model.noise import pooled


@dataclass(frozen=True)
class RightAnswer:
    """The value and cotangents that every implementation must reproduce, and their noise.

    Attributes:
        value: in float64, under the key ``value``.
        cotangents: in float64, by argument, for the seed cotangent.
        noise: what rounding may cost each entry of them, in units of the unit roundoff.
    """

    value: Arrays
    cotangents: Arrays
    noise: Arrays


def hold_against_reference(
    computation: Computation, size: int, dtype: str, value: Arrays, cotangents: Arrays
) -> Worst:
    """Compare a result at the primals of `draw` with the reference.

    Args:
        computation: what was computed.
        size: of its primals.
        dtype: of its primals.
        value: under the key ``value``.
        cotangents: by argument, for the seed cotangent; empty when only the value was computed.

    Returns:
        The entry whose error is largest in units of its tolerance.

    Raises:
        AssertionError: the reference itself is in doubt, as two implementations disagree.
    """
    reference = _reference(computation, size, dtype)
    found = [worst_entry(value, reference.value, reference.noise)]
    if cotangents:
        found.append(worst_entry(cotangents, reference.cotangents, reference.noise))
    return max(found, key=lambda worst: worst.in_tolerances)


# pytest runs the cases of one computation, size and dtype one after another.
@lru_cache(maxsize=1)
def _reference(computation: Computation, size: int, dtype: str) -> RightAnswer:
    primals = draw(computation, size, dtype)
    noise = _noise(computation, size)
    first, *others = _trusted(computation)
    reference = _reference_of(first, primals, noise)
    for second in others[:1]:
        other = _reference_of(second, primals, noise)
        for one, another in (
            (reference.value, other.value),
            (reference.cotangents, other.cotangents),
        ):
            worst = worst_entry(one, another, noise)
            if not worst.accepted:
                raise AssertionError(
                    f"{computation.name} {size} {dtype}: {first.name} and {second.name} disagree, "
                    f"{worst.argument}{worst.index}: {worst.got!r} against {worst.expected!r}; "
                    f"python -m verify {computation.name} --size {size} says more"
                )
    return reference


def _trusted(computation: Computation) -> list[Implementation]:
    """The implementations on the CPU: by hand first, then by torch, as far as there are bodies."""
    names = [Manual.name, Torch.name]
    backends = sorted(
        registered("cpu"), key=lambda each: names.index(each.name) if each.name in names else 2
    )
    return implementations(computation, backends)


def _reference_of(function: Implementation, primals: Arrays, noise: Arrays) -> RightAnswer:
    value, vjp = function.make_vjp(cast(primals, np.float64))
    return RightAnswer({"value": value}, vjp(seed_cotangent(value)), noise)


# Both dtypes of one computation and size follow one another, too, and share their noise.
@lru_cache(maxsize=1)
def _noise(computation: Computation, size: int) -> Arrays:
    """Measure the noise as `verify` does, by the implementations that run on the CPU."""
    primals = draw(computation, size, "float64")
    value, _ = _trusted(computation)[0].make_vjp(primals)
    noises = measure_noises(
        implementations(computation, registered("cpu")),
        point=(primals, seed_cotangent(value)),
        tangents=(),
        rng=np.random.default_rng(0),
        probes=PROBES,
        wrt=computation.wrt,
    )
    # Never the largest noise as it is: an implementation wrong in one dtype would excuse itself.
    noise = pooled(list(noises.values()))
    return noise.value | noise.cotangents


LARGEST_LAYER_ERROR = 1e-3
"""Of a layer's value, and of its cotangents together: the tutorial's solver stops at 4e-4."""

LARGEST_ARGUMENT_ERROR = 1e-2
"""Of each cotangent. One of small norm hardly counts among all of them together: without this
limit it could be missing."""


@dataclass(frozen=True)
class LayerErrors:
    """How far a layer is from the truth, in relative norms.

    Attributes:
        value: of the value.
        gradient: of all cotangents together.
        by_argument: of each of them.
    """

    value: float
    gradient: float
    by_argument: dict[str, float]

    @property
    def wrong(self) -> str:
        """What is too far off to be timed; empty if nothing is."""
        limits = [
            ("value", self.value, LARGEST_LAYER_ERROR),
            ("gradient", self.gradient, LARGEST_LAYER_ERROR),
            *((name, error, LARGEST_ARGUMENT_ERROR) for name, error in self.by_argument.items()),
        ]
        # Not error > limit, which NaN passes.
        found = [f"{what} off by {e:.1e}" for what, e, limit in limits if not e <= limit]
        return ", ".join(found)


def layer_errors(
    computation: Computation,
    primals: Arrays,
    value: Array,
    cotangents: Arrays,
    *,
    against: Backend | None = None,
) -> LayerErrors:
    """The errors of a layer, or of a network around it.

    Args:
        computation: with the closed form by hand, and the general operator in torch.
        primals: of the computation, in the dtype of what is checked.
        value: what is checked.
        cotangents: by argument, all of them or some, for the seed cotangent.
        against: the closed form, `Manual()`, if not given.
    """
    truth, vjp = (against or Manual()).make_vjp(computation, primals)
    expected = vjp(seed_cotangent(truth))
    differences = {name: got - expected[name] for name, got in cotangents.items()}
    return LayerErrors(
        value=_norm([value - truth]) / _norm([truth]),
        gradient=_norm(differences.values()) / _norm(expected[name] for name in cotangents),
        by_argument={name: _norm([d]) / _norm([expected[name]]) for name, d in differences.items()},
    )


def _norm(arrays: Iterable[Array]) -> float:
    return float(np.sqrt(sum((array**2).sum() for array in arrays)))
