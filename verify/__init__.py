"""Is it right: gradients held against one another and against derivative-free oracles."""

from reference_impls.engines.hips.function import from_autograd
from reference_impls.engines.manual.function import from_numpy
from reference_impls.engines.pytorch.choice import from_torch
from verify.checks.report import Report, WrongGradientError
from verify.user.checker import check

__all__ = ["Report", "WrongGradientError", "check", "from_autograd", "from_numpy", "from_torch"]
