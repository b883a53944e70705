"""A torch function, differentiated by torch: its value, Jᵀu, J v and ∂/∂x ⟨Jᵀ(x) u, v⟩.

There are two ways to the last. "Reverse over reverse" takes the gradient of ⟨Jᵀ(x) u, v⟩, through
the graph of the first gradient. "Forward over reverse" takes Jᵀ(x + ε v) u in dual numbers, whose
tangent it is.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from itertools import compress

import numpy as np
import torch

from reference_impls.computation import Array
from reference_impls.engines.adapter import Adapter, Mode, signature_of
from reference_impls.engines.leaves import ROOT, Primals, nothing
from reference_impls.engines.pytorch.graph import is_marked_once, recording, refusing_complex
from reference_impls.engines.pytorch.tensors import (
    copied,
    differentiated_among,
    dtype_of,
    dual_level,
    duals,
    fresh,
    native,
    native_leaf,
    no_cast_to_real,
    one_line_refusals,
    shared,
    unpack_dual,
    viewed,
)
from reference_impls.nested import Path, Tree, is_container, located, map_located
from reference_impls.words import described

NO_TAPE = "does not require grad"
"""What torch's error says if the function itself differentiates, and its input has no graph."""


class TorchFunction(Adapter):
    """Made by `from_torch`."""

    def __init__(
        self,
        function: Callable[..., Tree],
        invoke: Callable[[Primals], Tree],
        signed: Callable[..., Tree],
        signature: inspect.Signature | None = None,
    ) -> None:
        super().__init__(function, signature or signature_of(signed))
        self._invoke = invoke
        self._real_only: set[Path] = set()  # leaves that may not be complex, by the last graph

    def jvp(self, primals: Primals, tangents: Primals) -> Array:
        """See `TwiceDifferentiable.jvp`."""
        directions = self.differentiated.directions(self.name, primals, tangents)
        with one_line_refusals(self.name), dual_level():
            leaves = [fresh(array) for array in self.differentiated.arrays(primals)]
            value = self._at(primals, duals(leaves, directions))
            tangent = unpack_dual(value).tangent
            return copied(torch.zeros_like(value) if tangent is None else tangent)

    def hvp(self, primals: Primals, cotangent: Array, tangents: Primals, mode: Mode) -> Tree:
        """See `TwiceDifferentiable.hvp`."""
        self._check_mode(mode)
        directions = self.differentiated.directions(self.name, primals, tangents)
        leaves = [fresh(array).requires_grad_() for array in self.differentiated.arrays(primals)]
        second = self._twice_reverse if mode == "reverse over reverse" else self._dual_reverse
        with one_line_refusals(self.name), torch.enable_grad():
            products = second(primals, leaves, cotangent, directions)
        found = [copied(product) for product in products]
        return self.differentiated.planted(primals, found, nothing)

    def _make_vjp(self, primals: Primals) -> tuple[Array, "TorchVjp"]:
        leaves = [shared(array).requires_grad_() for array in self.differentiated.arrays(primals)]
        with torch.enable_grad():
            value = self._at(primals, leaves)
        refusing = refusing_complex(value.grad_fn, leaves)
        self._real_only = set(compress(self.differentiated.paths_in(primals), refusing))
        vjp = self._pullback(primals, leaves, value)
        return vjp.value, vjp

    def _pullback(
        self, primals: Primals, leaves: Sequence[torch.Tensor], value: torch.Tensor
    ) -> "TorchVjp":
        return TorchVjp(self, primals, leaves, value)

    def _value(self, primals: Primals) -> Array:
        leaves = located(primals, ROOT)
        complex_ones = {leaf.path for leaf in leaves if np.iscomplexobj(leaf.value)}
        if complex_ones & self._real_only:
            raise TypeError(f"{self.name}: something in it has no complex numbers in torch")
        with no_cast_to_real(self.name) if complex_ones else nullcontext():
            try:
                tensors = map_located(lambda _, leaf: native(leaf), primals, (ROOT,))
                return copied(self._tensor_from(tensors))
            except RuntimeError as error:
                if NO_TAPE not in str(error):
                    raise
            # The function itself differentiates, as a loss with a gradient penalty does.
            with torch.enable_grad():
                return copied(self._tensor_from(map_located(self._leaf, primals, (ROOT,))))

    def _leaf(self, path: Path, leaf: Tree) -> Tree:
        return native_leaf(leaf) if self.differentiated.chosen(path) else native(leaf)

    def _at(self, primals: Primals, leaves: Sequence[torch.Tensor]) -> torch.Tensor:
        return self._tensor_from(self.differentiated.planted(primals, leaves, native))

    def _tensor_from(self, primals: Primals) -> torch.Tensor:
        value = self._invoke(primals)
        if is_container(value):
            outputs = self._outputs_of(value, differentiated_among(value))
            return torch.cat([output.reshape(-1) for output in outputs])
        if not isinstance(value, torch.Tensor):
            raise TypeError(f"{self.name} returned {described(value)}, wanted one torch.Tensor")
        return value

    def _twice_reverse(
        self,
        primals: Primals,
        leaves: Sequence[torch.Tensor],
        cotangent: Array,
        directions: Sequence[Array | None],
    ) -> Sequence[torch.Tensor]:
        value = self._at(primals, leaves)
        # Unless u requires grad, `once_differentiable` leaves no mark in the graph.
        seed = fresh(self.checked(cotangent, viewed(value))).requires_grad_()
        if not (leaves and value.requires_grad):
            return [torch.zeros_like(leaf) for leaf in leaves]
        first = torch.autograd.grad(value, leaves, seed, create_graph=True, materialize_grads=True)
        terms = [
            torch.sum(gradient * fresh(direction))
            for gradient, direction in zip(first, directions, strict=True)
            if direction is not None and gradient.requires_grad
        ]
        if not terms:
            return [torch.zeros_like(leaf) for leaf in leaves]
        pairing = torch.stack(terms).sum()
        # The mark is on no path to the leaves, so torch would not meet it, and would return zeros.
        if is_marked_once([pairing]):
            raise NotImplementedError("a backward is marked once_differentiable")
        return torch.autograd.grad(pairing, leaves, allow_unused=True, materialize_grads=True)

    def _dual_reverse(
        self,
        primals: Primals,
        leaves: Sequence[torch.Tensor],
        cotangent: Array,
        directions: Sequence[Array | None],
    ) -> Sequence[torch.Tensor]:
        with dual_level():
            # Where no graph is recorded, torch may take a shorter way to the gradient (that of a
            # determinant, by an LU decomposition), which loses the tangent and says nothing.
            first = self._dual_gradients(primals, leaves, cotangent, directions, with_graph=True)
            if is_marked_once(first):
                # A backward that is marked once_differentiable has the tangent without a graph.
                first = self._dual_gradients(
                    primals, leaves, cotangent, directions, with_graph=False
                )
            tangents = [unpack_dual(gradient).tangent for gradient in first]
        return [
            torch.zeros_like(leaf) if tangent is None else tangent
            for leaf, tangent in zip(leaves, tangents, strict=True)
        ]

    def _dual_gradients(
        self,
        primals: Primals,
        leaves: Sequence[torch.Tensor],
        cotangent: Array,
        directions: Sequence[Array | None],
        *,
        with_graph: bool,
    ) -> Sequence[torch.Tensor]:
        """Jᵀ(x + ε v) u."""
        value = self._at(primals, duals(leaves, directions))
        seed = fresh(self.checked(cotangent, viewed(value)))
        if not (leaves and value.requires_grad):
            return [torch.zeros_like(leaf) for leaf in leaves]
        return torch.autograd.grad(
            value, leaves, seed, create_graph=with_graph, materialize_grads=True
        )


class TorchVjp:
    """u -> Jᵀu by torch's engine, which keeps the graph for the next call.

    Attributes:
        value: f's value.
        repaired: what the engine repaired, in the last call, in the gradients that custom
            `torch.autograd.Function`s returned: one line each, empty if nothing.
    """

    def __init__(
        self,
        adapter: TorchFunction,
        primals: Primals,
        leaves: Sequence[torch.Tensor],
        value: torch.Tensor,
    ) -> None:
        self.value = copied(value)
        self.repaired: tuple[str, ...] = ()
        self._adapter = adapter
        self._primals = primals
        self._leaves = leaves
        self._native_value = value

    def __call__(self, cotangent: Array) -> Tree:
        """The gradients, in the structure of the primals.

        Raises:
            TypeError: the cotangent is no array of the value's dtype.
            ValueError: it has another shape than the value.
        """
        checked = self._adapter.checked(cotangent, self.value)
        if not (self._leaves and self._native_value.requires_grad):
            return self._planted(np.zeros(leaf.shape, dtype_of(leaf)) for leaf in self._leaves)
        return self._gradients(shared(checked))

    def _gradients(self, cotangent: torch.Tensor) -> Tree:
        repaired: list[str] = []
        with recording(self._native_value.grad_fn, repaired):
            gradients = torch.autograd.grad(
                self._native_value,
                self._leaves,
                cotangent,
                retain_graph=True,
                materialize_grads=True,
            )
        self.repaired = tuple(repaired)
        return self._planted(map(copied, gradients))

    def _planted(self, gradients: Iterator[Array]) -> Tree:
        return self._adapter.differentiated.planted(self._primals, list(gradients), nothing)
