"""First derivatives that are right, and second ones that are not.

A custom `torch.autograd.Function` is as differentiable as its backward was written to be, and torch
does not ask. The VJP of each of these is right, its derivative is wrong.
"""

from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from verify.trust.planted import Fault, Plant, Planted, rounded

SIZES = (10, 1_000, 100_000)


OfTorch = Any
"""A tensor, torch's context, or an array where a function takes either."""


Twice = Callable[..., OfTorch]
"""A function of tensors that torch differentiates twice."""


def cube(x: OfTorch) -> OfTorch:
    """f(x) = x³, elementwise; of arrays and tensors."""
    return x * x * x


def gated(x: OfTorch, w: OfTorch) -> OfTorch:
    """f(x, w) = w x², elementwise; of arrays and tensors."""
    return w * x * x


def exponential(x: OfTorch) -> OfTorch:
    """f(x) = eˣ, elementwise; of arrays and tensors."""
    return np.exp(x) if isinstance(x, np.ndarray) else x.exp()


def planted(make: Callable[[ModuleType], Twice], right: Twice, *names: str) -> Plant:
    """Plants a torch function of vectors with these names.

    Args:
        make: takes the function from `torch_functions`, which is imported when something is
            planted: only then torch is needed. It is called anew for every planting.
        right: the same function, of arrays and tensors, which torch differentiates by itself.
        names: of its arguments.
    """

    def plant(size: int, dtype: str, rng: np.random.Generator) -> Planted:
        from reference_impls.engines.pytorch.choice import (  # noqa: PLC0415 -- only who plants these needs it
            from_torch,
        )

        primals = {name: rng.standard_normal(size) for name in names}
        return Planted(
            make_vjp=from_torch(make(import_module("verify.trust.faults.torch_functions"))),
            primals=rounded(primals, dtype),
            forward=right,
            wrt=names,
            true_vjp=from_torch(right),
            order=2,
        )

    return plant


SECOND_ORDER_FAULTS = (
    Fault(
        name="double backward detached",
        story="pytorch #58509: what forward keeps on ctx, and not by save_for_backward, is a "
        "constant to the double backward, whose result is then zero.",
        diagnosis="second derivative",
        sizes=SIZES,
        plant=planted(lambda custom: custom.detached(), cube, "x"),
    ),
    Fault(
        name="double backward wrong by a factor",
        story="A second derivative written by hand, with the 6 of (x³)'' as a 3.",
        diagnosis="second derivative",
        sizes=SIZES,
        plant=planted(lambda custom: custom.half(), cube, "x"),
    ),
    Fault(
        name="double backward wrong on the second call",
        story="The second derivative is right once, and then added to; pytorch #18619 is of one "
        "that could be taken only once.",
        diagnosis="second derivative",
        sizes=SIZES,
        plant=planted(lambda custom: custom.accumulating(), cube, "x"),
    ),
    Fault(
        name="mixed second derivative lost",
        story="One of two saved tensors is detached (pytorch #76185): the Hessian has its diagonal "
        "blocks, and is not symmetric.",
        diagnosis="second derivative",
        sizes=SIZES,
        plant=planted(lambda custom: custom.mixed_lost(), gated, "x", "w"),
    ),
    Fault(
        name="forward over reverse differs from reverse over reverse",
        story="A custom Function whose jvp is not the transpose of its backward. In "
        "HIPS/autograd #154, too, forward mode over reverse mode was the one order of the two that "
        "came out wrong.",
        diagnosis="second derivative",
        sizes=SIZES,
        plant=planted(lambda custom: custom.wrong_forward_mode(), exponential, "x"),
    ),
)
