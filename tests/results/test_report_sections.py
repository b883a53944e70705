import re
import shutil
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path

import pandas as pd
import pytest

from results.report.render import render
from results.report.sections import read_sections
from results.tables import TABLES

SMALL_RUN = Path(__file__).with_name("small_run")

NUMBER_AS_TEXT = re.compile(r"—|\W*\d[\d.,]*(e[-+]?\d+)?\W*(\d+|s|ms|µs|ns|[kMG]?B|ulp)?\W*")


def frames(data: object, name: str = "") -> Iterator[tuple[str, pd.DataFrame]]:
    """Find every frame of a section, with the path that leads to it."""
    if isinstance(data, pd.Series):
        yield name, data.to_frame()
    elif isinstance(data, pd.DataFrame):
        yield name, data
    elif isinstance(data, dict):
        for key, value in data.items():
            yield from frames(value, f"{name}[{key}]")
    elif is_dataclass(data):
        for field in fields(data):
            yield from frames(getattr(data, field.name), f"{name}.{field.name}")


FRAMES = dict(frames(read_sections(SMALL_RUN)))


def words(frame: pd.DataFrame) -> list[str]:
    """List all cells, those of the index too, that are in a column of anything but numbers."""
    columns = [*frame.items(), *frame.index.to_frame().items()]
    others = [column for _, column in columns if not pd.api.types.is_numeric_dtype(column)]
    return [str(cell) for column in others for cell in column.dropna()]


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_holds_numbers_as_numbers(name: str) -> None:
    assert not [cell for cell in words(FRAMES[name]) if NUMBER_AS_TEXT.fullmatch(cell)]


@pytest.mark.parametrize(
    "written",
    [
        "12.3 µs",
        "1e-08",
        "240\N{MULTIPLICATION SIGN}",
        "—",
        "3/4",
        "**1/3**",
        "1,000",
        "5.03 ulp",
        "0.0e+00",
    ],
)
def test_a_number_that_was_written_down_would_be_found(written: str) -> None:
    assert NUMBER_AS_TEXT.fullmatch(written)


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        (".verdicts.accuracy[float64]", ["relative_error", "ulps"]),
        (".argmin.evidence", ["size", "unknowns", "condition", "rank", "active", "residual"]),
        (".kills.by_dtype[float64].wrong", ["good", "of"]),
        (".kills.by_dtype[float64].named", ["good", "of"]),
        (".alarms.counts", ["size", "seeds", "checks", "disagree", "closest"]),
        (".timings.by_dtype[float64].times", ["manual value", "torch gradient"]),
        (".timings.by_dtype[float64].over_gpu_means", ["mean", "computations"]),
        (".timings.slower", ["size", "manual / torch"]),
        (".layers.phases[ridge_argmin, size 8, float64].times", ["forward", "over_closed_form"]),
        (".layers.phases[ridge_argmin, size 8, float64].headlines", ["ratio", "slow_error"]),
        (".memory.peaks", ["n_z", "n_y", "peak_bytes", "bytes_per_z"]),
        (".costs.by_function[tanh network, torch].units", ["gradjury", "torch gradcheck"]),
        (".costs.by_function[tanh network, torch].growth", ["first", "last", "factor", "power"]),
    ],
)
def test_what_a_plot_would_show_is_numeric(name: str, numbers: list[str]) -> None:
    frame = FRAMES[name]
    assert not frame.empty
    assert list(frame[numbers].select_dtypes("number")) == numbers


def test_every_table_has_a_section() -> None:
    sections = read_sections(SMALL_RUN)
    assert {path.name for path in SMALL_RUN.glob("*.csv")} == {table.file_name for table in TABLES}
    assert all(getattr(sections, Path(table.file_name).stem) for table in TABLES)


def test_a_file_that_is_not_there_has_no_section(tmp_path: Path) -> None:
    shutil.copy(SMALL_RUN / "costs.csv", tmp_path)
    sections = read_sections(tmp_path)
    assert [field.name for field in fields(sections) if getattr(sections, field.name)] == ["costs"]


def test_the_report_of_a_small_run_is_what_it_was() -> None:
    """Every table of every section, empty cells, disagreements and false alarms among them."""
    assert render(SMALL_RUN) == (SMALL_RUN / "report.md").read_text(encoding="utf-8")
