"""The mathematics: every computation written three times, and the adapters that differentiate it.

`COMPUTATIONS` and `BACKENDS` are explicit lists: a new computation or library is one more line.
"""

from reference_impls.computation import (
    DTYPES,
    Array,
    Arrays,
    Computation,
    Optimality,
    Vjp,
    draw,
)
from reference_impls.computations import (
    batch_norm,
    conv_encoder,
    donsker_varadhan,
    elastic_net_argmin,
    elu,
    elu_mlp,
    equality_qp_argmin,
    exponential_loss,
    least_squares,
    linear,
    linear_bce,
    linear_regression,
    logistic_argmin,
    logsumexp,
    mlp_classifier,
    mlp_regression,
    polynomial_regression,
    relu,
    ridge_argmin,
    root_argmin,
    scaled_linear,
    sigmoid,
    tanh,
    timeseries_net,
    two_layer_mlp,
)
from reference_impls.derivatives import gradient, hvp, jacobian, jvp, value
from reference_impls.engines.backend import OPERATORS, Backend
from reference_impls.engines.hips.backend import Autograd
from reference_impls.engines.manual.backend import Manual
from reference_impls.engines.pytorch.backend import Torch

COMPUTATIONS: tuple[Computation, ...] = (
    relu.COMPUTATION,
    sigmoid.COMPUTATION,
    tanh.COMPUTATION,
    elu.COMPUTATION,
    logsumexp.COMPUTATION,
    exponential_loss.COMPUTATION,
    linear.COMPUTATION,
    scaled_linear.COMPUTATION,
    linear_bce.COMPUTATION,
    linear_regression.COMPUTATION,
    polynomial_regression.COMPUTATION,
    mlp_regression.COMPUTATION,
    two_layer_mlp.COMPUTATION,
    mlp_classifier.COMPUTATION,
    elu_mlp.COMPUTATION,
    donsker_varadhan.COMPUTATION,
    batch_norm.COMPUTATION,
    conv_encoder.COMPUTATION,
    least_squares.COMPUTATION,
    ridge_argmin.COMPUTATION,
    elastic_net_argmin.COMPUTATION,
    logistic_argmin.COMPUTATION,
    equality_qp_argmin.COMPUTATION,
    root_argmin.COMPUTATION,
    timeseries_net.COMPUTATION,
)

BACKENDS: tuple[Backend, ...] = (Autograd(), Torch(), Manual())
GPU_BACKENDS: tuple[Backend, ...] = (Torch("cuda"), Manual("cuda"))

__all__ = [
    "BACKENDS",
    "COMPUTATIONS",
    "DTYPES",
    "GPU_BACKENDS",
    "OPERATORS",
    "Array",
    "Arrays",
    "Autograd",
    "Backend",
    "Computation",
    "Manual",
    "Optimality",
    "Torch",
    "Vjp",
    "draw",
    "gradient",
    "hvp",
    "jacobian",
    "jvp",
    "value",
]
