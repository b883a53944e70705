"""TorchOpt: implicit differentiation of the stationarity condition, with its conjugate gradients.

TorchOpt has no second-order search, and its own optimizers would take thousands of steps. So the
inner problem is solved by `hessians.lbfgs`, as in the baselines, but to a gradient of 1e-10.
"""

from collections.abc import Callable

import torch

from bench.argmin.hessians import lbfgs

INNER_TOLERANCE = 1e-10
LINEAR_TOLERANCE = 1e-12


def argmin(
    objective: Callable[..., torch.Tensor], initial: torch.Tensor, *parameters: torch.Tensor
) -> torch.Tensor:
    """Returns the minimizer of `objective(y, *parameters)` near `initial`."""
    import torchopt  # noqa: PLC0415 -- optional

    layer = torchopt.diff.implicit.custom_root(
        torch.func.grad(objective),
        argnums=tuple(range(1, 1 + len(parameters))),
        solve=torchopt.linear_solve.solve_cg(rtol=LINEAR_TOLERANCE),
    )(lambda start, *z: lbfgs(objective, start, *z, tolerance=INNER_TOLERANCE))
    solution: torch.Tensor = layer(initial, *parameters)
    return solution
