"""Training with torch: its gradients, `torch.optim` and its schedulers."""

from collections.abc import Mapping

import numpy as np
import torch

from reference_impls.computation import Array, Computation, Native
from reference_impls.descent import BETA1, BETA2, Momentum, Natives, Objective, Rule


class TorchTrainer:
    """See `Trainer`; on the CPU."""

    name = "torch"

    def native(self, array: Array) -> torch.Tensor:
        """See `Trainer.native`."""
        return torch.from_numpy(np.array(array, order="C"))

    def to_numpy(self, native: Native) -> Array:
        """See `Trainer.to_numpy`."""
        return np.array(native.detach().numpy())

    def loss_and_gradient(
        self, loss: Computation, primals: Mapping[str, Native]
    ) -> tuple[Native, Natives]:
        """See `Trainer.loss_and_gradient`."""
        varied = {name: primals[name].detach().requires_grad_() for name in loss.wrt}
        value = loss.by_torch(**{**primals, **varied})
        gradient = torch.autograd.grad(value, list(varied.values()))
        return value.detach(), dict(zip(varied, gradient, strict=True))

    def descend(
        self, rule: Rule, parameters: Mapping[str, Native], objective: Objective, steps: int
    ) -> Natives:
        """See `Trainer.descend`."""
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


def _optimizer(rule: Rule, parameters: list[torch.Tensor]) -> torch.optim.Optimizer:
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
