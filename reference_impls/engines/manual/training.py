"""Training by hand: gradients derived on paper, and the rules of descent as they are written."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from reference_impls.computation import Array, Computation, Native, cast
from reference_impls.descent import (
    BETA1,
    BETA2,
    BFGS,
    LBFGS,
    Adam,
    Momentum,
    Natives,
    Objective,
    Rated,
    Rule,
    rate_at,
)
from reference_impls.engines.manual.backend import Manual
from reference_impls.searching import as_vector, by_scipy, walk


class ManualTrainer:
    """See `Trainer`."""

    name = "manual"

    def native(self, array: Array) -> Array:
        """See `Trainer.native`."""
        return array

    def to_numpy(self, native: Native) -> Array:
        """See `Trainer.to_numpy`."""
        return np.array(native)

    def overwrite(self, native: Native, array: Array) -> Native:
        """See `Trainer.overwrite`; what NumPy computes of arrays of shape () are numbers."""
        if not isinstance(native, np.ndarray):
            return np.array(array)
        native[...] = array
        return native

    def loss_and_gradient(
        self, loss: Computation, primals: Mapping[str, Native]
    ) -> tuple[Native, Natives]:
        """See `Trainer.loss_and_gradient`."""
        value, vjp = loss.by_hand(**primals)
        gradient = vjp(np.ones_like(value))
        return value, {name: gradient[name] for name in loss.wrt}

    def loss(self, loss: Computation, primals: Mapping[str, Native]) -> Native:
        """See `Trainer.loss`."""
        return loss.by_hand(**primals)[0]

    def hessian(self, loss: Computation, primals: Mapping[str, Native]) -> Native:
        """See `Trainer.hessian`; a complex step of the gradient for each row.

        It is taken in float64: the parts of a complex number of half as many digits do not tell
        whether a body is analytic.
        """
        dtype = as_vector(primals, loss.wrt, np).dtype
        wide = cast(primals, np.float64)
        pull = Manual().second_pullback(loss, wide, np.ones(()))
        rows = np.identity(as_vector(wide, loss.wrt, np).size)
        return np.stack([as_vector(pull(row), loss.wrt, np) for row in rows]).astype(dtype)

    def descend(
        self, rule: Rule, parameters: Mapping[str, Native], objective: Objective, steps: int
    ) -> Natives:
        """See `Trainer.descend`."""
        if isinstance(rule, BFGS | LBFGS):
            return by_scipy(rule, parameters, objective, steps, self)
        if not isinstance(rule, Rated):
            return walk(rule, parameters, objective, steps, np)
        state = begin(rule, parameters)
        for step in range(steps):
            state = advance(rule, state, objective.gradient(state.theta, step))
        return state.theta


@dataclass(frozen=True)
class State:
    """Where a run stands before a step.

    Attributes:
        theta: the parameters.
        memory: what the rule keeps of earlier gradients: the velocity, or Adam's two moments.
        step: counted from 0.
    """

    theta: Natives
    memory: tuple[Natives, ...]
    step: int = 0


def begin(rule: Rated, parameters: Mapping[str, Native]) -> State:
    """Before the first step of a rule."""
    nothing = {name: np.zeros_like(array) for name, array in parameters.items()}
    return State(dict(parameters), (nothing,) * (2 if isinstance(rule, Adam) else 1))


def advance(rule: Rated, state: State, gradient: Mapping[str, Native]) -> State:
    """One step of a rule, as `reference_impls.descent` writes it, with this gradient."""
    rate, theta = rate_at(rule, state.step), state.theta
    g = {name: array + rule.decay * theta[name] for name, array in gradient.items()}
    match rule:
        case Momentum():
            (before,) = state.memory
            velocity = {name: rule.mass * before[name] + g[name] for name in g}
            theta = theta | {name: theta[name] - rate * velocity[name] for name in g}
            return State(theta, (velocity,), state.step + 1)
        case Adam():
            k = state.step + 1
            first, second = state.memory
            first = {name: BETA1 * first[name] + (1 - BETA1) * g[name] for name in g}
            second = {name: BETA2 * second[name] + (1 - BETA2) * g[name] ** 2 for name in g}
            root = {name: np.sqrt(second[name] / (1 - BETA2**k)) for name in g}
            mean = {name: first[name] / (1 - BETA1**k) for name in g}
            theta = theta | {
                name: theta[name] - rate * mean[name] / (root[name] + rule.epsilon) for name in g
            }
            return State(theta, (first, second), k)
