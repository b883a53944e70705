from pathlib import Path

import pytest

import verify.command.graphs
from reference_impls import CATALOGUE, Entry
from results.store import read
from results.tables import GRAPHS, GraphNode
from verify.command.graphs import graphs_of
from verify.command.main import run

Capture = pytest.CaptureFixture[str]

ELU = next(entry for entry in CATALOGUE if entry.name == "elu")


def test_a_graph_is_said_in_one_line_and_written_node_by_node(
    tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "graphs.csv"
    assert run(["elu", "linear_bce", "--graphs", "--csv", str(path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "elu 6, autograd: elu_node",
        "elu 6, torch: EluFunction",
        "linear_bce 5, autograd: dot, add, multiply, logaddexp, subtract, sum, divide",
        "linear_bce 5, torch: Unsqueeze, Mm, Squeeze, Add, BinaryCrossEntropyWithLogits",
    ]
    rows = read(path, GRAPHS).rows
    assert [row for row in rows if row.computation == "elu"] == [
        row for rows in graphs_of(ELU) for row in rows
    ]
    assert rows[5] == GraphNode(
        computation="elu",
        implementation="torch",
        size=6,
        node=2,
        name="EluFunction",
        kind="operation",
        shape="(6,)",
        parents="0 1",
    )
    assert (rows[4].name, rows[4].kind, rows[4].shape) == ("alpha", "primal", "()")
    assert rows[4].parents is None


def test_an_operation_that_is_used_often_is_counted(capsys: Capture) -> None:
    assert run(["elu_mlp", "--graphs"]) == 0
    assert "torch: 3 T, 3 Addmm, 2 EluFunction, Softmax\n" in capsys.readouterr().out


def test_ctrl_c_keeps_the_rows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capture
) -> None:
    def interrupting(entry: Entry, seed: int) -> list[list[GraphNode]]:
        if entry is not ELU:
            raise KeyboardInterrupt
        return graphs_of(entry, seed)

    monkeypatch.setattr(verify.command.graphs, "graphs_of", interrupting)
    path = tmp_path / "graphs.csv"
    assert run(["elu", "relu", "--graphs", "--csv", str(path)]) == 130
    assert capsys.readouterr().err == (
        f"verify: interrupted after 2 graphs; the rows so far are in {path}\n"
    )
    assert len(read(path, GRAPHS).rows) == 6


def test_what_graphs_do_not_read_is_refused(capsys: Capture) -> None:
    assert run(["--graphs", "--size", "all"]) == 2
    assert "got --size with --graphs" in capsys.readouterr().err
