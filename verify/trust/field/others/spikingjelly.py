"""spikingjelly: spikes with the gradient of a smooth function, and those smooth functions."""

from functools import cache

from reference_impls.engines.pytorch.choice import from_torch
from verify.trust.field.sampled import Sampled, normal

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
