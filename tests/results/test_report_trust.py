from pathlib import Path
from typing import TypeVar

import pandas as pd
import pytest

from results.report import trust
from results.report.render import render
from results.store import Appender, read
from results.tables import ALARMS, COSTS, KILLS, VERDICTS, Alarms, Cost, Kill, Row, Table

R = TypeVar("R", bound=Row)

NOW = {"measured_at": "2025-01-01T00:00:00+00:00"}
TIMES = "\N{MULTIPLICATION SIGN}"


def kill(fault: str, checker: str, outcome: str, **changes: object) -> Kill:
    plain: dict[str, object] = {
        "fault": fault,
        "correct": outcome in {"passed", "flagged"},
        "size": 10,
        "entries": 10,
        "dtype": "float64",
        "seed": 0,
        "checker": checker,
        "outcome": outcome,
        "time_s": 0.1,
    }
    return Kill.model_validate(NOW | plain | changes)


def alarm(computation: str, **changes: object) -> Alarms:
    plain: dict[str, object] = {
        "computation": computation,
        "dtype": "float64",
        "size": 5,
        "first_seed": 0,
        "seeds": 200,
        "checks": 1000,
        "agree": 1000,
        "disagree": 0,
        "inconclusive": 0,
        "unsupported": 0,
    }
    return Alarms.model_validate(NOW | plain | changes)


def cost(checker: str, entries: int, units: float | None, **changes: object) -> Cost:
    plain: dict[str, object] = {
        "function": "tanh",
        "entries": entries,
        "checker": checker,
        "status": "ok",
        "median_s": units and units * 2e-3,
        "unit_s": 2e-3,
        "cost_units": units,
    }
    return Cost.model_validate(NOW | plain | changes)


def write(directory: Path, table: Table[R], *rows: R) -> pd.DataFrame:
    path = directory / table.file_name
    with Appender(path, table) as appender:
        for row in rows:
            appender.append(row)
    return read(path, table).frame


def cells(text: str, *starts: str) -> list[str]:
    """Find the one table row that starts with these cells, and give the rest of it."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    (found,) = [row[len(starts) :] for row in rows if tuple(row[: len(starts)]) == starts]
    return found


def section(text: str, heading: str) -> str:
    return text.partition(f"# {heading}\n")[2].partition("\n#")[0].strip()


SIGN = {"wanted": "sign", "diagnosis": "sign", "verdict": "disagree"}

# gradjury catches all but one, and names all it catches but one; gradcheck misses a third.
TWO_CHECKERS = [
    kill("flipped", "gradjury", "caught", **SIGN),
    kill("flipped", "gradcheck", "caught", wanted="sign"),
    kill("flipped", "gradjury", "caught", **SIGN | {"diagnosis": "unknown"}, size=1000),
    kill("flipped", "gradcheck", "missed", size=1000),
    kill("flipped", "gradjury", "missed", **SIGN | {"diagnosis": None, "verdict": "agree"}, seed=1),
    kill("flipped", "gradcheck", "caught", seed=1),
    kill("other", "gradjury", "caught", verdict="disagree"),
    kill("other", "gradcheck", "skipped", detail="takes O(n) evaluations: 5,000 entries, no"),
    kill("third", "gradjury", "caught", verdict="disagree"),
    kill("third", "gradcheck", "skipped", detail="takes O(n) evaluations: 6,000 entries, no"),
    kill("relu at 0", "gradjury", "passed", verdict="agree"),
    kill("relu at 0", "gradcheck", "flagged"),
    kill("noise", "gradjury", "passed", verdict="inconclusive"),
    kill("noise", "gradcheck", "skipped", correct=True, detail="no such dtype"),
]


class TestTally:
    def test_what_was_skipped_is_in_no_count_but_its_own(self, tmp_path: Path) -> None:
        kills = write(tmp_path, KILLS, *TWO_CHECKERS)
        assert trust.tally(kills[~kills["correct"]], "caught") == {
            "flipped": {"gradjury": (2, 3), "gradcheck": (2, 3)},
            "other": {"gradjury": (1, 1), "gradcheck": (0, 0)},
            "third": {"gradjury": (1, 1), "gradcheck": (0, 0)},
            "all": {"gradjury": (4, 5), "gradcheck": (2, 3)},
            "not asked": {"gradjury": (0, 5), "gradcheck": (2, 5)},
        }
        assert trust.tally(kills[kills["correct"]], "passed") == {
            "relu at 0": {"gradjury": (1, 1), "gradcheck": (0, 1)},
            "noise": {"gradjury": (1, 1), "gradcheck": (0, 0)},
            "all": {"gradjury": (2, 2), "gradcheck": (0, 1)},
            "not asked": {"gradjury": (0, 2), "gradcheck": (1, 2)},
        }

    def test_a_case_asked_again_counts_as_last_asked(self, tmp_path: Path) -> None:
        kills = write(
            tmp_path,
            KILLS,
            kill("flipped", "gradjury", "missed"),
            kill("flipped", "gradjury", "caught"),
            kill("flipped", "gradjury", "caught", dtype="float32"),
        )
        assert trust.latest_kills(kills)["outcome"].tolist() == ["caught", "caught"]

    def test_no_rows(self, tmp_path: Path) -> None:
        assert trust.tally(write(tmp_path, KILLS), "caught") == {}

    def test_what_was_missed_was_not_named(self, tmp_path: Path) -> None:
        kills = write(tmp_path, KILLS, *TWO_CHECKERS)
        assert trust.diagnosed(kills) == {"flipped": (1, 3), "all": (1, 3)}


class TestKills:
    def test_alone_they_are_a_report(self, tmp_path: Path) -> None:
        write(tmp_path, KILLS, *TWO_CHECKERS)
        text = render(tmp_path)
        assert "There is no `alarms.csv` here" in text
        assert "There is no `costs.csv` here" in text
        assert "There is no `timings.csv` here" in text

    def test_the_matrix(self, tmp_path: Path) -> None:
        write(tmp_path, KILLS, *TWO_CHECKERS)
        wrong, correct = section(render(tmp_path), "float64").partition("correct function")[::2]
        assert cells(wrong, "fault") == ["gradjury", "gradcheck", "named"]
        assert cells(wrong, "flipped") == ["**2/3**", "**2/3**", "**1/3**"]
        assert cells(wrong, "other") == ["1/1", "—", "—"]
        assert cells(wrong, "all") == ["**4/5**", "**2/3**", "**1/3**"]
        assert cells(wrong, "not asked") == ["—", "2", "—"]
        assert cells(correct, "relu at 0") == ["1/1", "**0/1**"]
        assert cells(correct, "noise") == ["1/1", "—"]

    def test_each_dtype_has_its_own(self, tmp_path: Path) -> None:
        write(
            tmp_path,
            KILLS,
            kill("flipped", "gradjury", "caught"),
            kill("flipped", "gradjury", "missed", dtype="float32"),
        )
        text = render(tmp_path)
        assert cells(section(text, "float64"), "flipped") == ["1/1", "—"]
        assert cells(section(text, "float32"), "flipped", "**0/1**") == ["—"]

    def test_the_sums_are_gradjurys_own(self, tmp_path: Path) -> None:
        write(tmp_path, KILLS, *TWO_CHECKERS)
        text = section(render(tmp_path), "Planted faults")
        assert "5 wrong gradients, of 3 kinds of fault" in text
        assert "caught 4." in text
        assert "Of 2 right gradients of awkward functions it flagged 0; of those" in text
        assert "1 inconclusive, which is no agreement." in text
        assert (
            "Of the 3 wrong gradients whose fault has a class, its diagnosis named 1 (33.3 %)."
            in text
        )

    def test_where_it_was_wrong_and_what_it_did_not_name(self, tmp_path: Path) -> None:
        flagged = kill("sound", "gradjury", "flagged", verdict="disagree", dtype="float32")
        write(tmp_path, KILLS, *TWO_CHECKERS, flagged)
        text = render(tmp_path)
        assert cells(text, "flipped", "float64", "missed") == ["agree", "10", "1"]
        assert cells(text, "sound", "float32", "flagged") == ["disagree", "10", "0"]
        assert cells(text, "flipped", "sign", "unknown") == ["1"]
        assert cells(text, "flipped", "sign", "—") == ["1"]

    def test_reasons_are_counted_whatever_the_size_in_them(self, tmp_path: Path) -> None:
        write(tmp_path, KILLS, *TWO_CHECKERS)
        text = render(tmp_path)
        assert cells(text, "gradcheck", "takes O(n) evaluations, no") == ["2"]
        assert cells(text, "gradcheck", "no such dtype") == ["1"]

    def test_a_perfect_run_has_no_list_of_failures(self, tmp_path: Path) -> None:
        write(tmp_path, KILLS, kill("flipped", "gradjury", "caught", **SIGN))
        text = render(tmp_path)
        assert "named 1 (100.0 %)" in text
        assert "Where gradjury was wrong" not in text
        assert "did not name" not in text
        assert "Not asked" not in text
        assert "No correct function was tried." in text

    def test_no_rows(self, tmp_path: Path) -> None:
        write(tmp_path, KILLS)
        assert "was given 0 wrong gradients" in render(tmp_path)


class TestAlarms:
    def test_totals_and_the_table(self, tmp_path: Path) -> None:
        write(
            tmp_path,
            ALARMS,
            alarm("relu", agree=1, disagree=999),
            alarm("relu", closest=0.25, closest_check="vjp against torch, seed 3"),
            alarm("relu", dtype="float32", agree=998, inconclusive=2, closest=0.125),
            alarm("tanh", checks=500, agree=499, disagree=1, note="so it is"),
        )
        text = section(render(tmp_path), "False alarms")
        assert "2 computations, all correct, in float64, float32, over 200 seeds each." in text
        assert (
            "Of 2500 checks, 2497 agree, 1 disagree, 2 are inconclusive and 0 unsupported." in text
        )
        assert (
            "The closest to an alarm was 0.25 of its tolerance "
            "(relu, float64: vjp against torch, seed 3)." in text
        )
        assert cells(text, "relu", "float64") == [
            *("vjp against torch, seed 3", "—", "5", "200"),
            *("1000", "1000", "0", "0", "0", "0.25"),
        ]
        assert cells(text, "tanh", "float64") == [
            *("—", "so it is", "5", "200"),
            *("500", "499", "**1**", "0", "0", "—"),
        ]

    def test_no_rows(self, tmp_path: Path) -> None:
        write(tmp_path, ALARMS)
        assert "Nothing was checked." in section(render(tmp_path), "False alarms")


class TestCosts:
    def test_in_units_of_a_gradient(self, tmp_path: Path) -> None:
        write(
            tmp_path,
            COSTS,
            cost("gradjury", 1_000_000, 14.0, evaluations=25),
            cost("gradjury", 1_000, 99.0),
            cost("gradjury", 1_000, 7.0, evaluations=20),
            cost("gradcheck", 1_000, 3_500.0),
            cost("gradcheck", 1_000_000, None, status="skipped", reason="O(n)"),
        )
        text = section(render(tmp_path), "tanh")
        units, over_ours, growth, calls, _ = (t for t in text.split("\n\n") if t.startswith("|"))
        assert cells(units, "n") == ["unit", "gradjury", "gradcheck"]
        assert cells(units, "1,000") == ["2 ms", f"7{TIMES}", f"3500{TIMES}"]
        assert cells(units, "1,000,000") == ["2 ms", f"14{TIMES}", "—"]
        assert cells(over_ours, "1,000") == [f"500{TIMES}"]
        assert "1,000,000" not in over_ours
        assert cells(growth, "gradjury") == ["1,000", "1,000,000", f"2{TIMES}", "0.10"]
        assert "gradcheck" not in growth
        assert cells(calls, "1,000") == ["20", "—"]
        assert cells(render(tmp_path), "skipped", "gradcheck", "O(n)") == ["1"]

    def test_growth_is_between_the_ends(self, tmp_path: Path) -> None:
        slow = [cost("slow", n, 2.0 * n) for n in (100, 1_000, 10)]
        found = trust.growth(write(tmp_path, COSTS, *slow, cost("one", 5, 1.0)))
        assert list(found) == ["slow"]
        assert found["slow"] == pytest.approx((10, 1_000, 100.0, 1.0))

    def test_ours_alone_is_compared_with_nothing(self, tmp_path: Path) -> None:
        write(tmp_path, COSTS, cost("gradjury", 10, 8.0))
        text = section(render(tmp_path), "tanh")
        assert "over gradjury's" not in text
        assert "Growth" not in text
        assert "Calls" not in text

    def test_nothing_timed(self, tmp_path: Path) -> None:
        write(tmp_path, COSTS, cost("gradjury", 10, None, status="failed", reason="no"))
        text = section(render(tmp_path), "What a check costs")
        assert "Nothing was timed." in text
        assert cells(text, "failed", "gradjury", "no") == ["1"]


def test_none_of_it(tmp_path: Path) -> None:
    write(tmp_path, VERDICTS)
    assert "how far a verdict can be trusted was not measured" in render(tmp_path)
    write(tmp_path, ALARMS)
    assert "There is no `kills.csv` here" in render(tmp_path)


@pytest.mark.parametrize("table", [KILLS, ALARMS, COSTS], ids=lambda table: table.file_name)
def test_a_torn_line_is_said(tmp_path: Path, table: Table[Row]) -> None:
    write(tmp_path, table)
    with (tmp_path / table.file_name).open("a") as file:
        file.write("2025-01")
    assert f"Note: {table.file_name}: dropped a torn last line." in render(tmp_path)
