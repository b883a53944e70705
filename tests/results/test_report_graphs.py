import os
from pathlib import Path

import pytest

from results.report import write_report
from results.report.drawing import digraph, in_layers
from results.report.graphs import GraphSection, RecordedGraph, graph_section
from results.report.render import render
from results.store import Appender, read
from results.tables import GRAPHS, GraphNode


def node(number: int, name: str, parents: str | None = None, **changes: object) -> GraphNode:
    plain: dict[str, object] = {
        "computation": "square",
        "implementation": "torch",
        "size": 2,
        "node": number,
        "name": name,
        "kind": "operation" if parents else "primal",
        "shape": "(2,)",
        "parents": parents,
    }
    return GraphNode.model_validate(plain | changes)


SQUARE = [node(0, "x"), node(1, "Mul", "0 0"), node(2, "Sum", "1", shape="()")]


def written(directory: Path, *rows: GraphNode) -> GraphSection:
    path = directory / GRAPHS.file_name
    with Appender(path, GRAPHS) as appender:
        for row in rows:
            appender.append(row)
    return graph_section(read(path, GRAPHS))


def names(recorded: RecordedGraph) -> dict[int, str]:
    return {number: node["name"] for number, node in recorded.graph.nodes(data=True)}


def test_the_rows_of_a_graph_become_one(tmp_path: Path) -> None:
    (recorded,) = written(tmp_path, *SQUARE).graphs
    assert (recorded.computation, recorded.implementation, recorded.size) == ("square", "torch", 2)
    assert recorded.operations == 2
    assert names(recorded) == {0: "x", 1: "Mul", 2: "Sum"}
    assert list(recorded.graph.edges()) == [(0, 1), (0, 1), (1, 2)]


def test_each_implementation_has_its_own(tmp_path: Path) -> None:
    other = {"implementation": "autograd"}
    section = written(
        tmp_path, *SQUARE, node(0, "x", None, **other), node(1, "square", "0", **other)
    )
    assert [each.operations for each in section.graphs] == [2, 1]
    assert section.graphs[1].file_name == "graphs/square-autograd.svg"


def test_a_graph_that_was_recorded_again_counts_as_it_was_last(tmp_path: Path) -> None:
    (recorded,) = written(tmp_path, *SQUARE, node(0, "x"), node(1, "Square", "0")).graphs
    assert names(recorded) == {0: "x", 1: "Square"}


def test_dot_has_every_node_with_its_shape_and_every_edge(tmp_path: Path) -> None:
    (recorded,) = written(tmp_path, *SQUARE).graphs
    source = digraph(recorded.graph).source
    for label in ("x\n(2,)", "Mul\n(2,)", "Sum\n()"):
        assert f'label="{label}"' in source
    assert source.count("0 -> 1") == 2
    assert source.count("1 -> 2") == 1


def test_layers_show_every_name_and_are_the_same_each_time(tmp_path: Path) -> None:
    (recorded,) = written(tmp_path, *SQUARE).graphs
    drawing = in_layers(recorded.graph)
    assert drawing == in_layers(recorded.graph)
    for name in (b">x<", b">Mul<", b">Sum<"):
        assert name in drawing


def test_a_node_of_unknown_shape_is_drawn_by_its_name_alone(tmp_path: Path) -> None:
    (recorded,) = written(tmp_path, node(0, "x"), node(1, "take", "0", shape=None)).graphs
    assert "1 [label=take " in digraph(recorded.graph).source


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one folder in which programs are looked for, with nothing in it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.mark.usefixtures("programs")
def test_without_graphviz_the_report_has_the_layers(tmp_path: Path) -> None:
    (recorded,) = written(tmp_path, *SQUARE).graphs
    text = write_report(tmp_path).read_text(encoding="utf-8")
    assert "<summary>square 2, torch: 2 operations</summary>" in text
    assert f"({recorded.file_name})" in text
    assert (tmp_path / recorded.file_name).read_bytes() == in_layers(recorded.graph)


@pytest.mark.skipif(os.name != "posix", reason="the program is a shell script")
def test_with_graphviz_the_report_has_its_drawing(tmp_path: Path, programs: Path) -> None:
    dot = programs / "dot"
    dot.write_text("#!/bin/sh\necho '<svg>from dot</svg>'\n", encoding="utf-8")
    dot.chmod(0o755)
    (recorded,) = written(tmp_path, *SQUARE).graphs
    write_report(tmp_path)
    assert "from dot" in (tmp_path / recorded.file_name).read_text(encoding="utf-8")


def test_no_rows(tmp_path: Path) -> None:
    written(tmp_path)
    assert "Nothing was recorded." in render(tmp_path)


def test_a_torn_line_is_said(tmp_path: Path) -> None:
    written(tmp_path, *SQUARE)
    with (tmp_path / GRAPHS.file_name).open("a") as file:
        file.write("square,to")
    assert "Note: graphs.csv: dropped a torn last line." in render(tmp_path)
