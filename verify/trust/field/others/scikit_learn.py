"""scikit-learn: the kernels of its Gaussian processes, differentiated by their log parameters."""

from functools import cache
from typing import Any

import numpy as np

from reference_impls.computation import Array
from reference_impls.engines.manual.function import from_numpy
from verify.trust.field.sampled import Sampled, between


@cache
def functions() -> dict[str, Sampled]:
    """Its functions, by name.

    Raises:
        ImportError: it is not installed.
    """
    from sklearn.gaussian_process import GaussianProcessRegressor, kernels  # noqa: PLC0415 -- slow

    x = np.random.default_rng(0).standard_normal((4, 2))

    def sampled(kernel: Any) -> Sampled:  # noqa: ANN401 -- one of theirs
        def value(theta: Array) -> Array:
            return kernel.clone_with_theta(theta)(x)

        def gradient(theta: Array, cotangent: Array) -> Array:
            _, derivatives = kernel.clone_with_theta(theta)(x, eval_gradient=True)
            return np.einsum("ij,ijk->k", cotangent, derivatives)

        draws = (between(0.1, 0.5, (kernel.n_dims,)),)
        return Sampled(from_numpy(value, gradient), draws, ("float64",))

    regressor = GaussianProcessRegressor(
        kernels.ConstantKernel() * kernels.RBF([1.0, 1.0]) + kernels.WhiteKernel(), optimizer=None
    ).fit(x, x.sum(1))

    def log_likelihood(theta: Array) -> tuple[float, Array]:
        value, gradient = regressor.log_marginal_likelihood(theta, eval_gradient=True)
        return float(value), gradient

    return {
        "RBF": sampled(kernels.RBF([1.0, 2.0])),
        "RationalQuadratic": sampled(kernels.RationalQuadratic()),
        "ExpSineSquared": sampled(kernels.ExpSineSquared()),
        "DotProduct": sampled(kernels.DotProduct()),
        "Matern, nu 0.5": sampled(kernels.Matern(nu=0.5)),
        "Matern, nu 1.5": sampled(kernels.Matern(nu=1.5)),
        "Matern, nu 2.5": sampled(kernels.Matern(nu=2.5)),
        "Matern, nu 0.7": sampled(kernels.Matern(nu=0.7)),
        "log_marginal_likelihood": Sampled(
            from_numpy(log_likelihood), (between(-0.5, 0.5, (4,)),), ("float64",)
        ),
    }
