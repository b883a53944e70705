"""pytorch-revgrad: the identity, with a gradient that is turned round on purpose."""

from functools import cache

from reference_impls.engines.pytorch.choice import from_torch
from verify.trust.field.sampled import Sampled, normal


@cache
def functions() -> dict[str, Sampled]:
    """Its layer, by what it multiplies the gradient with.

    Raises:
        ImportError: it is not installed.
    """
    from pytorch_revgrad import RevGrad  # noqa: PLC0415 -- it may be absent

    draws = (normal((5,)), normal((2, 3)))
    return {
        "RevGrad, alpha 1": Sampled(from_torch(RevGrad()), draws),
        "RevGrad, alpha 0.5": Sampled(from_torch(RevGrad(0.5)), draws),
        "RevGrad, alpha -1": Sampled(from_torch(RevGrad(-1.0)), draws),  # the gradient itself
    }
