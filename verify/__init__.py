"""Is it right: gradients held against one another and against derivative-free oracles.

Importing this package loads no engine. Each name is loaded when it is first asked for, and torch
and autograd only with the adapter that needs them.
"""

from typing import TYPE_CHECKING

from reference_impls.lazy import handed_on

if TYPE_CHECKING:
    from reference_impls.engines.hips.function import from_autograd
    from reference_impls.engines.manual.function import from_numpy
    from reference_impls.engines.pytorch.choice import from_torch
    from verify.checks.report import Report, WrongGradientError
    from verify.user.budget import Budget
    from verify.user.checker import check

__all__ = [
    "Budget",
    "Report",
    "WrongGradientError",
    "check",
    "from_autograd",
    "from_numpy",
    "from_torch",
]

_HOMES = {
    "Budget": "verify.user.budget",
    "Report": "verify.checks.report",
    "WrongGradientError": "verify.checks.report",
    "check": "verify.user.checker",
    "from_autograd": "reference_impls.engines.hips.function",
    "from_numpy": "reference_impls.engines.manual.function",
    "from_torch": "reference_impls.engines.pytorch.choice",
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = handed_on(__name__, _HOMES)
