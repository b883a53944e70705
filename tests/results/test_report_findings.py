from pathlib import Path

from results.report.findings import FindingSection, finding_section
from results.report.render import render
from results.store import Appender, read
from results.tables import FINDINGS, VERDICTS, FindingRow


def finding(key: str, **changes: object) -> FindingRow:
    plain: dict[str, object] = {
        "measured_at": "2025-01-01T00:00:00+00:00",
        "key": key,
        "tutorial": "sums",
        "place": "the first",
        "kind": "text",
        "says": "Three is even.",
        "right": "Four is.",
        "matters": "Halves.",
        "evidence": "3 was seen",
        "outcome": "shown",
        "time_s": 0.5,
    }
    return FindingRow.model_validate(plain | changes)


def written(directory: Path, *rows: FindingRow) -> FindingSection:
    path = directory / FINDINGS.file_name
    with Appender(path, FINDINGS) as appender:
        for row in rows:
            appender.append(row)
    return finding_section(read(path, FINDINGS))


def test_a_finding_counts_as_it_was_last_tried(tmp_path: Path) -> None:
    section = written(
        tmp_path,
        finding("D1", outcome="not shown"),
        finding("D2"),
        finding("D3", tutorial="products", outcome="skipped"),
        finding("D1"),
    )
    assert section.counts == {"shown": 2, "skipped": 1}
    assert {name: list(rows["key"]) for name, rows in section.by_tutorial.items()} == {
        "sums": ["D2", "D1"],
        "products": ["D3"],
    }


def test_one_that_is_not_shown_stands_out(tmp_path: Path) -> None:
    written(tmp_path, finding("D1", outcome="not shown"), finding("D2", evidence="4 | 5"))
    text = render(tmp_path)
    assert "Of 2 findings: 1 not shown, 1 shown." in text
    assert "| **not shown** |" in text
    assert r"4 \| 5" in text


def test_a_run_without_findings_says_nothing_of_them(tmp_path: Path) -> None:
    Appender(tmp_path / VERDICTS.file_name, VERDICTS).close()
    assert "tutorials have wrong" not in render(tmp_path)
