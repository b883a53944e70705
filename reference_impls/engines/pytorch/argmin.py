"""The argmin and the root as layers of torch.

They differentiate by `torch.autograd.grad`, because the transforms of `torch.func` take twice as
long on small problems. Inside such a transform the layers raise TypeError. If the objective of a
layer has a layer in it, the outer one needs `ConjugateGradients`, which forms no K.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch._C._functorch import peek_interpreter_stack
from torch.autograd.graph import get_gradient_edge

from reference_impls.computation import Array, Native
from reference_impls.implicit.argmin import argmin, root
from reference_impls.implicit.engine import Pullback
from reference_impls.implicit.problem import Equation, Minimization
from reference_impls.implicit.solvers import Solver
from reference_impls.implicit.trees import leaves_of
from reference_impls.nested import Tree

LEAF = "torch::autograd::AccumulateGrad"
"""The name of the node that each leaf of a graph has."""

ENTRIES_AT_ONCE = 2**20
"""How many intermediates are kept at once, at most, while K is formed: 8 MB in float64."""


def torch_argmin(
    objective: Callable[..., Native],
    initial: Tree,
    *parameters: Tree,
    constraint: Callable[..., Tree] | None = None,
    solver: Solver | None = None,
) -> Tree:
    """Returns the y near `initial` that minimizes ``objective(y, *parameters)``, as a layer.

    Arguments are those of `implicit.problem.Minimization` and `implicit.argmin.argmin`, with
    tensors for arrays; so are the value and the errors, and TypeError inside a `torch.func`
    transform.
    """
    problem = Minimization(objective, initial, parameters, constraint)
    return argmin(TorchEngine.of(initial, parameters), problem, solver)


def torch_root(
    condition: Callable[..., Tree], initial: Tree, *parameters: Tree, solver: Solver | None = None
) -> Tree:
    """Returns the y near `initial` where ``condition(y, *parameters)`` is zero, as a layer.

    Arguments are those of `implicit.problem.Equation` and `implicit.argmin.root`, with tensors for
    arrays; so are the value and the errors, and TypeError inside a `torch.func` transform.
    """
    return root(
        TorchEngine.of(initial, parameters), Equation(condition, initial, parameters), solver
    )


@dataclass(frozen=True)
class TorchEngine:
    """See `Engine`.

    Attributes:
        device: where the unknowns are.
        entries: of all parameters together. F's intermediates take memory in proportion to it.
    """

    array: ClassVar[str] = "a tensor"
    variable: ClassVar[str] = "a tensor that requires grad"

    device: torch.device
    entries: int

    @classmethod
    def of(cls, initial: Tree, parameters: Tree) -> "TorchEngine":
        """Returns the engine for a problem: on the device of the initial guess.

        Raises:
            TypeError: a `torch.func` transform is under way.
        """
        _check_untransformed()
        devices = [leaf.device for leaf in _tensors(initial, "initial")]
        device = devices[0] if devices else torch.device("cpu")
        return cls(device, sum(leaf.numel() for leaf in _tensors(parameters, "parameters")))

    def is_array(self, value: object) -> bool:
        """See `Engine.is_array`."""
        return isinstance(value, torch.Tensor)

    def is_variable(self, leaf: Tree) -> bool:
        """See `Engine.is_variable`. A tensor of inference mode cannot be part of a graph."""
        return isinstance(leaf, torch.Tensor) and leaf.requires_grad and not leaf.is_inference()

    def observe(self, name: str, function: Callable[[Native], Tree], x: Array) -> tuple[Tree, bool]:
        """See `Engine.observe`. Where no graph is recorded, nothing is a variable."""
        graph = torch.is_grad_enabled()
        # x requires grad, so that the function may itself differentiate with respect to it.
        start = self.from_numpy(x).requires_grad_(graph)
        value = function(start)
        ends = _ends(_tensors(value, name)) if graph else []
        return value, any(end is not start for end in ends)

    def constant(self, leaf: Tree) -> Tree:
        """See `Engine.constant`."""
        leaf = for_graphs(leaf)
        return leaf.detach() if isinstance(leaf, torch.Tensor) else leaf

    def to_numpy(self, leaf: Native) -> Native:
        """See `Engine.to_numpy`."""
        return leaf.detach().cpu().numpy() if isinstance(leaf, torch.Tensor) else leaf

    def from_numpy(self, array: Array) -> Native:
        """See `Engine.from_numpy`."""
        return torch.from_numpy(array).to(self.device)

    def ravel(self, leaves: Sequence[Native]) -> Native:
        """See `Engine.ravel`."""
        return torch.cat([leaf.reshape(-1) for leaf in leaves])

    def gradient(self, function: Callable[[Native], Native], x: Native) -> Native:
        """See `Engine.gradient`."""
        inputs, value = _traced(function, [x])
        (gradient,) = _gradients(value, inputs)
        return gradient, value

    def vjp(
        self, function: Callable[..., Native], primals: Sequence[Native], cotangent: Native
    ) -> Native:
        """See `Engine.vjp`."""
        inputs, value = _traced(function, primals)
        return _gradients(value, inputs, cotangent)

    def jacobian(self, function: Callable[[Native], Native], x: Native) -> Native:
        """See `Engine.jacobian`. Rows are in batches: each keeps intermediates of its own."""
        inputs, value = _traced(function, [x])
        identity = torch.eye(value.numel(), dtype=value.dtype, device=value.device)
        batches = torch.split(identity, self.rows_at_once(x.numel()))
        blocks = [_gradients(value, inputs, rows, batched=True)[0] for rows in batches]
        # If F does not depend on x, torch returns one row of zeros for all.
        shapes = [(len(rows), x.numel()) for rows in batches]
        return torch.cat([block.expand(shape) for block, shape in zip(blocks, shapes, strict=True)])

    def rows_at_once(self, size: int) -> int:
        """Returns how many of K's rows to form together, for so many unknowns."""
        most = max(size**2, ENTRIES_AT_ONCE) // max(1, self.entries)
        return min(max(1, most), size)

    @staticmethod
    @contextmanager
    def without_graph() -> Iterator[None]:
        """See `Engine.without_graph`."""
        with torch.inference_mode(mode=False), torch.no_grad():
            yield

    def attach(self, pullback: Pullback, x: Array, leaves: Sequence[Tree]) -> Native:
        """See `Engine.attach`."""
        given = map(for_graphs, leaves)
        return _Attached.apply(pullback, self.from_numpy(x), *given)  # type: ignore[no-untyped-call]


def for_graphs(leaf: Tree) -> Tree:
    """Returns a copy of a tensor of inference mode, which no graph accepts; the rest as it is."""
    if not (isinstance(leaf, torch.Tensor) and leaf.is_inference()):
        return leaf
    with torch.inference_mode(mode=False):
        return leaf.clone()


def _traced(
    function: Callable[..., Native], primals: Sequence[torch.Tensor]
) -> tuple[list[torch.Tensor], Native]:
    """Returns the function's value, and the inputs to differentiate it in."""
    with torch.enable_grad():
        inputs = [_input(primal) for primal in primals]
        return inputs, function(*inputs)


def _input(primal: torch.Tensor) -> torch.Tensor:
    # A view: if one primal was computed from another, each still gets its own partial derivative.
    return primal.view_as(primal) if primal.requires_grad else primal.detach().requires_grad_()


def _gradients(
    value: torch.Tensor,
    inputs: Sequence[torch.Tensor],
    cotangent: torch.Tensor | None = None,
    *,
    batched: bool = False,
) -> Sequence[torch.Tensor]:
    """Returns Jᵀ u for each input, with a graph if one is being recorded."""
    if not value.requires_grad:
        return [torch.zeros_like(entry) for entry in inputs]
    graph = torch.is_grad_enabled()
    return torch.autograd.grad(
        value,
        inputs,
        cotangent,
        retain_graph=batched or graph,
        create_graph=graph,
        allow_unused=True,
        is_grads_batched=batched,
        materialize_grads=True,
    )


def _tensors(tree: Tree, name: str) -> list[torch.Tensor]:
    return [leaf for leaf in leaves_of(tree, name) if isinstance(leaf, torch.Tensor)]


def _check_untransformed() -> None:
    if peek_interpreter_stack() is not None:
        raise TypeError(
            "torch.func: no layer runs in its transforms; differentiate by torch.autograd.grad or "
            "torch.autograd.functional, and solve a batch as the argmin of the sum"
        )


def _ends(values: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
    """Yields the leaves of the graph that the values came from, if there is one."""
    nodes = [get_gradient_edge(value).node for value in values if value.requires_grad]
    seen = set(nodes)
    while nodes:
        node = nodes.pop()
        if node.name() == LEAF:
            yield node.variable  # type: ignore[attr-defined]
        before = {parent for parent, _ in node.next_functions if parent is not None} - seen
        seen |= before
        nodes += before


class _Attached(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Native, pullback: Pullback, x: torch.Tensor, *leaves: Tree) -> torch.Tensor:
        # The output, not x, is saved: second derivatives need its dependence on the leaves.
        output = x.clone()
        ctx.pullback = pullback
        ctx.others = [None if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]
        tensors = [leaf if isinstance(leaf, torch.Tensor) else None for leaf in leaves]
        ctx.save_for_backward(output, *tensors)
        return output

    @staticmethod
    def backward(ctx: Native, *cotangents: torch.Tensor) -> Native:
        output, *tensors = ctx.saved_tensors
        leaves = [
            other if tensor is None else tensor
            for tensor, other in zip(tensors, ctx.others, strict=True)
        ]
        wanted = [number for number, needs in enumerate(ctx.needs_input_grad[2:]) if needs]
        gradients = dict(
            zip(wanted, ctx.pullback(output, leaves, *cotangents, wanted), strict=True)
        )
        return None, None, *map(gradients.get, range(len(leaves)))
