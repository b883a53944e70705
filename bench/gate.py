"""Nothing is timed before it is known to be right.

What the benchmark is about to time runs once, and its output is held against the manual
derivation in float64, itself held against torch, within the tolerance of `verify.tolerance`.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from reference_impls import BACKENDS, Arrays, Computation, Manual, Torch, draw
from reference_impls.backends import seed_cotangent
from reference_impls.computation import cast
from verify.compare import Worst, worst_entry
from verify.tolerance import measure_noise


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
    for backend in BACKENDS:
        noise = measure_noise(computation, backend, points, directions=())
        for name, array in (noise.value | noise.cotangents).items() if noise else ():
            level = np.full(array.shape, array.max())
            largest[name] = np.maximum(largest.get(name, level), level)
    return largest
