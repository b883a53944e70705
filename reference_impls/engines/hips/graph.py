"""The graph that autograd records of a computation: its trace.

autograd hands a function boxes, and makes a node at every primitive that is called with one. What
a node remembers is up to its class; ours remembers what a drawing needs.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from autograd.tracer import Node as TraceNode
from autograd.tracer import isbox, new_box, trace_stack

from reference_impls.computation import Array
from reference_impls.graphs import Graph, Node, graph_from


class _Recorded(TraceNode):  # type: ignore[misc]
    """Autograd's node of one value, and that node as it is drawn."""

    def __init__(
        self,
        value: Any,
        fun: Callable[..., Any],
        args: Sequence[Any],  # noqa: ARG002 -- autograd's signature
        kwargs: Mapping[str, Any],  # noqa: ARG002 -- autograd's signature
        parent_argnums: Sequence[int],  # noqa: ARG002 -- autograd's signature
        parents: Sequence["_Recorded"],
    ) -> None:
        self.parents = tuple(parents)
        self.drawn = Node(fun.__name__, "operation", _shape_of(value))

    def initialize_root(self, name: str, primal: Array) -> None:
        """What `new_root` calls."""
        self.parents = ()
        self.drawn = Node(name, "primal", primal.shape)


def graph_of(body: Callable[..., Any], varied: Mapping[str, Array]) -> Graph:
    """The trace of a body in `autograd.numpy`, called with some of its arguments as roots.

    A node's name is that of the primitive: ``dot``, ``logaddexp``, or one of our own.

    Args:
        body: takes the arguments by name; its other arguments are bound.
        varied: those with respect to which one differentiates.
    """
    with trace_stack.new_trace() as level:
        roots = {name: _Recorded.new_root(name, primal) for name, primal in varied.items()}
        boxes = {name: new_box(primal, level, roots[name]) for name, primal in varied.items()}
        value = body(**boxes)
    end: _Recorded | None = value._node if isbox(value) else None  # noqa: SLF001 -- nothing public
    return graph_from(end, lambda node: node.parents, lambda node: node.drawn)


def _shape_of(value: Any) -> tuple[int, ...] | None:
    return value.shape if isinstance(value, np.ndarray | np.generic) else None
