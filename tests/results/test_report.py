import math
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from results.environment import write_environment
from results.errors import ResultsError
from results.report import summaries, write_report
from results.report.render import render
from results.report.text import digits, memory, ratio, seconds
from results.store import Appender, read
from results.tables import ARGMIN, TIMINGS, VERDICTS, Argmin, Timing, Verdict


def verdict(**changes: object) -> Verdict:
    plain: dict[str, object] = {
        "computation": "relu",
        "implementation": "torch",
        "device": "cpu",
        "dtype": "float64",
        "size": 10,
        "tutorial_size": True,
        "seed": 0,
        "check": "vjp",
        "against": "manual",
        "verdict": "agree",
    }
    return Verdict.model_validate(plain | changes)


def timing(**changes: object) -> Timing:
    plain: dict[str, object] = {
        "measured_at": "2025-01-01T00:00:00+00:00",
        "computation": "relu",
        "operator": "gradient",
        "implementation": "manual",
        "device": "cpu",
        "dtype": "float64",
        "size": 10,
        "tutorial_size": True,
        "status": "ok",
    }
    return Timing.model_validate(plain | changes)


def timed(computation: str, implementation: str, value: float, gradient: float) -> list[Timing]:
    names: dict[str, object] = {"computation": computation, "implementation": implementation}
    return [
        timing(**names, operator="value", median_s=value),
        timing(**names, operator="gradient", median_s=gradient),
    ]


def write_verdicts(directory: Path, *rows: Verdict) -> pd.DataFrame:
    path = directory / "verdicts.csv"
    with Appender(path, VERDICTS) as verdicts:
        for row in rows:
            verdicts.append(row)
    return read(path, VERDICTS).frame


def write_timings(directory: Path, *rows: Timing) -> pd.DataFrame:
    path = directory / "timings.csv"
    with Appender(path, TIMINGS) as timings:
        for row in rows:
            timings.append(row)
    return read(path, TIMINGS).frame


# Two computations: torch takes 2 and 8 times as long as manual for a gradient, autograd 10 times,
# and the second computation has no autograd.
TWO_COMPUTATIONS = [
    *timed("relu", "manual", value=1e-6, gradient=3e-6),
    *timed("relu", "torch", value=2e-6, gradient=6e-6),
    *timed("relu", "autograd", value=5e-6, gradient=30e-6),
    *timed("tanh", "manual", value=1e-3, gradient=2e-3),
    *timed("tanh", "torch", value=1e-3, gradient=16e-3),
]


class TestAccuracy:
    def test_the_worst_of_each(self, tmp_path: Path) -> None:
        frame = write_verdicts(
            tmp_path,
            verdict(check="value", error=1e-12, scale=2.0, ulps=1.0),
            verdict(check="vjp", error=4e-12, scale=100.0, ulps=9.0, verdict="inconclusive"),
            verdict(check="oracle", against="Richardson", error=1.0, scale=1.0, ulps=99.0),
            verdict(check="contract", against="the primals", verdict="unsupported"),
            verdict(dtype="float32", error=1.0, scale=1.0, verdict="disagree"),
        )
        worst = summaries.accuracy(frame, "float64").to_dict("index")["relu", "torch"]
        assert worst["relative_error"] == pytest.approx(5e-13)
        assert (worst["ulps"], worst["verdict"]) == (9.0, "inconclusive")

    def test_a_pair_counts_for_both_of_it(self, tmp_path: Path) -> None:
        frame = write_verdicts(tmp_path, verdict(against="manual/cuda", error=2.0, scale=1.0))
        worst = summaries.accuracy(frame, "float64")
        assert worst["relative_error"].to_dict() == {
            ("relu", "manual (cuda)"): 2.0,
            ("relu", "torch"): 2.0,
        }

    def test_the_truth_counts_before_the_others(self, tmp_path: Path) -> None:
        frame = write_verdicts(
            tmp_path,
            verdict(error=1e-3, scale=1.0),
            verdict(check="precision", against="wider precision", error=1e-16, scale=1.0),
            verdict(computation="least_squares", error=1e-5, scale=1.0),
        )
        errors = summaries.accuracy(frame, "float64")["relative_error"]
        assert errors["relu", "torch"] == pytest.approx(1e-16)
        assert errors["least_squares", "torch"] == pytest.approx(1e-5)

    def test_a_refusal_far_away_does_not_count(self, tmp_path: Path) -> None:
        frame = write_verdicts(
            tmp_path,
            verdict(error=1e-16, scale=1.0),
            verdict(check="extremes", against="8192 times the primals", verdict="unsupported"),
        )
        assert summaries.accuracy(frame, "float64")["verdict"]["relu", "torch"] == "agree"

    def test_a_disagreement_hides_behind_nothing(self, tmp_path: Path) -> None:
        frame = write_verdicts(
            tmp_path,
            verdict(error=1e-16, scale=1.0, ulps=1.0),
            verdict(error=math.nan, scale=1.0, ulps=math.nan, verdict="disagree"),
        )
        worst = summaries.accuracy(frame, "float64").to_dict("index")["relu", "torch"]
        assert list(worst.values()) == [math.inf, math.inf, "disagree"]

    def test_an_error_on_a_zero_scale_is_not_relative(self, tmp_path: Path) -> None:
        frame = write_verdicts(
            tmp_path,
            verdict(computation="exact", error=0.0, scale=0.0),
            verdict(computation="rounded", error=1e-20, scale=0.0),
        )
        errors = summaries.accuracy(frame, "float64")["relative_error"]
        assert errors["exact", "torch"] == 0.0
        assert pd.isna(errors["rounded", "torch"])

    def test_a_contract_has_a_verdict_and_no_error(self, tmp_path: Path) -> None:
        frame = write_verdicts(
            tmp_path,
            verdict(computation="checked", error=1.0, scale=1.0),
            verdict(computation="promised", check="contract", against="the primals"),
        )
        worst = summaries.accuracy(frame, "float64").xs("torch", level="who")
        assert worst["relative_error"].isna().tolist() == [False, True]
        assert worst["verdict"].tolist() == ["agree", "agree"]

    def test_counts(self, tmp_path: Path) -> None:
        frame = write_verdicts(tmp_path, verdict(), verdict(), verdict(verdict="inconclusive"))
        assert summaries.verdict_counts(frame) == {
            "agree": 2,
            "disagree": 0,
            "inconclusive": 1,
            "unsupported": 0,
        }


class TestTimes:
    @pytest.fixture
    def timings(self, tmp_path: Path) -> pd.DataFrame:
        return write_timings(tmp_path, *TWO_COMPUTATIONS)

    def test_a_case_timed_again_counts_as_last_timed(self, tmp_path: Path) -> None:
        frame = write_timings(
            tmp_path, timing(median_s=1.0), timing(median_s=2.0), timing(size=11, median_s=3.0)
        )
        assert summaries.latest(frame)["median_s"].tolist() == [2.0, 3.0]

    def test_only_cpu_rows_at_tutorial_sizes(self, tmp_path: Path) -> None:
        frame = write_timings(
            tmp_path,
            timing(median_s=1.0),
            timing(median_s=2.0, device="cuda"),
            timing(median_s=3.0, size=11, tutorial_size=False),
        )
        assert summaries.at_tutorial_sizes(frame)["median_s"].tolist() == [1.0]

    def test_medians_leave_out_what_failed(self, tmp_path: Path) -> None:
        frame = write_timings(
            tmp_path,
            timing(median_s=1.0),
            timing(median_s=2.0, device="cuda"),
            timing(median_s=9.0, implementation="torch", status="failed"),
            timing(median_s=9.0, dtype="float32"),
            timing(median_s=9.0, operator="value"),
        )
        medians = summaries.medians(frame, "float64", "gradient")
        assert medians.to_dict() == {
            "manual": {("relu", 10): 1.0},
            "manual (cuda)": {("relu", 10): 2.0},
        }

    def test_omega_against_its_own_value(self, timings: pd.DataFrame) -> None:
        omega = summaries.over_own(
            summaries.medians(timings, "float64", "gradient"),
            summaries.medians(timings, "float64", "value"),
        )
        assert omega.to_dict("index")["relu", 10] == pytest.approx(
            {"autograd": 6.0, "manual": 3.0, "torch": 3.0}
        )

    def test_omega_against_manuals_value(self, timings: pd.DataFrame) -> None:
        omega = summaries.over_baseline(
            summaries.medians(timings, "float64", "gradient"),
            summaries.medians(timings, "float64", "value"),
        )
        assert omega.to_dict("index")["relu", 10] == pytest.approx({"autograd": 30.0, "torch": 6.0})

    def test_a_geometric_mean_counts_its_computations(self, timings: pd.DataFrame) -> None:
        gradients = summaries.medians(timings, "float64", "gradient")
        means = summaries.geometric_means(summaries.over_baseline(gradients, gradients))
        assert means.loc["torch", "mean"] == pytest.approx(4.0)  # of 2 and 8
        assert means.loc["autograd", "mean"] == pytest.approx(10.0)
        assert means["computations"].to_dict() == {"autograd": 1, "torch": 2}

    def test_where_the_baseline_is_slower(self, tmp_path: Path) -> None:
        frame = write_timings(
            tmp_path,
            *timed("even", "manual", 1.0, 2.0),
            *timed("even", "torch", 1.0, 2.0),
            *timed("slow", "manual", 1.0, 3.0),
            *timed("slow", "torch", 1.0, 2.0),
            *timed("slower", "manual", 1.0, 8.0),
            *timed("slower", "torch", 1.0, 2.0),
            *timed("alone", "manual", 1.0, 2.0),
        )
        ratios = summaries.baseline_over(summaries.medians(frame, "float64", "gradient"), "torch")
        assert len(ratios) == 3
        assert list(summaries.slower(ratios).items()) == [
            (("slower", 10), 4.0),
            (("slow", 10), 1.5),
        ]

    def test_rows_by_status_and_reason(self, tmp_path: Path) -> None:
        skipped = {"device": "cuda", "status": "skipped", "reason": "no GPU"}
        frame = write_timings(
            tmp_path,
            timing(median_s=1.0),
            timing(**skipped),
            timing(**skipped, size=11),
            timing(size=12, status="failed", reason="gate"),
        )
        assert summaries.status_counts(frame).to_numpy().tolist() == [
            ["failed", "cpu", 1],
            ["ok", "cpu", 1],
            ["skipped", "cuda", 2],
        ]
        assert summaries.reasons(frame).to_numpy().tolist() == [
            ["failed", "gate", 1],
            ["skipped", "no GPU", 2],
        ]


class TestNumbersAsText:
    @pytest.mark.parametrize(
        ("time", "text"),
        [
            (2.5, "2.5 s"),
            (1e-3, "1 ms"),
            (999.9e-6, "1 ms"),
            (12.345e-6, "12.3 µs"),
            (5e-10, "0.5 ns"),
            (1234.0, "1230 s"),
        ],
    )
    def test_seconds(self, time: float, text: str) -> None:
        assert seconds(time) == text

    @pytest.mark.parametrize(
        ("size", "text"),
        [(0.0, "0 B"), (12.0, "12 B"), (999.9e3, "1 MB"), (-2.5e3, "-2.5 kB"), (3e9, "3 GB")],
    )
    def test_memory(self, size: float, text: str) -> None:
        assert memory(size) == text

    def test_ratio(self) -> None:
        assert ratio(2.0 / 3.0) == "0.667\N{MULTIPLICATION SIGN}"

    def test_digits(self) -> None:
        assert digits(12345.6) == "12300"


def cells(text: str, *starts: str) -> list[str]:
    """Find the one table row that starts with these cells, and give the rest of it."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    (found,) = [row[len(starts) :] for row in rows if tuple(row[: len(starts)]) == starts]
    return found


def times_signs(numbers: str) -> list[str]:
    """Write ratios as a report does."""
    return [f"{n}\N{MULTIPLICATION SIGN}" if n != "—" else n for n in numbers.split()]


def section(text: str, heading: str) -> str:
    return text.partition(f"# {heading}\n")[2].partition("\n#")[0].strip()


class TestReport:
    def test_its_numbers_are_those_of_the_csv(self, tmp_path: Path) -> None:
        write_timings(tmp_path, *TWO_COMPUTATIONS)
        tables = section(render(tmp_path), "At the tutorials' sizes, float64, CPU").split("\n\n")
        times, omegas, omega_means, slowness, slowness_means = [
            table for table in tables if table.startswith("|")
        ]
        assert cells(times, "relu", "10") == ["5 µs", "1 µs", "2 µs", "30 µs", "3 µs", "6 µs"]
        assert cells(times, "tanh", "10") == ["—", "1 ms", "1 ms", "—", "2 ms", "16 ms"]
        assert cells(omegas, "relu", "10") == times_signs("6 3 3 30 6")
        assert cells(omegas, "tanh", "10") == times_signs("— 2 16 — 16")
        assert cells(omega_means, "manual over its own value") == [*times_signs("2.45"), "2"]
        assert cells(slowness, "relu", "10") == times_signs("5 2 10 2")
        assert cells(slowness, "tanh", "10") == times_signs("— 1 — 8")
        assert cells(slowness_means, "torch / manual, gradient") == [*times_signs("4"), "2"]

    def test_only_the_last_timing_at_the_tutorials_size_on_the_cpu(self, tmp_path: Path) -> None:
        write_timings(
            tmp_path,
            timing(median_s=1.0),
            timing(median_s=2.0),
            timing(median_s=3.0, device="cuda"),
            timing(median_s=4.0, size=11, tutorial_size=False),
        )
        text = section(render(tmp_path), "At the tutorials' sizes, float64, CPU")
        assert cells(text.partition("Gradient time")[0], "relu", "10") == ["2 s"]
        assert "4 s" not in text

    def test_a_gpu_is_compared_with_the_cpu_at_two_sizes(self, tmp_path: Path) -> None:
        heading = "How gradients scale with size, float64"
        at_largest = {"size": 1000, "tutorial_size": False}
        rows = [
            timing(median_s=1.0),
            timing(median_s=5.0, implementation="torch"),
            timing(median_s=8.0, **at_largest),
        ]
        write_timings(tmp_path, *rows)
        assert "the GPU is faster" not in section(render(tmp_path), heading)
        write_timings(
            tmp_path,
            timing(median_s=4.0, device="cuda"),
            timing(median_s=2.0, device="cuda", **at_largest),
        )
        text = section(render(tmp_path), heading).partition("the GPU is faster")[2]
        assert cells(text, "relu") == times_signs("0.25 4")
        assert cells(text, "manual at the largest") == [*times_signs("4"), "1"]
        assert "torch" not in text

    def test_manual_alone_is_compared_with_nothing(self, tmp_path: Path) -> None:
        write_timings(tmp_path, *timed("relu", "manual", 1.0, 3.0))
        text = section(render(tmp_path), "At the tutorials' sizes, float64, CPU")
        assert text.endswith("manual is faster):\n\nNothing was timed.")

    def test_dtypes_that_were_timed_the_most_precise_first(self, tmp_path: Path) -> None:
        write_timings(
            tmp_path,
            timing(median_s=1.0, dtype="float32"),
            timing(median_s=1.0, dtype="float64"),
            timing(dtype="float16", status="skipped", reason="no such type"),
        )
        found = re.findall(r"tutorials' sizes, (\w+), CPU\n", render(tmp_path))
        assert found == ["float64", "float32"]

    def test_verdicts(self, tmp_path: Path) -> None:
        write_verdicts(
            tmp_path,
            verdict(error=2e-16, scale=1.0, ulps=1.5),
            verdict(implementation="manual", error=3.0, scale=1.0, ulps=1e16, verdict="disagree"),
            verdict(computation="tanh", check="oracle", verdict="inconclusive"),
        )
        text = render(tmp_path)
        assert "Of 3 checks, 1 agree, 1 disagree, 1 are inconclusive and 0 unsupported." in text
        assert cells(text, "relu") == [
            "3.0e+00, 1e+16 ulp, **disagree**",
            "2.0e-16, 1.5 ulp, agree",
        ]
        assert cells(text, "tanh") == ["—", "inconclusive"]

    def test_where_manual_is_slower(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_timings(
            tmp_path,
            *timed("relu", "manual", 1.0, 3.0),
            *timed("relu", "torch", 1.0, 2.0),
            *timed("tanh", "manual", 1.0, 4.0),
            *timed("tanh", "torch", 1.0, 2.0),
        )
        (tmp_path / "remarks.toml").write_text('relu = "It copies | it waits."')
        monkeypatch.setattr(summaries, "REMARKS", tmp_path / "remarks.toml")
        text = section(render(tmp_path), "Where manual is slower than torch")
        assert "2 timed with both" in text
        assert r"It copies \| it waits." in text
        assert cells(text, "tanh", "10")[1] == "no reason recorded"

    def test_manual_is_slower_nowhere(self, tmp_path: Path) -> None:
        write_timings(tmp_path, *TWO_COMPUTATIONS)
        assert "Nowhere." in section(render(tmp_path), "Where manual is slower than torch")

    def test_nothing_timed_is_not_nowhere_slower(self, tmp_path: Path) -> None:
        write_timings(tmp_path, timing(status="skipped", reason="no time"))
        text = render(tmp_path)
        assert "Nowhere" not in text
        assert cells(text, "skipped", "no time") == ["1"]

    def test_growth_with_size_on_every_device(self, tmp_path: Path) -> None:
        write_timings(
            tmp_path,
            timing(median_s=1e-6),
            timing(size=20, tutorial_size=False, median_s=2e-6),
            timing(size=20, tutorial_size=False, device="cuda", median_s=3e-6),
        )
        text = section(render(tmp_path), "How gradients scale with size, float64")
        assert cells(text, "relu", "10") == ["1 µs", "—"]
        assert cells(text, "relu", "20") == ["2 µs", "3 µs"]

    def test_the_machine_and_the_commit(self, tmp_path: Path) -> None:
        write_verdicts(tmp_path, verdict())
        path = write_environment(tmp_path)
        commit = '"commit": "abc",\n  "dirty": true'
        lines = path.read_text().splitlines()
        head, tail = lines[:2], lines[4:]
        path.write_text("\n".join([*head, f"  {commit},", *tail]))
        text = render(tmp_path)
        assert cells(text, "commit") == ["abc, with uncommitted changes"]
        assert "logical cores" in cells(text, "CPU")[0]

    def test_what_is_missing_is_said(self, tmp_path: Path) -> None:
        write_verdicts(tmp_path, verdict())
        assert "There is no `timings.csv` here" in render(tmp_path)
        assert "There is no `environment.json`" in render(tmp_path)
        (tmp_path / "verdicts.csv").unlink()
        write_timings(tmp_path, timing(median_s=1.0))
        assert "There is no `verdicts.csv` here" in render(tmp_path)

    def test_files_without_rows(self, tmp_path: Path) -> None:
        write_verdicts(tmp_path)
        write_timings(tmp_path)
        assert "Of 0 checks" in render(tmp_path)
        assert "Nothing was timed." in render(tmp_path)

    def test_a_torn_line_is_said(self, tmp_path: Path) -> None:
        write_verdicts(tmp_path, verdict())
        write_timings(tmp_path, timing(median_s=1.0))
        for name in ("verdicts.csv", "timings.csv"):
            with (tmp_path / name).open("a") as file:
                file.write("relu,tor")
            assert f"Note: {name}: dropped a torn last line." in render(tmp_path)

    def test_a_second_report_replaces_the_first_alone(self, tmp_path: Path) -> None:
        write_verdicts(tmp_path, verdict())
        write_timings(tmp_path, *TWO_COMPUTATIONS)
        write_environment(tmp_path)
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        first = write_report(tmp_path).read_bytes()
        second = write_report(tmp_path).read_bytes()
        after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        assert first == second
        assert after == before | {"report.md": first}

    def test_it_has_no_path_in_it(self, tmp_path: Path) -> None:
        write_verdicts(tmp_path, verdict())
        write_environment(tmp_path)
        assert str(tmp_path) not in render(tmp_path)


class TestRefusal:
    def test_no_directory(self, tmp_path: Path) -> None:
        with pytest.raises(ResultsError, match="nowhere: not a directory"):
            write_report(tmp_path / "nowhere")

    def test_no_measurements(self, tmp_path: Path) -> None:
        with pytest.raises(ResultsError, match=r"none of verdicts\.csv, argmin\.csv, kills\.csv, "):
            write_report(tmp_path)

    def test_a_report_that_cannot_be_written(self, tmp_path: Path) -> None:
        write_verdicts(tmp_path, verdict())
        (tmp_path / "report.md").mkdir()
        with pytest.raises(ResultsError, match=r"cannot write .*report\.md: Is a directory"):
            write_report(tmp_path)


ARGMIN_ROW: dict[str, Any] = {
    "computation": "ridge_argmin",
    "implementation": "torch",
    "device": "cpu",
    "size": 8,
    "tutorial_size": True,
    "seed": 0,
    "unknowns": 200,
    "condition": 3.93,
    "rank": 200,
    "implicit_function": 2.7e-15,
    "plateau": "within 1e-07 for steps 1e-08 to 6e-05",
    "verdict": "agree",
}


def test_argmins_have_their_evidence(tmp_path: Path) -> None:
    with Appender(tmp_path / "argmin.csv", ARGMIN) as rows:
        rows.append(Argmin(**ARGMIN_ROW | {"verdict": "disagree"}))
        rows.append(Argmin(**ARGMIN_ROW))
        rows.append(Argmin(**ARGMIN_ROW | {"computation": "elastic_net_argmin", "active": 10}))
        rows.append(Argmin(**ARGMIN_ROW | {"device": "cuda"}))
    report = write_report(tmp_path).read_text(encoding="utf-8")
    assert "Argmin and root layers, float64" in report
    ridge, elastic, on_gpu = (
        line for line in report.splitlines() if "_argmin " in line and "|" in line
    )
    assert "| torch (cuda)" in on_gpu
    cells = [cell.strip() for cell in ridge.strip("|").split("|")]
    assert cells[:8] == ["ridge_argmin", "torch", "8", "200", "3.9e+00", "200", "—", "—"]
    assert "2.7e-15" in cells
    assert cells[-1] == "agree", "the same case checked again counts as last checked"
    assert " 10 |" in elastic
    assert "- ridge_argmin 8, seed 0: within 1e-07 for steps 1e-08 to 6e-05" in report
