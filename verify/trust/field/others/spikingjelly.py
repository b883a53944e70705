"""spikingjelly: spikes with the gradient of a smooth function, and those smooth functions."""

from collections.abc import Iterator
from functools import cache

from reference_impls.engines.pytorch.choice import from_torch
from verify.trust.field.sampled import Sampled, normal, subjects_of
from verify.trust.field.subject import LeftOut, Subject

LIBRARY = "spikingjelly"

SURROGATES = (
    "ATan Erf LeakyKReLU LogTailedReLU NonzeroSignLogAbs PiecewiseExp PiecewiseLeakyReLU "
    "PiecewiseQuadratic QPseudoSpike S2NN Sigmoid SoftSign SquarewaveFourierSeries"
)
"""Of `spikingjelly.activation_based.surrogate`."""


@cache
def functions() -> dict[str, Sampled]:
    """Its functions, by name.

    Raises:
        ImportError: it is not installed.
    """
    from spikingjelly.activation_based import surrogate  # noqa: PLC0415 -- it may be absent

    return {
        f"{name}, {kind}": Sampled(
            from_torch(getattr(surrogate, name)(spiking=kind == "spiking")), (normal((6,)),)
        )
        for name in SURROGATES.split()
        for kind in ("spiking", "smooth")
    }


def subjects(name: str, seed: int, dtype: str, most_entries: int) -> Iterator[Subject | LeftOut]:
    """See `sampled.subjects_of`."""
    return subjects_of(LIBRARY, name, functions()[name], seed, dtype, most_entries)
