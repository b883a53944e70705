"""Rules that look before they step, for the arrays of any library; `descent` has their formulas."""

import math
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate, pairwise
from types import ModuleType
from typing import Any

import numpy as np
from scipy.optimize import minimize

from reference_impls.computation import Array, Native, cast
from reference_impls.descent import (
    BFGS,
    LBFGS,
    Armijo,
    Natives,
    Newton,
    Objective,
    SteepestDescent,
    Trainer,
)

HALVED = tuple(0.5**halvings for halvings in range(60))
"""How far Armijo's search goes, as it tries it. After the last, no step is left to be taken: it
would be smaller than a rounding of most parameters. A search comes here at a minimum, where the
loss cannot go down by as little as it should."""

Unflatten = Callable[[Native], Natives]
"""``unflatten(vector)`` returns the parameters that lie in a vector, end to end."""

Movement = Callable[[Native, Native], Native]
"""``movement(theta, gradient)`` returns what a step adds to the parameters, all as vectors."""


def walk(
    rule: SteepestDescent | Newton,
    parameters: Mapping[str, Native],
    objective: Objective,
    steps: int,
    library: ModuleType,
) -> Natives:
    """Steps of a rule that no library has.

    Args:
        rule: of descent.
        parameters: at the start.
        objective: what is descended.
        steps: how many at most.
        library: `numpy` or `torch`, whose arrays they are.

    Returns:
        The parameters after these steps, or where the rule stops.
    """
    unflatten = unflattening(parameters)
    theta = as_vector(parameters, parameters, library)
    movement = _movement(rule, theta, objective, unflatten, library)
    for step in range(steps):
        gradient = as_vector(objective.gradient(unflatten(theta), step), parameters, library)
        if not abs(gradient).max() > rule.tolerance:
            break
        moved = theta + movement(theta, gradient)
        # It has found nothing better, and would find nothing better again.
        if (moved == theta).all():
            break
        theta = moved
    return unflatten(theta)


def _movement(
    rule: SteepestDescent | Newton,
    start: Native,
    objective: Objective,
    unflatten: Unflatten,
    library: ModuleType,
) -> Movement:
    def newton(theta: Native, gradient: Native) -> Native:
        return -library.linalg.solve(objective.hessian(unflatten(theta)), gradient)

    if isinstance(rule, Newton):
        return newton
    if isinstance(rule.search, Armijo):
        search = _armijo(rule.search, lambda theta: objective.loss(unflatten(theta)))
    else:
        # A quadratic has one Hessian, wherever it is asked.
        search = _exact(objective.hessian(unflatten(start)))

    def steepest(theta: Native, gradient: Native) -> Native:
        direction = -gradient if rule.norm == 2 else largest_entry(-gradient)
        return search(theta, direction, gradient @ direction) * direction

    return steepest


def largest_entry(vector: Native) -> Native:
    """The entry of the largest size, and zeros in place of all others."""
    alone = 0 * vector
    index = abs(vector).argmax()
    alone[index] = vector[index]
    return alone


Search = Callable[[Native, Native, Native], Any]
"""``search(theta, direction, slope)`` returns how far to go; the slope is that of the loss."""


def _exact(hessian: Native) -> Search:
    return lambda _, direction, slope: -slope / (direction @ (hessian @ direction))


def _armijo(rule: Armijo, loss: Callable[[Native], float]) -> Search:
    reached: tuple[Native, float] | None = None

    def search(theta: Native, direction: Native, slope: Native) -> float:
        nonlocal reached
        # The search before this one has asked for the loss where it ended.
        is_known = reached is not None and (reached[0] == theta).all()
        here = reached[1] if reached and is_known else loss(theta)
        for far in HALVED:
            there = theta + far * direction
            found = loss(there)
            # Not a number is not less than anything: the step is halved.
            if found <= here + rule.slope * far * float(slope):
                reached = there, found
                return far
        return 0.0

    return search


def by_scipy(
    rule: BFGS | LBFGS,
    parameters: Mapping[str, Native],
    objective: Objective,
    steps: int,
    trainer: Trainer,
) -> Natives:
    """Steps of a quasi-Newton method of SciPy, with the gradients of any engine.

    SciPy keeps the parameters in float64, whatever they were: in a float32 run, losses and
    gradients are those at parameters that are rounded.

    Args:
        rule: of descent.
        parameters: at the start.
        objective: what is descended.
        steps: how many at most.
        trainer: whose arrays the objective takes.

    Returns:
        The parameters after these steps, or where the rule stops.
    """
    start = {name: trainer.to_numpy(array) for name, array in parameters.items()}
    unflatten, dtype = unflattening(start), next(iter(start.values())).dtype
    asked = 0

    def natives(theta: Array) -> Natives:
        return {name: trainer.native(a) for name, a in cast(unflatten(theta), dtype).items()}

    def loss_and_gradient(theta: Array) -> tuple[float, Array]:
        loss, gradient = objective.loss_and_gradient(natives(theta))
        arrays = {name: trainer.to_numpy(array) for name, array in gradient.items()}
        return loss, np.asarray(as_vector(arrays, start, np), np.float64)

    def iterate(xk: Array) -> None:
        nonlocal asked
        if asked < steps:
            objective.gradient(natives(xk), asked)
            asked += 1

    first = np.asarray(as_vector(start, start, np), np.float64)
    iterate(first)
    if isinstance(rule, BFGS):
        found = minimize(
            loss_and_gradient,
            first,
            jac=True,
            method="BFGS",
            callback=iterate,
            options={"gtol": rule.tolerance, "maxiter": steps},
        )
    else:
        found = minimize(
            loss_and_gradient,
            first,
            jac=True,
            method="L-BFGS-B",
            callback=iterate,
            # The gradient alone decides, not how little the loss still falls.
            options={
                "gtol": rule.tolerance,
                "ftol": 0.0,
                "maxiter": steps,
                "maxcor": rule.memory,
            },
        )
    return natives(found.x)


def unflattening(parameters: Mapping[str, Native]) -> Unflatten:
    """The way from one vector to parameters like these, in their order.

    Unlike that of `nested`, it looks at nothing: a search goes it some ten times at every step.
    """
    shapes = {name: tuple(array.shape) for name, array in parameters.items()}
    ends = accumulate(map(math.prod, shapes.values()), initial=0)
    cuts = [
        (name, slice(*bounds), shape)
        for (name, shape), bounds in zip(shapes.items(), pairwise(ends), strict=True)
    ]
    return lambda vector: {name: vector[cut].reshape(shape) for name, cut, shape in cuts}


def as_vector(arrays: Mapping[str, Native], names: Iterable[str], library: ModuleType) -> Native:
    """The arrays of these names, end to end."""
    return library.concatenate([arrays[name].reshape(-1) for name in names])
