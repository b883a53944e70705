"""Is it right: gradients held against one another and against derivative-free oracles."""

from verify.adapters import from_autograd, from_numpy, from_torch
from verify.checker import check
from verify.report import Report, WrongGradientError

__all__ = ["Report", "WrongGradientError", "check", "from_autograd", "from_numpy", "from_torch"]
