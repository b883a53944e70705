"""gpytorch: what Gaussian processes are made of, with some gradients written by hand."""

import warnings
from functools import cache, partial

import torch

from reference_impls.engines.pytorch.choice import from_torch
from verify.trust.field.sampled import Sampled, between, normal


@cache
def functions() -> dict[str, Sampled]:
    """Its functions, by name.

    Raises:
        ImportError: it is not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it compiles with `torch.jit`, which torch has deprecated
        import gpytorch  # noqa: PLC0415 -- it may be absent

    def rbf(x: torch.Tensor, lengthscale: torch.Tensor) -> torch.Tensor:
        kernel = gpytorch.kernels.RBFKernel().to(x.dtype)
        return kernel(x / lengthscale, x[:2] / lengthscale).to_dense()

    def rbf_covariance(lengthscale: torch.Tensor) -> torch.Tensor:
        x = _places(lengthscale)
        return gpytorch.functions.RBFCovariance.apply(x, x[:2], lengthscale, _squared_distance)

    def matern_covariance(nu: float, lengthscale: torch.Tensor) -> torch.Tensor:
        x = _places(lengthscale)
        return gpytorch.functions.MaternCovariance.apply(x, x[:2], lengthscale, nu, torch.cdist)

    def log_likelihood(mean: torch.Tensor, root: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        covariance = root @ root.mT + torch.eye(3, dtype=root.dtype)
        return gpytorch.distributions.MultivariateNormal(mean, covariance).log_prob(y)

    log_normal_cdf = from_torch(gpytorch.functions.log_normal_cdf)
    lengthscale = (between(0.5, 2.0, (1, 1)),)
    return {
        "log_normal_cdf": Sampled(log_normal_cdf, (between(-0.9, 3.0, (5,)),)),
        "log_normal_cdf, below -1": Sampled(log_normal_cdf, (between(-2.0, -1.0, (5,)),)),
        "RBFKernel": Sampled(from_torch(rbf), (normal((4, 2), (2,)),)),
        "RBFCovariance": Sampled(from_torch(rbf_covariance), lengthscale),
        "MaternCovariance, nu 0.5": Sampled(
            from_torch(partial(matern_covariance, 0.5)), lengthscale
        ),
        "MaternCovariance, nu 1.5": Sampled(
            from_torch(partial(matern_covariance, 1.5)), lengthscale
        ),
        "MaternCovariance, nu 2.5": Sampled(
            from_torch(partial(matern_covariance, 2.5)), lengthscale
        ),
        "MultivariateNormal.log_prob": Sampled(
            from_torch(log_likelihood), (normal((3,), (3, 3), (3,)),)
        ),
    }


def _places(like: torch.Tensor) -> torch.Tensor:
    return torch.tensor([[0.3, -0.2], [1.1, 0.7], [-0.4, 0.9]], dtype=like.dtype)


def _squared_distance(x1: torch.Tensor, x2: torch.Tensor) -> torch.Tensor:
    return (x1.unsqueeze(-2) - x2.unsqueeze(-3)).square().sum(-1)
