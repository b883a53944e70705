"""How far a correct implementation may be off: an error model, not a constant.

Rounding errors are proportional to the unit roundoff u of the dtype, so float32 shows those of
float64 magnified 2²⁹ times. Each implementation is run in both, at the same points: the root mean
square difference of an entry, over a few points one rounding apart, is its *noise*, counted in u.
It holds what any analysis of the code would have to find: conditioning, cancellation, the order
in which terms are added. A fault common to both dtypes does not show in it. The error allowed an
entry, in either dtype, is

    SAFETY · u · (scale + noise)

with scale the largest entry beside it; two implementations may differ by the sum of their noises.
A wild implementation must not excuse itself: one whose noise is `INSTABILITY` times that of the
median implementation is reported for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reference_impls.backends import Backend
from reference_impls.computation import Array, Arrays, Computation, cast

SAFETY = 32.0
"""Noise is one standard deviation of an error. The worst of a million such errors is five; a
deviation estimated from a few points may be three times too small; and matrix products of the two
dtypes are blocked differently, which is worth another factor of two."""

INSTABILITY = 1000.0
"""Adding n terms in another order may cost √n more; three digits lost against the others is more
than that explains."""

PROBES = 6
"""Enough that an entry's noise is not missed by chance: the probability that six normal numbers
are all below a tenth of their deviation is 10⁻⁷."""


@dataclass(frozen=True)
class Noise:
    """Rounding error of one implementation, entry by entry, in units of the unit roundoff.

    Attributes:
        value: of f's value, under the key ``value``.
        cotangents: of Jᵀu, by argument.
        pairings: of ⟨Jᵀu, v⟩, by direction v.
    """

    value: Arrays
    cotangents: Arrays
    pairings: Array


def unit_roundoff(dtype: npt.DTypeLike) -> float:
    """Half the spacing of floats at 1: 1.1e-16 in float64, 6.0e-8 in float32."""
    return float(np.finfo(np.dtype(dtype)).eps) / 2


def nudged(
    primals: Arrays, cotangent: Array, rng: np.random.Generator
) -> list[tuple[Arrays, Array]]:
    """`PROBES` float32 copies, every entry moved by one rounding up, down, or not at all."""
    return [
        ({name: _nudge(primal, rng) for name, primal in primals.items()}, _nudge(cotangent, rng))
        for _ in range(PROBES)
    ]


def measure_noise(
    computation: Computation,
    backend: Backend,
    points: Sequence[tuple[Arrays, Array]],
    directions: Sequence[Arrays],
) -> Noise | None:
    """The noise of one implementation, or None if it does not give finite numbers in both dtypes.

    Args:
        computation: the function f.
        backend: its implementation.
        points: float32 primals and cotangents u, from `nudged`.
        directions: the tangents v.
    """
    try:
        errors = [_errors(computation, backend, *point) for point in points]
    except Exception:  # noqa: BLE001 -- what an implementation raises, its contract check reports
        return None
    cotangents = [error for _, error in errors]
    pairings = [[pair(error, tangents) for tangents in directions] for error in cotangents]
    noise = Noise(
        value=_root_mean_square([value for value, _ in errors]),
        cotangents=_root_mean_square(cotangents),
        pairings=np.sqrt(np.mean(np.square(pairings), axis=0)),
    )
    finite = all(np.isfinite(array).all() for array in (noise.value | noise.cotangents).values())
    return noise if finite else None


def pair(cotangents: Arrays, tangents: Arrays) -> float:
    """⟨Jᵀu, v⟩ in float64, summed pairwise: a BLAS dot product would add an error of its own."""
    return float(
        sum(
            np.sum(np.multiply(cotangents[name], tangent, dtype=np.float64))
            for name, tangent in tangents.items()
        )
    )


def _nudge(array: Array, rng: np.random.Generator) -> Array:
    single = array.astype(np.float32)
    moves = rng.integers(-1, 2, array.shape, dtype=np.int8).astype(np.float32)
    return np.asarray(single * (1 + np.finfo(np.float32).eps * moves))


def _errors(
    computation: Computation, backend: Backend, primals: Arrays, cotangent: Array
) -> tuple[Arrays, Arrays]:
    single, vjp = backend.make_vjp(computation, primals)
    double, wide_vjp = backend.make_vjp(computation, cast(primals, np.float64))
    wide = wide_vjp(cotangent.astype(np.float64))
    unit = unit_roundoff(np.float32)
    cotangents = {name: (array - wide[name]) / unit for name, array in vjp(cotangent).items()}
    return {"value": (single - double) / unit}, cotangents


def _root_mean_square(samples: Sequence[Arrays]) -> Arrays:
    return {
        name: np.sqrt(sum(np.square(sample[name]) for sample in samples) / len(samples))
        for name in samples[0]
    }
