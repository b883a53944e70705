"""pytorch-wavelets: wavelet transforms, whose gradient is the transpose of a linear map."""

import warnings
from functools import cache

import torch

from reference_impls.engines.pytorch.choice import from_torch
from verify.trust.field.sampled import Sampled, normal

PADDINGS = ("zero", "periodization", "symmetric", "reflect", "periodic")


@cache
def functions() -> dict[str, Sampled]:
    """Its functions, by name.

    Raises:
        ImportError: it is not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports `pkg_resources`, which is deprecated
        import pytorch_wavelets as wavelets  # noqa: PLC0415 -- it may be absent

    image = (normal((1, 1, 6, 8)),)
    forward = {
        f"DWTForward, {padding}": Sampled(
            from_torch(wavelets.DWTForward(J=1, wave="db2", mode=padding)), image
        )
        for padding in PADDINGS
    }

    def inverse(low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
        return wavelets.DWTInverse(wave="db2", mode="zero").to(low.dtype)((low, [high]))

    return forward | {
        "DWTInverse, zero": Sampled(from_torch(inverse), (normal((1, 1, 4, 5), (1, 1, 3, 4, 5)),)),
        "DWTForward, zero, two levels": Sampled(
            from_torch(wavelets.DWTForward(J=2, wave="haar", mode="zero")), (normal((1, 1, 8, 8)),)
        ),
    }
