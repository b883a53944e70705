"""torch at points that its own database of operators has no sample for."""

from functools import cache

import torch

from reference_impls.engines.pytorch.choice import from_torch
from verify.trust.field.sampled import Sampled, at, between, normal


@cache
def functions() -> dict[str, Sampled]:
    """Operators at such points, by name. None is the name of one of the database."""
    places = (torch.tensor([1, 0, 1]),)

    def put(x: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        return x.index_put(places, values)

    def summed(x: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        return x.index_put(places, values, accumulate=True)

    def remainder(x: torch.Tensor) -> torch.Tensor:
        # What is wrong in the tenth digit of digamma's gradient is in the seventh of this one's.
        return torch.digamma(x) - torch.log(x) + 1 / (2 * x) + 1 / (12 * x**2)

    return {
        "det, of rank n - 1": Sampled(from_torch(torch.linalg.det), (at(RANK_TWO),)),
        "digamma, less its series": Sampled(from_torch(remainder), (between(2.0, 3.0, (3,)),)),
        "hypot, at 0 and 0": Sampled(from_torch(torch.hypot), (at(0.0, 0.0),)),
        "index_put, a place twice": Sampled(from_torch(put), (normal((3,), (3,)),)),
        "index_put, a place twice, summed": Sampled(from_torch(summed), (normal((3,), (3,)),)),
    }


RANK_TWO = [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.0, 1.0, 1.0]]
"""With a determinant that comes out as 0 without rounding."""
