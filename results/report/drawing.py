"""Drawings of graphs: by Graphviz where it is installed, else in layers of networkx's."""

from io import BytesIO
from shutil import which

import networkx as nx
from graphviz import Digraph
from matplotlib import rc_context
from matplotlib.figure import Figure

INCHES = 1.6, 0.9
"""What a node takes, beside the others of its layer and below the layer above."""

FILL = {"primal": "#dce9f7", "operation": "#f2f2f2"}
BOX = {"primal": "square,pad=0.4", "operation": "round,pad=0.4"}


def drawn(graph: "nx.MultiDiGraph[int]") -> bytes:
    """Draw a graph as SVG, from the primals above to the value below.

    Args:
        graph: As `results.report.graphs` makes it.
    """
    return digraph(graph).pipe(format="svg") if which("dot") else in_layers(graph)


def digraph(graph: "nx.MultiDiGraph[int]") -> Digraph:
    """Write a graph in Graphviz's own language, DOT."""
    described = Digraph(node_attr={"shape": "box", "fontname": "sans-serif"})
    for number, node in graph.nodes(data=True):
        style = "filled" if node["kind"] == "primal" else "filled,rounded"
        described.node(str(number), _label(node), style=style, fillcolor=FILL[node["kind"]])
    for parent, child in graph.edges():
        described.edge(str(parent), str(child))
    return described


def in_layers(graph: "nx.MultiDiGraph[int]") -> bytes:
    """Draw a graph with as many layers as its longest path is long, a node above its children."""
    layers = list(nx.topological_generations(graph.reverse()))
    layer_of = {node: number for number, layer in enumerate(layers) for node in layer}
    nx.set_node_attributes(graph, layer_of, "layer")
    places = nx.multipartite_layout(graph, subset_key="layer", align="horizontal")
    width, height = max(map(len, layers)), len(layers)
    figure = Figure(figsize=(INCHES[0] * (width + 1), INCHES[1] * (height + 1)))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.margins(x=0.5 / width, y=0.5 / height)
    nx.draw_networkx_edges(graph, places, ax=axes, node_size=2000, edge_color="#888888")
    for kind, box in BOX.items():
        labels = {n: _label(node) for n, node in graph.nodes(data=True) if node["kind"] == kind}
        style = {"boxstyle": box, "facecolor": FILL[kind], "edgecolor": "#888888"}
        nx.draw_networkx_labels(graph, places, labels, font_size=8, bbox=style, ax=axes)
    file = BytesIO()
    # The same graph gives the same bytes: no date, and no random names inside.
    with rc_context({"svg.hashsalt": "graph", "svg.fonttype": "none"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


def _label(node: dict[str, str]) -> str:
    return f"{node['name']}\n{node['shape']}" if node["shape"] else node["name"]
