r"""Rules of descent, as data: what is done with a gradient g at parameters θ, step after step.

Libraries write the same rule with other constants. Here they have one form, and each engine says
how its own library's constants follow from it.

Momentum, as torch writes it (there is no (1 - mass) on the gradient, and decay is added to it):

    v ← mass · v + (g + decay · θ)        θ ← θ - rate · v

HIPS autograd's ``sgd`` has v' = -(1 - mass) v and θ ← θ + step_size · v': its step_size is
rate / (1 - mass), and it knows no decay, which is therefore added to the gradient it is given.

Adam, with g' = g + decay · θ (so torch; decay is not taken apart from the gradient, as in AdamW):

    m ← β₁ m + (1 - β₁) g'        n ← β₂ n + (1 - β₂) g'²
    θ ← θ - rate · (m / (1 - β₁ᵏ)) / (√(n / (1 - β₂ᵏ)) + epsilon)        k = 1, 2, ...

torch and autograd agree on it: epsilon stands outside the root.

Sources: Polyak, *Some methods of speeding up the convergence of iteration methods*, 1964; Kingma
and Ba, *Adam: a method for stochastic optimization*, 2015, algorithm 1.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from reference_impls.computation import Array, Computation, Native

Natives = dict[str, Native]
"""Arrays of an engine's own library, by name."""

Gradient = Callable[[Mapping[str, Native], int], Natives]
"""``gradient(parameters, step)``, with the parameters before the step."""


@dataclass(frozen=True)
class Objective:
    """What a rule may ask of the loss it descends.

    Attributes:
        gradient: at every step once.
    """

    gradient: Gradient


BETA1, BETA2 = 0.9, 0.999
"""Adam's usual decay rates of both moments; no tutorial sets others."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Every so many steps, the rate is multiplied by a factor.

    Attributes:
        every: steps; an epoch, say.
        factor: of the rate, each time.
    """

    every: int
    factor: float


@dataclass(frozen=True, kw_only=True)
class Momentum:
    """Gradient descent, with momentum if it has a mass.

    Attributes:
        rate: of a step.
        mass: the part of the velocity that is kept; 0 is plain gradient descent.
        decay: of the parameters, all of them.
        schedule: of the rate; None if it stays.
    """

    rate: float
    mass: float = 0.0
    decay: float = 0.0
    schedule: Schedule | None = None


@dataclass(frozen=True, kw_only=True)
class Adam:
    """Adam, with decay in the gradient.

    Attributes:
        rate: of a step.
        decay: of the parameters, all of them.
        epsilon: outside the root.
        schedule: of the rate; None if it stays.
    """

    rate: float
    decay: float = 0.0
    epsilon: float = 1e-8
    schedule: Schedule | None = None


Rated = Momentum | Adam
"""Rules that need a gradient at each step and nothing else, and have a rate."""

Rule = Rated


def rate_at(rule: Rule, step: int) -> float:
    """The rate of a step; steps are counted from 0."""
    schedule = rule.schedule
    return rule.rate * schedule.factor ** (step // schedule.every) if schedule else rule.rate


def on_quadratic(start: Array, minimum: Array, hessian: Array, rate: float, steps: int) -> Array:
    """θ* + (I - αH)ᵏ (θ₀ - θ*): where k steps of gradient descent on a quadratic lead.

    Args:
        start: θ₀, (n,).
        minimum: θ*, (n,).
        hessian: H, (n, n).
        rate: α.
        steps: k.
    """
    step = np.eye(len(start)) - rate * hessian
    path: Array = minimum + np.linalg.matrix_power(step, steps) @ (start - minimum)
    return path


class Trainer(Protocol):
    """What an engine brings to a training: its arrays, its gradients, its library's optimizer."""

    @property
    def name(self) -> str:
        """Of the implementation, as in tables."""
        ...

    def native(self, array: Array) -> Native:
        """An array of the engine's library, of the same dtype."""
        ...

    def to_numpy(self, native: Native) -> Array:
        """A copy at the boundary."""
        ...

    def loss_and_gradient(
        self, loss: Computation, primals: Mapping[str, Native]
    ) -> tuple[Native, Natives]:
        """The value of a scalar computation, and its gradient by each name in its ``wrt``."""
        ...

    def descend(
        self, rule: Rule, parameters: Mapping[str, Native], objective: Objective, steps: int
    ) -> Natives:
        """The parameters after so many steps of a rule.

        Args:
            rule: of descent.
            parameters: at the start; they are left as they are.
            objective: its gradient is asked at every step. The parameters that it is given may be
                overwritten afterwards.
            steps: how many.
        """
        ...
