"""The graph that an engine records of a computation, as data: what a drawing needs, and no more."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Literal, TypeVar

N = TypeVar("N", bound=Hashable)


@dataclass(frozen=True)
class Node:
    """One variable of a graph.

    Attributes:
        name: of the operation it is computed by, or of the primal it is, as in the computation.
        kind: is it computed, or is it a primal with respect to which one differentiates?
        shape: of its value; None where the engine does not say.
    """

    name: str
    kind: Literal["operation", "primal"]
    shape: tuple[int, ...] | None


@dataclass(frozen=True)
class Graph:
    """What an engine has recorded, from the primals to the value.

    Constants are not in it: nothing is differentiated with respect to them.

    Attributes:
        nodes: parents before children, and so the value last; none for a constant value.
        edges: parent and child, as positions in ``nodes``, the edges of a child in the order of
            the operation's arguments. A parent that is used twice has two.
    """

    nodes: tuple[Node, ...]
    edges: tuple[tuple[int, int], ...]

    def parents(self, child: int) -> tuple[int, ...]:
        """The positions of a node's parents."""
        return tuple(parent for parent, of in self.edges if of == child)


def graph_from(
    end: N | None, parents_of: Callable[[N], Sequence[N]], described: Callable[[N], Node]
) -> Graph:
    """Walk from the value back, whatever a library's own nodes look like.

    Args:
        end: the library's node of the value; None if nothing was recorded.
        parents_of: the library's nodes that one was computed from.
        described: one of them as a `Node`.
    """
    parents: dict[N, Sequence[N]] = {}
    ahead = [] if end is None else [end]
    while ahead:
        node = ahead.pop()
        if node not in parents:
            parents[node] = parents_of(node)
            ahead.extend(parents[node])
    in_order = tuple(TopologicalSorter(parents).static_order())
    position = {node: number for number, node in enumerate(in_order)}
    edges = ((position[each], position[node]) for node in in_order for each in parents[node])
    return Graph(tuple(described(node) for node in in_order), tuple(edges))
