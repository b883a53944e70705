"""The graphs that engines record of computations, from `graphs.csv`."""

from dataclasses import dataclass

import networkx as nx
import pandas as pd

from results.store import Contents
from results.tables import GraphNode

_GRAPH = ["computation", "implementation"]


@dataclass(frozen=True, eq=False)
class RecordedGraph:
    """What one implementation records of one computation.

    Attributes:
        computation: Its name.
        implementation: Whose graph it is.
        size: As the computation's sample was asked for.
        graph: Nodes by number, with ``name``, ``kind`` and ``shape``; the edges of a node come in
            the order of its arguments, two from a parent that is used twice.
    """

    computation: str
    implementation: str
    size: int
    graph: "nx.MultiDiGraph[int]"

    @property
    def operations(self) -> int:
        """How many nodes are no primals."""
        return sum(node["kind"] == "operation" for _, node in self.graph.nodes(data=True))

    @property
    def file_name(self) -> str:
        """Where the report has the drawing."""
        return f"graphs/{self.computation}-{self.implementation}.svg"


@dataclass(frozen=True, eq=False)
class GraphSection:
    """What `graphs.csv` says.

    Attributes:
        note: What the reader had to do to read the file; may be empty.
        graphs: Each as it was last recorded.
    """

    note: str
    graphs: list[RecordedGraph]


def graph_section(contents: Contents[GraphNode]) -> GraphSection:
    """Put the nodes of each graph together."""
    groups = contents.frame.groupby(_GRAPH, sort=False)
    return GraphSection(note=contents.note, graphs=[_recorded(_latest(rows)) for _, rows in groups])


def _latest(rows: pd.DataFrame) -> pd.DataFrame:
    """Keep the last recording, which begins with the last node 0."""
    return rows.loc[rows.index[rows["node"] == 0][-1] :]


def _recorded(rows: pd.DataFrame) -> RecordedGraph:
    first = rows.iloc[0]
    graph: nx.MultiDiGraph[int] = nx.MultiDiGraph()
    for row in rows.to_dict("records"):
        shape = "" if pd.isna(row["shape"]) else row["shape"]
        graph.add_node(row["node"], name=row["name"], kind=row["kind"], shape=shape)
        parents = "" if pd.isna(row["parents"]) else row["parents"]
        graph.add_edges_from((int(parent), row["node"]) for parent in parents.split())
    return RecordedGraph(first["computation"], first["implementation"], int(first["size"]), graph)
