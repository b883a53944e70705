from pathlib import Path

import pandas as pd
import pytest

from results.report.render import render
from results.report.start import StartSection, start_section
from results.store import Appender, read
from results.tables import STARTS, VERDICTS, Start

COMMIT = "0123456789abcdef"


def start(command: str, **changes: object) -> Start:
    plain: dict[str, object] = {
        "measured_at": "2025-01-01T00:00:00+00:00",
        "command": command,
        "status": "ok",
        "median_s": 2.0,
        "iqr_s": 0.5,
        "cpu_s": 1.0,
        "rounds": 5,
        "over_numpy": 10.0,
        "over_torch": 0.5,
    }
    return Start.model_validate(plain | changes)


def written(directory: Path, *rows: Start) -> StartSection:
    path = directory / STARTS.file_name
    with Appender(path, STARTS) as appender:
        for row in rows:
            appender.append(row)
    return start_section(read(path, STARTS))


def test_a_command_counts_as_it_was_last_timed_at_each_commit(tmp_path: Path) -> None:
    section = written(
        tmp_path,
        start("import numpy"),
        start("list", commit=COMMIT, dirty=False),
        start("list", commit=COMMIT, dirty=True),
        start("list", commit=COMMIT, dirty=False, median_s=3.0),
        start("import numpy", median_s=4.0),
    )
    assert section.times["median_s"].tolist() == [2.0, 3.0, 4.0]


def test_an_unknown_commit_is_neither_clean_nor_dirty(tmp_path: Path) -> None:
    dirty = written(tmp_path, start("list")).times["dirty"]
    assert pd.isna(dirty.iloc[0])
    assert "| list      | —        |" in render(tmp_path)


def test_what_was_not_timed_is_listed_with_its_reason(tmp_path: Path) -> None:
    section = written(
        tmp_path, start("list", status="failed", reason="exit status 1, wanted 0", median_s=None)
    )
    assert section.times.empty
    assert section.reasons["reason"].tolist() == ["exit status 1, wanted 0"]
    text = render(tmp_path)
    assert "Nothing was timed." in text.partition("commands take to start")[2]
    assert "exit status 1, wanted 0" in text


def test_a_run_without_starts_says_nothing_of_them(tmp_path: Path) -> None:
    Appender(tmp_path / VERDICTS.file_name, VERDICTS).close()
    assert "take to start" not in render(tmp_path)


@pytest.mark.parametrize("dirty", [True, False])
def test_changes_since_the_commit_are_said(tmp_path: Path, dirty: bool) -> None:  # noqa: FBT001
    written(tmp_path, start("list", commit=COMMIT, dirty=dirty))
    assert ("0123456789, with uncommitted changes" in render(tmp_path)) == dirty


def test_a_torn_line_is_said(tmp_path: Path) -> None:
    written(tmp_path, start("list"))
    with (tmp_path / STARTS.file_name).open("a") as file:
        file.write("2025-01")
    assert "Note: starts.csv: dropped a torn last line." in render(tmp_path)
