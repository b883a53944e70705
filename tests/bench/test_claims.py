"""The benchmark of what tutorials say is faster: on small sizes, with few rounds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bench import claims
from bench.claims import (
    NO_GRAD,
    ONE_NODE,
    RELU,
    Contest,
    Way,
    activations,
    decide,
    no_grad,
    one_node,
)
from results.store import read
from results.tables import CLAIMS

SMALL = (
    *(one_node(size, dtype) for size in (6, 1_000) for dtype in ("float64", "float32")),
    *(activations(1_024, dtype) for dtype in ("float64", "float32")),
    no_grad(1, 5, 3, "float64"),
    no_grad(512, 784, 32, "float32"),
)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "calls_per_turn", lambda _call: 1)


def test_every_claim_is_decided_at_every_size_and_dtype() -> None:
    found = {(each.claim, each.size) for each in claims.contests() if each.dtype == "float64"}
    assert found == {
        *((ONE_NODE, size) for size in ("6 entries", "1,000 entries", "1,000,000 entries")),
        *((RELU, size) for size in ("1,024 entries", "1,000,000 entries")),
        *((NO_GRAD, size) for size in ("1 x 5 to 3", "512 x 784 to 32")),
    }
    assert len(claims.contests()) == 2 * len(found)


@pytest.mark.parametrize("contest", SMALL, ids=lambda each: f"{each.claim} {each.size}")
def test_every_way_is_right_and_a_row(contest: Contest) -> None:
    rows = [*decide(contest, repeats=1)]
    assert [row.way for row in rows] == [*contest.ways]
    assert {(row.status, row.reason) for row in rows} == {("ok", "")}
    first = rows[0].median_s
    assert first
    assert [row.over_first for row in rows] == [(row.median_s or 0) / first for row in rows]


@pytest.mark.parametrize("by", [1e-9, np.nan])
def test_a_way_that_computes_something_else_is_not_timed(by: float) -> None:
    contest = one_node(6, "float64")
    composite = contest.ways["composite"]

    def off() -> tuple[torch.Tensor, ...]:
        value, gradient = composite.compute()
        return value, gradient + by

    spoilt = replace(contest, ways={**contest.ways, "composite": Way(off, composite.right)})
    first, second, _ = decide(spoilt, repeats=1)
    assert (first.status, second.status) == ("failed", "ok")
    assert first.reason.startswith("wrong result, off by ")
    assert first.median_s is second.over_first is None


def test_no_grad_records_nothing_and_the_other_way_does() -> None:
    ways = no_grad(1, 5, 3, "float64").ways
    recorded = {name: way.compute()[0].grad_fn is not None for name, way in ways.items()}
    assert recorded == {"with a graph": True, "under no_grad": False}


def test_the_custom_node_is_one_node_and_the_composite_several() -> None:
    ways = one_node(6, "float64").ways
    last = {name: type(way.compute()[0].grad_fn).__name__ for name, way in ways.items()}
    assert last == {
        "composite": "WhereBackward0",
        "custom node": "EluFunctionBackward",
        "torch's own": "EluBackward0",
    }


def test_rows_are_written_as_they_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "contests", lambda: SMALL[:1])
    path = tmp_path / "claims.csv"
    assert claims.run(["--csv", str(path), "--repeats", "2"]) == 0
    rows = read(path, CLAIMS).rows
    assert [(row.way, row.rounds) for row in rows] == [
        ("composite", 2),
        ("custom node", 2),
        ("torch's own", 2),
    ]
    assert (tmp_path / "environment.json").exists()


def test_a_mistake_is_answered_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert claims.run(["--repeats", "none"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("bench.claims: ")
