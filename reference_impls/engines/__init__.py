"""Functions of torch, HIPS autograd and NumPy with the signature of a derivation by hand.

`verify.check` judges a map from primals x to ``(f(x), u -> Jᵀu)``. Each adapter makes one of what
a user has, NumPy in and NumPy out, and is itself callable: ``adapter(*primals)`` gives a VJP that
returns a tuple, ``adapter(**primals)`` one that returns a dict. Primals may be nested; an array of
floating dtype is differentiated, anything else is handed on and has None for its gradient.

An adapter must not make a gradient look better than it is. The two engines repair what a node
returns: torch sums un-reduced broadcasts and casts dtypes, autograd's containers broadcast and
cast as they accumulate. So gradients are taken where a node leaves them. Primals and cotangents
keep their memory and strides, so that a function which writes to them is seen to.
"""

from typing import TYPE_CHECKING

from reference_impls.lazy import handed_on

if TYPE_CHECKING:
    from reference_impls.engines.adapter import (
        Adapter,
        Mode,
        Primals,
        TreeVjp,
        TwiceDifferentiable,
    )
    from reference_impls.engines.hips.function import AutogradFunction, from_autograd
    from reference_impls.engines.manual.function import NumpyFunction, from_numpy
    from reference_impls.engines.pytorch.choice import from_torch
    from reference_impls.engines.pytorch.function import TorchFunction, TorchVjp

__all__ = [
    "Adapter",
    "AutogradFunction",
    "Mode",
    "NumpyFunction",
    "Primals",
    "TorchFunction",
    "TorchVjp",
    "TreeVjp",
    "TwiceDifferentiable",
    "from_autograd",
    "from_numpy",
    "from_torch",
]

_HOMES = {
    "Adapter": "reference_impls.engines.adapter",
    "AutogradFunction": "reference_impls.engines.hips.function",
    "Mode": "reference_impls.engines.adapter",
    "NumpyFunction": "reference_impls.engines.manual.function",
    "Primals": "reference_impls.engines.adapter",
    "TorchFunction": "reference_impls.engines.pytorch.function",
    "TorchVjp": "reference_impls.engines.pytorch.function",
    "TreeVjp": "reference_impls.engines.adapter",
    "TwiceDifferentiable": "reference_impls.engines.adapter",
    "from_autograd": "reference_impls.engines.hips.function",
    "from_numpy": "reference_impls.engines.manual.function",
    "from_torch": "reference_impls.engines.pytorch.choice",
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = handed_on(__name__, _HOMES)
