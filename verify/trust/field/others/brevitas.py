"""brevitas: quantisers that let gradients straight through, and its functions with their own."""

import warnings
from functools import cache

import torch

from reference_impls.engines.pytorch.choice import from_torch
from verify.trust.field.sampled import Sampled, between, normal

STRAIGHT_THROUGH = (
    "binary_sign_ste ceil_ste dpu_round_ste floor_ste round_ste round_to_zero_ste ternary_sign_ste"
)
"""Of `brevitas.function`."""


@cache
def functions() -> dict[str, Sampled]:
    """Its functions, by name.

    Raises:
        ImportError: it is not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it compiles with `torch.jit`, which torch has deprecated
        from brevitas import function  # noqa: PLC0415 -- it may be absent

    def clamped(x: torch.Tensor) -> torch.Tensor:
        return function.scalar_clamp_ste(x, -0.5, 0.5)

    def tensor_clamped(x: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
        return function.tensor_clamp(x, low - 1, high)

    staircases = {
        name: Sampled(from_torch(getattr(function, name)), (normal((6,)),))
        for name in STRAIGHT_THROUGH.split()
    }
    return staircases | {
        "scalar_clamp_ste, out of range": Sampled(from_torch(clamped), (between(0.6, 2.0, (6,)),)),
        "scalar_clamp_ste, in range": Sampled(from_torch(clamped), (between(-0.4, 0.4, (6,)),)),
        "tensor_clamp": Sampled(from_torch(tensor_clamped), (between(0.1, 0.9, (6,), (6,), (6,)),)),
        "abs_binary_sign_grad": Sampled(from_torch(function.abs_binary_sign_grad), (normal((6,)),)),
    }
