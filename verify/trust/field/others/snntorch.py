"""snntorch: spikes, whose gradient is a surrogate, and losses, whose gradient is their own."""

from functools import cache
from typing import Any

import torch

from reference_impls.engines.pytorch.choice import from_torch
from verify.trust.field.sampled import Sampled, between

SPIKES = {
    (-0.5, 0.5): "atan fast_sigmoid heaviside sigmoid straight_through_estimator triangular",
    (1.1, 3.0): "SFS",  # its surrogate is 0 below 1
}
"""Of `snntorch.surrogate`, by the interval they are drawn from."""


@cache
def functions() -> dict[str, Sampled]:
    """Its functions, by name.

    Raises:
        ImportError: it is not installed.
    """
    from snntorch import functional, surrogate  # noqa: PLC0415 -- it may be absent

    def spike(make: Any, low: float, high: float) -> Sampled:  # noqa: ANN401 -- one of theirs
        function = make()
        # A spike is 0 or 1 in float32, whatever it is a function of.
        return Sampled(from_torch(lambda u: function(u).to(u.dtype)), (between(low, high, (6,)),))

    targets = torch.tensor([2, 0])

    def loss(make: Any) -> Sampled:  # noqa: ANN401 -- one of theirs
        function = make()
        return Sampled(
            from_torch(lambda counts: function(counts, targets)), (between(0.1, 0.9, (4, 2, 3)),)
        )

    spikes = {
        name: spike(getattr(surrogate, name), low, high)
        for (low, high), names in SPIKES.items()
        for name in names.split()
    }
    return spikes | {
        "ce_rate_loss": loss(functional.ce_rate_loss),
        "ce_count_loss": loss(functional.ce_count_loss),
        "ce_max_membrane_loss": loss(functional.ce_max_membrane_loss),
        "mse_membrane_loss": loss(functional.mse_membrane_loss),
    }
