"""The graph that torch keeps for a backward pass, as data, and what its engine repairs there.

The engine sums a gradient over a broadcast axis that the VJP forgot, and casts one that has another
dtype than its primal. `recording` notes where a custom `torch.autograd.Function` needed that.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch.autograd.function import BackwardCFunction
from torch.autograd.graph import Node

from reference_impls import graphs
from reference_impls.nested import Tree

ONCE = "torch::autograd::Error"
"""The name of the node with which `once_differentiable` marks what it returns."""


REAL_ONLY = frozenset(
    f"{operation}Backward{variant}"
    for operation in (
        *("Relu", "LeakyRelu", "PreluKernel", "Elu", "Celu", "Gelu", "Softplus", "LogSigmoid"),
        *("Hardtanh", "Hardswish", "Hardsigmoid", "Mish", "Glu", "Threshold"),
        *("Clamp", "ClampMin", "ClampMax", "Maximum", "Minimum", "Round", "Floor", "Sign"),
        *("Max", "Min", "Amax", "Amin", "Median", "Sort", "Topk", "Kthvalue", "Cummax", "Cdist"),
        *("Softmax", "LogSoftmax", "NativeLayerNorm", "MseLoss", "SmoothL1Loss", "HuberLoss"),
        "BinaryCrossEntropyWithLogits",
    )
    for variant in (*range(3), "")
)
"""The nodes of the most usual operations that torch refuses to do with complex numbers. To run a
function until it is refused takes four times as long as to run it on real numbers."""


def is_custom(node: object) -> bool:
    """Is it the node of a custom `torch.autograd.Function`?"""
    return isinstance(node, BackwardCFunction)


def backward_of(node: Node | None) -> Callable[..., Tree]:
    """What runs the user's ``backward``. By torch's types, only some nodes have it."""
    backward: Callable[..., Tree] = getattr(node, "apply")  # noqa: B009 -- as the docstring says
    return backward


def nodes_of(root: Node | None) -> set[Node]:
    """All nodes that a backward pass from the root comes to."""
    found: set[Node] = set()
    ahead = [root]
    while ahead:
        node = ahead.pop()
        if node is not None and node not in found:
            found.add(node)
            ahead.extend(parent for parent, _ in node.next_functions)
    return found


def is_marked_once(values: Sequence[torch.Tensor]) -> bool:
    """Is something behind one of the values marked `once_differentiable`?"""
    return any(node.name() == ONCE for value in values for node in nodes_of(value.grad_fn))


def graph_of(value: torch.Tensor, leaves: Mapping[str, torch.Tensor]) -> graphs.Graph:
    """The graph behind a value; its operations bear the names of their nodes.

    Such a name loses its namespace, "Backward" and the number behind it, which tells one overload
    from another: MulBackward0 is Mul. A leaf that is not among those named is called Leaf.
    """
    names = {id(leaf): name for name, leaf in leaves.items()}

    def described(node: Node) -> graphs.Node:
        leaf: torch.Tensor | None = getattr(node, "variable", None)  # of the nodes at the ends
        if leaf is not None:
            return graphs.Node(names.get(id(leaf), "Leaf"), "primal", tuple(leaf.shape))
        name = re.sub(r"Backward\d*$", "", node.name().rpartition("::")[2])
        shape = node._input_metadata[0].shape  # noqa: SLF001 -- nothing public has the shape
        return graphs.Node(name, "operation", tuple(shape))

    return graphs.graph_from(value.grad_fn, parents_of, described)


def parents_of(node: Node) -> list[Node]:
    """The nodes that one was computed from: none for a constant."""
    return [parent for parent, _ in node.next_functions if parent is not None]


def refusing_complex(root: Node | None, leaves: Sequence[torch.Tensor]) -> list[bool]:
    """For each leaf: is an operation of `REAL_ONLY` on a path from it to the root?"""
    behind: list[torch.Tensor] = []
    seen: set[tuple[Node, bool]] = set()
    ahead = [(root, False)]
    while ahead:
        node, refuses = ahead.pop()
        if node is None or (node, refuses) in seen:
            continue
        seen.add((node, refuses))
        refuses = refuses or node.name() in REAL_ONLY
        leaf = getattr(node, "variable", None)  # only the node of a leaf has one
        if refuses and leaf is not None:
            behind.append(leaf)
        ahead.extend((parent, refuses) for parent, _ in node.next_functions)
    return [any(leaf is other for other in behind) for leaf in leaves]


@contextmanager
def recording(root: Node | None, repaired: list[str]) -> Iterator[None]:
    """Adds a line to `repaired` for each fault of a custom Function that the engine repairs."""
    nodes = [node for node in nodes_of(root) if is_custom(node)]
    for node in nodes:
        # The engine looks `apply` up on the node, where this comes before the class's method.
        vars(node)["apply"] = partial(_noted, node, backward_of(node), repaired)
    try:
        yield
    finally:
        for node in nodes:
            del vars(node)["apply"]


def _noted(node: Node, backward: Callable[..., Tree], repaired: list[str], *args: Tree) -> Tree:
    returned = backward(*args)
    gradients = returned if isinstance(returned, tuple) else (returned,)
    for number, (parent, output) in _inputs_of(node):
        # The engine itself refuses a backward that returns too few.
        gradient = gradients[number] if number < len(gradients) else None
        if not isinstance(gradient, torch.Tensor):
            continue
        wanted = parent._input_metadata[output]  # noqa: SLF001 -- nothing public has the shape
        name = f"{_class_of(node).__name__}.backward: the gradient of input {number}"
        if tuple(gradient.shape) != tuple(wanted.shape):
            repaired.append(
                f"{name} has shape {tuple(gradient.shape)}, wanted {tuple(wanted.shape)}"
            )
        if gradient.dtype != wanted.dtype:
            got, dtype = (
                str(each).removeprefix("torch.") for each in (gradient.dtype, wanted.dtype)
            )
            repaired.append(f"{name} is {got}, wanted {dtype}")
    return returned


def _inputs_of(node: Node) -> list[tuple[int, tuple[Node, int]]]:
    """The positions of the inputs that need a gradient, each with where its gradient goes.

    ``backward`` returns a gradient for every input of ``forward``, but the graph has an edge for
    those that are tensors, and only `needs_input_grad` has both in view.
    """
    needed: Sequence[bool] = getattr(node, "needs_input_grad")  # noqa: B009 -- see `backward_of`
    edges = [(parent, output) for parent, output in node.next_functions if parent is not None]
    return list(zip((number for number, needs in enumerate(needed) if needs), edges, strict=True))


def _class_of(node: Node | None) -> Tree:
    return getattr(node, "_forward_cls", None)
