"""Nothing is timed before it is known to be right.

What the benchmark is about to time runs once, and its output is held against the manual
derivation in float64, itself held against torch, within the tolerance of `verify.error_model`.

The formulations of an argmin layer are held against the closed form, within a tolerance that lets
through a solver which stops early: how early is a column of the results, not a fault.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from reference_impls import Array, Arrays, Backend, Computation, Manual, Torch, draw
from reference_impls.computation import cast
from reference_impls.engines import registered
from reference_impls.engines.backend import seed_cotangent
from reference_impls.function import implementations
from verify.checks.check import Worst
from verify.checks.compare import worst_entry
from verify.error_model.measurement import measure_noise


@dataclass(frozen=True)
class Reference:
    """The value and cotangents that every implementation must reproduce, and their noise.

    Attributes:
        value: in float64, under the key ``value``.
        cotangents: in float64, by argument, for the seed cotangent.
        noise: the largest of each array, of any implementation, in units of the unit roundoff.
    """

    value: Arrays
    cotangents: Arrays
    noise: Arrays


def hold_against_reference(
    computation: Computation, size: int, dtype: str, value: Arrays, cotangents: Arrays
) -> Worst:
    """The worst entry of a result at the primals of `draw`, in units of its tolerance.

    Args:
        computation: what was computed.
        size: of its primals.
        dtype: of its primals.
        value: under the key ``value``.
        cotangents: by argument, for the seed cotangent; empty when only the value was computed.
    """
    reference = _reference(computation, size, dtype)
    found = [worst_entry(value, reference.value, reference.noise)]
    if cotangents:
        found.append(worst_entry(cotangents, reference.cotangents, reference.noise))
    return max(found, key=lambda worst: worst.error / worst.tolerance)


# The cases of one computation, size and dtype follow one another.
@lru_cache(maxsize=1)
def _reference(computation: Computation, size: int, dtype: str) -> Reference:
    primals = draw(computation, size, dtype)
    reference = _float64_result(Manual(), computation, primals)
    noise = _largest_noise(computation, primals)
    other = _float64_result(Torch(), computation, primals)
    for one, another in zip(reference, other, strict=True):
        worst = worst_entry(one, another, noise)
        if not worst.accepted:
            raise AssertionError(
                f"{computation.name} {size} {dtype}: manual and torch disagree, "
                f"{worst.argument}{worst.index}: {worst.got!r} against {worst.expected!r}; "
                f"python -m verify {computation.name} --size {size} says more"
            )
    return Reference(*reference, noise)


def _float64_result(
    backend: Manual | Torch, computation: Computation, primals: Arrays
) -> tuple[Arrays, Arrays]:
    value, vjp = backend.make_vjp(computation, cast(primals, np.float64))
    return {"value": value}, vjp(seed_cotangent(value))


def _largest_noise(computation: Computation, primals: Arrays) -> Arrays:
    single = cast(primals, np.float32)
    value, _ = Manual().make_vjp(computation, single)
    points = [(single, seed_cotangent(value))]
    largest: Arrays = {}
    for implementation in implementations(computation, registered("cpu")):
        noise = measure_noise(implementation, points, (), computation.wrt)
        for name, array in (noise.value | noise.cotangents).items() if noise else ():
            level = np.full(array.shape, array.max())
            largest[name] = np.maximum(largest.get(name, level), level)
    return largest


LARGEST_LAYER_ERROR = 1e-3
"""Of a layer's value, and of its cotangents together: the tutorial's solver stops at 4e-4."""

LARGEST_ARGUMENT_ERROR = 1e-2
"""Of each cotangent: without it, one of small norm could be missing from all of them together."""


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
