from dataclasses import replace
from pathlib import Path

import pytest

import verify.trust.findings
from results.store import read
from results.tables import FINDINGS
from tests.verify.trust.findings.shared import EVEN, ODD, SKIPPED
from verify.command.main import run
from verify.trust.findings.finding import Demonstration, Finding, Observation

Capture = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch


def published(monkeypatch: Patch, *findings: Finding) -> None:
    monkeypatch.setattr(verify.trust.findings, "FINDINGS", findings)


def test_what_is_published_is_printed_with_the_evidence_and_counted(
    monkeypatch: Patch, capsys: Capture
) -> None:
    published(monkeypatch, ODD, replace(ODD, tutorial="products"), SKIPPED)
    assert run(["--findings"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "sums",
        "D0   shown: Three is even.",
        "     3 was seen; put right: 4 was seen",
        "products",
        "D0   shown: Three is even.",
        "     3 was seen; put right: 4 was seen",
        "sums",
        "D2   skipped: Three is even.",
        "     there is no such file",
        "3 findings: 2 shown, 1 skipped",
    ]


def test_a_finding_that_is_not_shown_fails_the_run(monkeypatch: Patch, capsys: Capture) -> None:
    published(monkeypatch, ODD, EVEN)
    assert run(["--findings"]) == 4
    assert "D1   not shown: Three is even." in capsys.readouterr().out


def test_there_is_a_row_for_each(monkeypatch: Patch, tmp_path: Path) -> None:
    published(monkeypatch, ODD, EVEN, SKIPPED)
    path = tmp_path / "findings.csv"
    assert run(["--findings", "--csv", str(path)]) == 4
    rows = read(path, FINDINGS).rows
    assert [(row.key, row.outcome) for row in rows] == [
        ("D0", "shown"),
        ("D1", "not shown"),
        ("D2", "skipped"),
    ]
    assert (tmp_path / "environment.json").exists()


def test_ctrl_c_keeps_the_rows(monkeypatch: Patch, tmp_path: Path, capsys: Capture) -> None:
    def interrupting(_: int) -> Observation:
        raise KeyboardInterrupt

    proof = Demonstration(published=3, corrected=4, observe=interrupting)
    published(monkeypatch, ODD, replace(ODD, proof=proof))
    path = tmp_path / "findings.csv"
    assert run(["--findings", "--csv", str(path)]) == 130
    assert capsys.readouterr().err == (
        f"verify: interrupted after 1 findings; the rows so far are in {path}\n"
    )
    assert [row.key for row in read(path, FINDINGS).rows] == ["D0"]


def test_long_evidence_is_folded(monkeypatch: Patch, capsys: Capture) -> None:
    proof = Demonstration(
        published=1, corrected=2, observe=lambda n: Observation(n == 1, "much was seen " * 10)
    )
    published(monkeypatch, replace(ODD, proof=proof))
    assert run(["--findings"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 4
    assert max(map(len, lines)) <= 80


def test_what_findings_do_not_read_is_refused(capsys: Capture) -> None:
    assert run(["relu", "--findings"]) == 2
    assert "got a NAME with --findings" in capsys.readouterr().err
