"""Training with torch: its gradients, `torch.optim` and its schedulers."""

from collections.abc import Mapping

import numpy as np
import torch

from reference_impls.computation import Array, Computation, Native
from reference_impls.descent import (
    BETA1,
    BETA2,
    BFGS,
    LBFGS,
    Momentum,
    Natives,
    Objective,
    Rated,
    Rule,
)
from reference_impls.searching import as_vector, by_scipy, unflattening, walk

SEARCH_EVALUATIONS = 25
"""Of a loss, at most, in one search along a line; as in torch's own function for it."""


class TorchTrainer:
    """See `Trainer`; on the CPU.

    `torch.optim` has no rule that needs a Hessian or a search of its own, but L-BFGS; BFGS is
    SciPy's, with torch's gradients.
    """

    name = "torch"

    def native(self, array: Array) -> torch.Tensor:
        """See `Trainer.native`."""
        return torch.from_numpy(np.array(array, order="C"))

    def to_numpy(self, native: Native) -> Array:
        """See `Trainer.to_numpy`."""
        return np.array(native.detach().numpy())

    def overwrite(self, native: Native, array: Array) -> Native:
        """See `Trainer.overwrite`."""
        with torch.no_grad():
            return native.copy_(self.native(array))

    def loss_and_gradient(
        self, loss: Computation, primals: Mapping[str, Native]
    ) -> tuple[Native, Natives]:
        """See `Trainer.loss_and_gradient`."""
        varied = {name: primals[name].detach().requires_grad_() for name in loss.wrt}
        value = loss.by_torch(**{**primals, **varied})
        gradient = torch.autograd.grad(value, list(varied.values()))
        return value.detach(), dict(zip(varied, gradient, strict=True))

    def loss(self, loss: Computation, primals: Mapping[str, Native]) -> Native:
        """See `Trainer.loss`."""
        with torch.no_grad():
            return loss.by_torch(**primals)

    def hessian(self, loss: Computation, primals: Mapping[str, Native]) -> Native:
        """See `Trainer.hessian`."""
        varied = {name: primals[name] for name in loss.wrt}
        unflatten = unflattening(varied)

        def at(vector: torch.Tensor) -> torch.Tensor:
            value: torch.Tensor = loss.by_torch(**{**primals, **unflatten(vector)})
            return value

        point = as_vector(varied, varied, torch)
        return torch.autograd.functional.hessian(at, point)  # type: ignore[no-untyped-call]

    def descend(
        self, rule: Rule, parameters: Mapping[str, Native], objective: Objective, steps: int
    ) -> Natives:
        """See `Trainer.descend`."""
        if isinstance(rule, LBFGS):
            return _lbfgs(rule, parameters, objective, steps)
        if isinstance(rule, BFGS):
            return by_scipy(rule, parameters, objective, steps, self)
        if not isinstance(rule, Rated):
            return walk(rule, parameters, objective, steps, torch)
        theta = {name: tensor.clone() for name, tensor in parameters.items()}
        optimizer = _optimizer(rule, list(theta.values()))
        schedule = rule.schedule
        scheduler = schedule and torch.optim.lr_scheduler.ExponentialLR(optimizer, schedule.factor)
        for step in range(steps):
            for name, found in objective.gradient(theta, step).items():
                theta[name].grad = found
            optimizer.step()
            if schedule and scheduler and (step + 1) % schedule.every == 0:
                scheduler.step()
        return theta


def _lbfgs(
    rule: LBFGS, parameters: Mapping[str, Native], objective: Objective, steps: int
) -> Natives:
    """One iteration of torch's for each step; it remembers the pairs from one to the next."""
    theta = {name: tensor.clone() for name, tensor in parameters.items()}
    # It is not to stop within a step: whether to stop is asked between them. Without a number of
    # its own, it would allow so short a run no evaluation to search with.
    optimizer = torch.optim.LBFGS(
        list(theta.values()),
        max_iter=1,
        max_eval=1 + SEARCH_EVALUATIONS,
        tolerance_grad=0.0,
        tolerance_change=0.0,
        history_size=rule.memory,
        line_search_fn="strong_wolfe",
    )

    def closure() -> float:
        loss, gradient = objective.loss_and_gradient(theta)
        for name, found in gradient.items():
            theta[name].grad = found
        return loss

    for step in range(steps):
        found = objective.gradient(theta, step)
        if not max(array.abs().max() for array in found.values()) > rule.tolerance:
            break
        optimizer.step(closure)  # type: ignore[no-untyped-call]
    return theta


def _optimizer(rule: Rated, parameters: list[torch.Tensor]) -> torch.optim.Optimizer:
    if isinstance(rule, Momentum):
        return torch.optim.SGD(
            parameters, lr=rule.rate, momentum=rule.mass, weight_decay=rule.decay
        )
    return torch.optim.Adam(
        parameters,
        lr=rule.rate,
        betas=(BETA1, BETA2),
        eps=rule.epsilon,
        weight_decay=rule.decay,
    )
