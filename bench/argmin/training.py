"""A training step of a network, with each engine: forward, backward, Adam as the tutorial sets it.

Every step that is timed starts from the same parameters: `reset` puts them back. Otherwise one
formulation might reach easier problems than another. The optimizer's moments are left as they are.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from bench.argmin.adam import Adam
from bench.argmin.formulations import Formulation
from bench.argmin.phases import solved_by
from reference_impls import Array, Arrays, Autograd, Computation
from reference_impls.computation import Native

RATE, DECAY, EPS = 0.01, 0.01, 1e-6
DATA = "x"
"""The batch. A network is differentiated with respect to it, but does not train it."""


@dataclass(frozen=True)
class Training:
    """A network in training, on one batch.

    Attributes:
        gradient: returns the loss and its gradient by parameter, in NumPy, at the initial
            parameters if called first.
        step: takes one training step.
        reset: puts the initial parameters back.
        parameters: returns a copy of the parameters by name, in NumPy.
    """

    gradient: Callable[[], tuple[Array, Arrays]]
    step: Callable[[], None]
    reset: Callable[[], None]
    parameters: Callable[[], Arrays]


def start(formulation: Formulation, computation: Computation, primals: Arrays) -> Training:
    """A training about to take its first step.

    Args:
        formulation: of the argmin layer; in torch, autograd or by hand.
        computation: a network with the batch x, whose value is the loss.
        primals: of the computation; left as they are.
    """
    variant = solved_by(computation, formulation.solve) if formulation.solve else computation
    network = replace(variant, wrt=tuple(name for name in variant.wrt if name != DATA))
    if formulation.engine == "torch":
        return _in_torch(network, primals)
    gradient = {"autograd": _autograd_gradient, "manual": _gradient_by_hand}[formulation.engine]
    return _in_numpy(network, primals, gradient)


def _in_torch(computation: Computation, primals: Arrays) -> Training:
    tensors = {name: torch.tensor(array) for name, array in primals.items()}
    parameters = {name: tensors[name].requires_grad_() for name in computation.wrt}
    optimizer = torch.optim.Adam(parameters.values(), lr=RATE, weight_decay=DECAY, eps=EPS)

    def gradient() -> tuple[Array, Arrays]:
        loss = computation.by_torch(**tensors)
        bars = torch.autograd.grad(loss, list(parameters.values()))
        return loss.detach().numpy(), {
            name: bar.numpy() for name, bar in zip(parameters, bars, strict=True)
        }

    def step() -> None:
        optimizer.zero_grad()
        computation.by_torch(**tensors).backward()
        optimizer.step()

    def reset() -> None:
        with torch.no_grad():
            for name, tensor in parameters.items():
                tensor.copy_(torch.from_numpy(primals[name]))

    def copies() -> Arrays:
        return {name: tensor.detach().numpy().copy() for name, tensor in parameters.items()}

    return Training(gradient, step, reset, copies)


_Gradient = Callable[[Computation, Arrays], tuple[Native, Arrays]]


def _in_numpy(computation: Computation, primals: Arrays, gradient: _Gradient) -> Training:
    """The parameters are views of one vector, which Adam updates."""
    initial = np.concatenate([primals[name].ravel() for name in computation.wrt])
    vector = initial.copy()
    views = _views(vector, {name: primals[name].shape for name in computation.wrt})
    current = primals | views
    optimizer = Adam(vector, RATE, DECAY, EPS)

    def loss_and_gradient() -> tuple[Array, Arrays]:
        loss, bars = gradient(computation, current)
        return np.asarray(loss), {name: bars[name] for name in computation.wrt}

    def step() -> None:
        _, bars = gradient(computation, current)
        optimizer.step(np.concatenate([np.ravel(bars[name]) for name in computation.wrt]))

    def reset() -> None:
        vector[:] = initial

    def copies() -> Arrays:
        return {name: view.copy() for name, view in views.items()}

    return Training(loss_and_gradient, step, reset, copies)


def _views(vector: Array, shapes: dict[str, tuple[int, ...]]) -> Arrays:
    ends = np.cumsum([np.prod(shape, dtype=int) for shape in shapes.values()])
    pieces = np.split(vector, ends[:-1])
    return {name: piece.reshape(shapes[name]) for name, piece in zip(shapes, pieces, strict=True)}


def _autograd_gradient(computation: Computation, primals: Arrays) -> tuple[Native, Arrays]:
    loss, pull = Autograd().pullback(computation, primals)
    return loss, pull(np.ones_like(loss))


def _gradient_by_hand(computation: Computation, primals: Arrays) -> tuple[Native, Arrays]:
    loss, pull = computation.by_hand(**primals)
    return loss, pull(np.ones_like(loss))
