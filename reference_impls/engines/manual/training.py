"""Training by hand: gradients derived on paper, and the rules of descent as they are written."""

from collections.abc import Mapping

import numpy as np

from reference_impls.computation import Array, Computation, Native
from reference_impls.descent import BETA1, BETA2, Adam, Gradient, Momentum, Natives, Rule, rate_at


class ManualTrainer:
    """See `Trainer`."""

    name = "manual"

    def native(self, array: Array) -> Array:
        """See `Trainer.native`."""
        return array

    def to_numpy(self, native: Native) -> Array:
        """See `Trainer.to_numpy`."""
        return np.array(native)

    def loss_and_gradient(
        self, loss: Computation, primals: Mapping[str, Native]
    ) -> tuple[Native, Natives]:
        """See `Trainer.loss_and_gradient`."""
        value, vjp = loss.by_hand(**primals)
        gradient = vjp(np.ones_like(value))
        return value, {name: gradient[name] for name in loss.wrt}

    def descend(
        self, rule: Rule, parameters: Mapping[str, Native], gradient: Gradient, steps: int
    ) -> Natives:
        """See `Trainer.descend`."""
        match rule:
            case Momentum():
                return momentum(rule, parameters, gradient, steps)
            case Adam():
                return adam(rule, parameters, gradient, steps)


def momentum(
    rule: Momentum, parameters: Mapping[str, Native], gradient: Gradient, steps: int
) -> Natives:
    """θ after so many steps of `Momentum`; arguments as for `Trainer.descend`."""
    theta = dict(parameters)
    velocity = {name: np.zeros_like(array) for name, array in theta.items()}
    for step in range(steps):
        rate = rate_at(rule, step)
        for name, g in gradient(theta, step).items():
            velocity[name] = rule.mass * velocity[name] + (g + rule.decay * theta[name])
            theta[name] = theta[name] - rate * velocity[name]
    return theta


def adam(rule: Adam, parameters: Mapping[str, Native], gradient: Gradient, steps: int) -> Natives:
    """θ after so many steps of `Adam`; arguments as for `Trainer.descend`."""
    theta = dict(parameters)
    first = {name: np.zeros_like(array) for name, array in theta.items()}
    second = dict(first)
    for step in range(steps):
        rate, k = rate_at(rule, step), step + 1
        for name, pure in gradient(theta, step).items():
            g = pure + rule.decay * theta[name]
            first[name] = BETA1 * first[name] + (1 - BETA1) * g
            second[name] = BETA2 * second[name] + (1 - BETA2) * g**2
            root = np.sqrt(second[name] / (1 - BETA2**k))
            mean = first[name] / (1 - BETA1**k)
            theta[name] = theta[name] - rate * mean / (root + rule.epsilon)
    return theta
