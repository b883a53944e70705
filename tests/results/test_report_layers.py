import math
from pathlib import Path
from typing import TypeVar

import pandas as pd
import pytest

from results.report import layers
from results.report.render import render
from results.store import Appender, read
from results.tables import LAYERS, MEMORY, Layer, Memory, Row, Table

R = TypeVar("R", bound=Row)


def layer(**changes: object) -> Layer:
    plain: dict[str, object] = {
        "measured_at": "2025-01-01T00:00:00+00:00",
        "layer": "ridge",
        "formulation": "closed form",
        "phase": "forward and backward",
        "dtype": "float64",
        "size": 8,
        "status": "ok",
    }
    return Layer.model_validate(plain | changes)


def peak(formulation: str, n_y: int, n_z: int, peak_bytes: int) -> Memory:
    return Memory(
        measured_at="2025-01-01T00:00:00+00:00",
        layer="ridge",
        formulation=formulation,
        phase="backward",
        dtype="float64",
        n_y=n_y,
        n_z=n_z,
        status="ok",
        peak_bytes=peak_bytes,
    )


def write(directory: Path, table: Table[R], *rows: R) -> pd.DataFrame:
    path = directory / table.file_name
    with Appender(path, table) as appender:
        for row in rows:
            appender.append(row)
    return read(path, table).frame


def timed(
    formulation: str, forward: float, backward: float, both: float, error: float = 1e-14
) -> list[Layer]:
    times = {"forward": forward, "backward": backward, "forward and backward": both}
    return [
        layer(formulation=formulation, phase=phase, median_s=time, gradient_error=error)
        for phase, time in times.items()
    ]


FOUR = [
    *timed("full Hessian", forward=0.004, backward=1.0, both=1.1, error=1e-4),
    *timed("K batched", forward=0.004, backward=0.002, both=0.006, error=1e-5),
    *timed("general operator", forward=0.01, backward=0.001, both=0.012),
    *timed("closed form", forward=2e-5, backward=3e-5, both=5e-5),
]

# 16 bytes for each entry of a matrix in (y, z), and 24 for each entry of z.
PEAKS = [
    peak("full Hessian", 1_000, 9_000, 16 * 10_000**2),
    peak("full Hessian", 2_000, 9_000, 16 * 11_000**2),
    peak("general operator", 1_000, 9_000, 24 * 9_000),
    peak("general operator", 2_000, 9_000, 24 * 9_000),
    peak("general operator", 1_000, 900_000, 24 * 900_000),
]


def cells(text: str, *starts: str) -> list[str]:
    """Find the one table row that starts with these cells, and give the rest of it."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    (found,) = [row[len(starts) :] for row in rows if tuple(row[: len(starts)]) == starts]
    return found


class TestNumbers:
    def test_phases_by_formulation_in_the_order_of_the_file(self, tmp_path: Path) -> None:
        times = layers.phase_times(write(tmp_path, LAYERS, *FOUR))
        assert list(times.index) == [
            *("full Hessian", "K batched", "general operator", "closed form")
        ]
        assert list(times.columns) == ["forward", "backward", "forward and backward"]
        assert times.to_numpy()[2].tolist() == [0.01, 0.001, 0.012]

    def test_headlines_are_of_what_was_timed(self, tmp_path: Path) -> None:
        found = layers.headlines(write(tmp_path, LAYERS, *FOUR))
        both, backward = "forward and backward", "backward"
        assert found == {
            (("closed form", both), ("full Hessian", backward)): pytest.approx(1.0 / 5e-5),
            (("closed form", both), ("full Hessian", both)): pytest.approx(1.1 / 5e-5),
            (("general operator", backward), ("full Hessian", backward)): pytest.approx(1000),
            (("general operator", both), ("full Hessian", both)): pytest.approx(1.1 / 0.012),
            (("K batched", backward), ("full Hessian", backward)): pytest.approx(500),
        }

    def test_growth_of_each_kind(self, tmp_path: Path) -> None:
        growth = layers.growth(write(tmp_path, MEMORY, *PEAKS))
        z, y, both = growth.loc[[("general operator", "backward")]].to_numpy()[0]
        assert z == pytest.approx(24)
        assert math.isnan(y)  # less than the resolution
        assert both < 1e-3
        full = growth.loc[[("full Hessian", "backward")]].to_numpy()[0]
        assert math.isnan(full[0])  # one size of z
        assert full[2] == pytest.approx(16)


class TestReport:
    def test_the_table_of_formulations(self, tmp_path: Path) -> None:
        write(tmp_path, LAYERS, *FOUR)
        text = render(tmp_path)
        assert "### ridge, size 8, float64\n" in text
        assert cells(text, "general operator") == [
            *("10 ms", "1 ms", "12 ms", "240\N{MULTIPLICATION SIGN}"),
            *("—", "1.0e-14", "—"),
        ]

    def test_a_headline_says_how_wrong_each_side_is(self, tmp_path: Path) -> None:
        write(tmp_path, LAYERS, *FOUR)
        text = render(tmp_path)
        assert cells(text, "full Hessian: backward", "K batched: backward") == [
            *("500\N{MULTIPLICATION SIGN}", "1.0e-04", "1.0e-05")
        ]
        assert cells(text, "full Hessian: backward", "general operator: backward") == [
            *("1000\N{MULTIPLICATION SIGN}", "1.0e-04", "1.0e-14")
        ]

    def test_a_headline_without_an_error(self, tmp_path: Path) -> None:
        slow, fast = ({"formulation": f} for f in ("full Hessian", "closed form"))
        write(tmp_path, LAYERS, layer(**slow, median_s=2.0), layer(**fast, median_s=1.0))
        name = "{}: forward and backward".format
        assert cells(render(tmp_path), name("full Hessian"), name("closed form")) == [
            *("2\N{MULTIPLICATION SIGN}", "—", "—")
        ]

    def test_a_first_call_within_the_spread_is_no_number(self, tmp_path: Path) -> None:
        write(
            tmp_path,
            LAYERS,
            layer(formulation="a", median_s=1.0, iqr_s=0.1, first_call_s=-0.2),
            layer(formulation="b", median_s=1.0, iqr_s=0.1, first_call_s=0.05),
            layer(formulation="c", median_s=1.0, iqr_s=0.1, first_call_s=3.0),
        )
        text = render(tmp_path)
        assert [cells(text, name)[-1] for name in "abc"] == ["—", "—", "3 s"]

    def test_training_steps(self, tmp_path: Path) -> None:
        step = {"layer": "network", "phase": "training step"}
        write(
            tmp_path,
            LAYERS,
            layer(**step, formulation="full Hessian", median_s=2.0, gradient_error=1e-4),
            layer(**step, formulation="closed form", median_s=0.001, gradient_error=0.0),
        )
        text = render(tmp_path)
        assert "### A training step: network, size 8, float64\n" in text
        assert cells(text, "closed form") == [
            *("1 ms", "1000", "2000\N{MULTIPLICATION SIGN}", "0.0e+00")
        ]

    def test_accuracy_against_time(self, tmp_path: Path) -> None:
        swept = {"formulation": "K alone", "gradient_error": 0.5}
        write(
            tmp_path,
            LAYERS,
            layer(**swept, tolerance=1e-8, median_s=9.0),
            layer(**swept, tolerance=1e-1, median_s=8.0),
            layer(**swept, tolerance=1e-8, median_s=7.0),
            layer(**{**swept, "formulation": "general operator"}, tolerance=1e-1, median_s=1.0),
        )
        text = render(tmp_path)
        assert cells(text, "1e-01") == ["8 s", "5.0e-01", "1 s", "5.0e-01"]
        assert cells(text, "1e-08") == ["7 s", "5.0e-01", "—", "—"]
        assert text.index("| 1e-01") < text.index("| 1e-08")

    def test_memory(self, tmp_path: Path) -> None:
        write(tmp_path, MEMORY, *PEAKS)
        text = render(tmp_path)
        assert cells(text, "backward", "9000", "1000") == ["1.6 GB, 178000 B/z", "216 kB, 24 B/z"]
        assert cells(text, "backward", "900000", "1000") == ["—", "21.6 MB, 24 B/z"]
        assert cells(text, "full Hessian: backward")[2] == "16 B"
        assert cells(text, "general operator: backward")[:2] == ["24 B", "—"]

    def test_what_was_left_out_and_why(self, tmp_path: Path) -> None:
        left_out = {"formulation": "cvxpylayers", "status": "skipped", "reason": "not installed"}
        write(tmp_path, LAYERS, layer(**left_out), layer(**left_out, phase="forward"))
        assert cells(render(tmp_path), "skipped", "cvxpylayers", "not installed") == ["2"]

    def test_what_is_missing_is_said(self, tmp_path: Path) -> None:
        write(tmp_path, LAYERS)
        assert "There is no `memory.csv` here" in render(tmp_path)
        (tmp_path / LAYERS.file_name).unlink()
        write(tmp_path, MEMORY)
        text = render(tmp_path)
        assert "There is no `layers.csv` here" in text
        assert "Nothing was measured." in text

    def test_a_torn_line_is_said(self, tmp_path: Path) -> None:
        write(tmp_path, LAYERS, *FOUR)
        write(tmp_path, MEMORY, *PEAKS)
        for name in ("layers.csv", "memory.csv"):
            with (tmp_path / name).open("a") as file:
                file.write("2025,rid")
            assert f"Note: {name}: dropped a torn last line." in render(tmp_path)
