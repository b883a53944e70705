"""`python -m verify --graphs`: the graphs that the engines record of the computations."""

from collections import Counter
from collections.abc import Sequence

from reference_impls import Entry, draw
from reference_impls.graphs import Graph
from results.commands import AGREED
from results.tables import GRAPHS, GraphNode
from verify.command.appending import appender_for, record_environment
from verify.command.console import make_console
from verify.command.options import Options
from verify.command.outcome import interrupted


def run(options: Options) -> int:
    """Write and print the graphs as they come; the exit status."""
    console = make_console()
    shown = 0
    with appender_for(options.path, GRAPHS) as nodes:
        try:
            record_environment(options.path)
            for entry in options.subjects.entries:
                for rows in graphs_of(entry, options.seed):
                    for row in rows:
                        if nodes:
                            nodes.append(row)
                    shown += 1
                    console.print(graph_line(rows), markup=False)
        except KeyboardInterrupt:
            return interrupted(f"{shown} graphs", options.path)
    return AGREED


def graphs_of(entry: Entry, seed: int = 0) -> list[list[GraphNode]]:
    """The graph of every engine that records any, node by node, at the tutorial's size.

    Args:
        entry: the computation, which it loads, and with it the engines.
        seed: of the generator of primals.
    """
    from reference_impls import BACKENDS  # noqa: PLC0415 -- it imports the engines
    from reference_impls.engines.backend import Recording  # noqa: PLC0415

    computation, size = entry.load(), entry.tutorial_size
    primals = draw(computation, size, "float64", seed)
    return [
        rows_of(entry.name, backend.name, size, graph)
        for backend in BACKENDS
        if isinstance(backend, Recording) and backend.body_of(computation)
        if (graph := backend.graph(computation, primals)).nodes
    ]


def rows_of(computation: str, implementation: str, size: int, graph: Graph) -> list[GraphNode]:
    """A graph as rows of `graphs.csv`."""
    return [
        GraphNode(
            computation=computation,
            implementation=implementation,
            size=size,
            node=number,
            name=node.name,
            kind=node.kind,
            shape=None if node.shape is None else str(node.shape),
            parents=" ".join(map(str, graph.parents(number))) or None,
        )
        for number, node in enumerate(graph.nodes)
    ]


def graph_line(rows: Sequence[GraphNode]) -> str:
    """The operations of a graph, each once, in the order of its first use."""
    counts = Counter(row.name for row in rows if row.kind == "operation")
    operations = ", ".join(f"{n} {name}" if n > 1 else name for name, n in counts.items())
    return f"{rows[-1].computation} {rows[-1].size:,}, {rows[-1].implementation}: {operations}"
