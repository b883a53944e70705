"""torch.autograd as a backend: bodies of tensors, on the CPU or on CUDA."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from reference_impls.computation import Array, Arrays, Computation, Native, Vjp
from reference_impls.engines.backend import OPERATORS, Body, seed_cotangent
from reference_impls.engines.gradient_map import (
    COTANGENT,
    DoubleVjp,
    check_shape,
    gradient_map_of,
)
from reference_impls.engines.pytorch.graph import graph_of
from reference_impls.engines.pytorch.tensors import dual_level, make_dual, unpack_dual
from reference_impls.graphs import Graph
from reference_impls.validation import check_choice, check_cotangent, check_primals


class Torch(DoubleVjp):
    """torch.autograd on one device."""

    name = "torch"
    field = "by_torch"
    takes_complex = False

    def __init__(self, device: str = "cpu") -> None:
        check_choice("device", device, ("cpu", "cuda"))
        self.device = device

    def missing(self) -> str | None:
        """Why torch cannot use its device here, or None."""
        if self.device == "cpu" or torch.cuda.is_available():
            return None
        if torch.version.cuda is None:
            return f"torch {torch.__version__} is built without CUDA"
        return f"torch {torch.__version__} finds no CUDA device"

    def forward(self, computation: Computation, primals: Mapping[str, Array]) -> Array:
        """See `Backend.forward`."""
        if any(np.iscomplexobj(primal) for primal in primals.values()):
            raise TypeError(f"{computation.name}: by_torch does not take complex numbers")
        tensors = {name: self._tensor(primal) for name, primal in primals.items()}
        return self.to_numpy(self._exactly(computation.by_torch)(**tensors))

    def pullback(
        self, computation: Computation, primals: Mapping[str, Native], *, create_graph: bool = False
    ) -> tuple[Native, Callable[[Native], dict[str, Native]]]:
        """As `make_vjp`, on tensors that require gradients; on request, the VJP has a graph too."""
        value = self._exactly(computation.by_torch)(**primals)
        varied = [primals[name] for name in computation.wrt]

        def vjp(cotangent: Native) -> dict[str, Native]:
            cotangents = self._exactly(torch.autograd.grad)(
                value,
                varied,
                cotangent,
                retain_graph=True,
                create_graph=create_graph,
                materialize_grads=True,
            )
            return dict(zip(computation.wrt, cotangents, strict=True))

        return value, vjp

    def make_vjp(self, computation: Computation, primals: Mapping[str, Array]) -> tuple[Array, Vjp]:
        """See `Backend.make_vjp`."""
        tensors = self._leaves(computation, check_primals(computation, primals))
        native_value, pull = self.pullback(computation, tensors)
        value = self.to_numpy(native_value)

        def vjp(cotangent: Array) -> Arrays:
            cotangents = pull(self._tensor(check_cotangent(computation, cotangent, value)))
            return {name: self.to_numpy(cotangents[name]) for name in computation.wrt}

        return value, vjp

    def prepare(
        self, computation: Computation, primals: Mapping[str, Array], operator: str
    ) -> Callable[[], Native]:
        """See `Backend.prepare`."""
        check_choice("operator", operator, OPERATORS)
        arrays = check_primals(computation, primals)
        if operator == "value":
            constants = {name: self._tensor(array) for name, array in arrays.items()}
            return self._exactly(lambda: computation.by_torch(**constants))
        tensors = self._leaves(computation, arrays)
        varied = [tensors[name] for name in computation.wrt]
        value_now = self.to_numpy(computation.by_torch(**tensors))
        cotangent = self._tensor(seed_cotangent(value_now))

        def gradient() -> Native:
            value = computation.by_torch(**tensors)
            # The graph is freed as it is walked, as in a training step.
            cotangents = torch.autograd.grad(value, varied, cotangent, materialize_grads=True)
            return value, dict(zip(computation.wrt, cotangents, strict=True))

        return self._exactly(gradient)

    def _pairing(self, computation: Computation, tangents: Mapping[str, Array]) -> Body:
        def pairing(*, cotangent: torch.Tensor, **primals: torch.Tensor) -> Native:
            cotangents = self._recorded_gradient(computation, primals, cotangent)
            return sum(
                (cotangents[name] * cotangents[name].new_tensor(tangents[name])).sum()
                for name in computation.wrt
            )

        return pairing

    def forward_over_reverse(
        self,
        computation: Computation,
        primals: Mapping[str, Array],
        cotangent: Array,
        tangents: Mapping[str, Array],
    ) -> Array:
        """See `SecondOrder.forward_over_reverse`."""
        given = check_primals(gradient_map_of(computation), {**primals, COTANGENT: cotangent})
        with dual_level():
            # Constants get a tangent of zeros. Without one, torch makes up a "ZeroTensor", and the
            # second derivative of its mse_loss cannot divide that.
            duals = {
                name: make_dual(
                    self._tensor(primal).requires_grad_(name in tangents),
                    self._tensor(tangents.get(name, np.zeros_like(primal))),
                )
                for name, primal in given.items()
            }
            value, tangent = unpack_dual(self._gradient_map(computation)(**duals))
            return self.to_numpy(torch.zeros_like(value) if tangent is None else tangent)

    def _gradient_map(self, computation: Computation) -> Body:
        def gradient_map(*, cotangent: torch.Tensor, **primals: torch.Tensor) -> torch.Tensor:
            # The gradient of a linear f does not depend on x, but must have a graph to be
            # differentiated. With u as a variable it has one.
            variable = cotangent.detach().requires_grad_()
            cotangents = self._recorded_gradient(computation, primals, variable)
            return torch.cat([cotangents[name].reshape(-1) for name in computation.wrt])

        return gradient_map

    def _recorded_gradient(
        self,
        computation: Computation,
        primals: Mapping[str, torch.Tensor],
        cotangent: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """Jᵀu with a graph, whether the primals have one or not."""
        # Constants must stay constants: an argmin layer refuses an objective that reads a variable
        # which is no argument of it.
        varied = {
            name: primal if primal.requires_grad else primal.detach().requires_grad_()
            for name, primal in primals.items()
            if name in computation.wrt
        }
        value, pull = self.pullback(computation, {**primals, **varied}, create_graph=True)
        check_shape(computation, cotangent, value)
        return pull(cotangent)

    def graph(self, computation: Computation, primals: Mapping[str, Array]) -> Graph:
        """See `Recording.graph`."""
        tensors = self._leaves(computation, check_primals(computation, primals))
        return graph_of(computation.by_torch(**tensors), tensors)

    def to_numpy(self, native: Native) -> Array:
        """See `Backend.to_numpy`."""
        # A copy: the array must not change when torch uses the tensor's storage again.
        return np.array(native.detach().cpu().numpy())

    def synchronize(self) -> None:
        """See `Backend.synchronize`."""
        if self.device == "cuda":
            torch.cuda.synchronize()

    def _exactly(self, compute: Callable[..., Any]) -> Callable[..., Any]:
        return compute if self.device == "cpu" else _without_tf32()(compute)

    def _tensor(self, array: Array) -> torch.Tensor:
        # A copy in row-major order: torch refuses negative strides.
        return torch.from_numpy(np.array(array, order="C")).to(self.device)

    def _leaves(self, computation: Computation, arrays: Arrays) -> dict[str, torch.Tensor]:
        tensors = {name: self._tensor(array) for name, array in arrays.items()}
        for name in computation.wrt:
            tensors[name].requires_grad_()
        return tensors


@contextmanager
def _without_tf32() -> Iterator[None]:
    """Forbids TF32, in which cuDNN convolves float32 by default: three correct digits, not seven.

    For products of matrices, torch has it off by default, but a program may have switched it on.
    Afterwards each switch has its former value; one that followed another no longer does.

    Source: PyTorch's notes on CUDA semantics, *TensorFloat-32*.
    """
    before = [(switch, name, getattr(switch, name)) for switch, name, _ in _tf32_switches()]
    for switch, name, off in _tf32_switches():
        setattr(switch, name, off)
    try:
        yield
    finally:
        for switch, name, was in before:
            setattr(switch, name, was)


def _tf32_switches() -> list[tuple[Any, str, object]]:
    """The switches of TF32: the object each is on, its name, and the value that forbids it."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    if hasattr(cudnn, "conv"):  # since torch 2.9; once these are set, it ignores the older ones
        return [(each, "fp32_precision", "ieee") for each in (cudnn.conv, cudnn.rnn, matmul)]
    return [(cudnn, "allow_tf32", False), (matmul, "allow_tf32", False)]
