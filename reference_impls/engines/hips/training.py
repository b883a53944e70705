"""Training with HIPS autograd: its gradients, and the optimizers of `autograd.misc`."""

from collections.abc import Mapping

import autograd
import numpy as np
from autograd.misc import optimizers

from reference_impls.computation import Computation, Native, cast
from reference_impls.descent import BETA1, BETA2, Momentum, Natives, Objective, Rated, Rule
from reference_impls.engines.hips.backend import Autograd
from reference_impls.engines.manual.training import ManualTrainer
from reference_impls.searching import as_vector, unflattening


class AutogradTrainer(ManualTrainer):
    """See `Trainer`; arrays are NumPy's.

    `autograd.misc.optimizers` has no schedules, and nothing that searches: such a rule is followed
    by hand or by SciPy, with autograd's derivatives. It has no decay either, which is therefore
    added to the gradient. And it keeps the parameters in float64, whatever they were: in a float32
    run, gradients are taken at parameters that are rounded, and steps are added up without that
    rounding.
    """

    name = "autograd"

    def __init__(self) -> None:
        self._backend = Autograd()

    def loss_and_gradient(
        self, loss: Computation, primals: Mapping[str, Native]
    ) -> tuple[Native, Natives]:
        """See `Trainer.loss_and_gradient`."""
        value, pull = self._backend.pullback(loss, primals)
        return value, pull(np.ones_like(value))

    def loss(self, loss: Computation, primals: Mapping[str, Native]) -> Native:
        """See `Trainer.loss`."""
        return loss.by_autograd(**primals)

    def hessian(self, loss: Computation, primals: Mapping[str, Native]) -> Native:
        """See `Trainer.hessian`."""
        varied = {name: primals[name] for name in loss.wrt}
        unflatten = unflattening(varied)

        def at(vector: Native) -> Native:
            return loss.by_autograd(**{**primals, **unflatten(vector)})

        return autograd.hessian(at)(as_vector(varied, varied, np))

    def descend(
        self, rule: Rule, parameters: Mapping[str, Native], objective: Objective, steps: int
    ) -> Natives:
        """See `Trainer.descend`."""
        if not isinstance(rule, Rated) or rule.schedule:
            return super().descend(rule, parameters, objective, steps)
        dtype = next(iter(parameters.values())).dtype

        def decayed(theta: Natives, step: int) -> Natives:
            rounded = cast(theta, dtype)
            found = objective.gradient(rounded, step)
            # In the order of the parameters, which is the order they are flattened in.
            return {name: found[name] + rule.decay * rounded[name] for name in rounded}

        given = dict(parameters)
        if isinstance(rule, Momentum):
            step_size = rule.rate / (1 - rule.mass)
            found = optimizers.sgd(decayed, given, None, steps, step_size, rule.mass)
        else:
            found = optimizers.adam(
                decayed, given, None, steps, rule.rate, BETA1, BETA2, rule.epsilon
            )
        return cast(found, dtype)
