from pathlib import Path

from results.report.render import render
from results.report.speeds import ClaimSection, SpeedSection, claim_section, speed_section
from results.store import Appender, read
from results.tables import CLAIMS, SPEEDS, VERDICTS, Claim, Speed


def speed(run: str, implementation: str, **changes: object) -> Speed:
    plain: dict[str, object] = {
        "measured_at": "2025-01-01T00:00:00+00:00",
        "run": run,
        "dtype": "float64",
        "implementation": implementation,
        "status": "ok",
        "steps": 99,
        "rounds": 5,
        "steps_per_second": 100.0,
        "spread": 1.0,
        "over_manual": 0.5,
    }
    return Speed.model_validate(plain | changes)


def claim(way: str, **changes: object) -> Claim:
    plain: dict[str, object] = {
        "measured_at": "2025-01-01T00:00:00+00:00",
        "claim": "one node is faster",
        "size": "6 entries",
        "dtype": "float64",
        "way": way,
        "status": "ok",
        "median_s": 2.0,
        "iqr_s": 0.5,
        "over_first": 1.0,
    }
    return Claim.model_validate(plain | changes)


def speeds(directory: Path, *rows: Speed) -> SpeedSection:
    path = directory / SPEEDS.file_name
    with Appender(path, SPEEDS) as appender:
        for row in rows:
            appender.append(row)
    return speed_section(read(path, SPEEDS))


def claims(directory: Path, *rows: Claim) -> ClaimSection:
    path = directory / CLAIMS.file_name
    with Appender(path, CLAIMS) as appender:
        for row in rows:
            appender.append(row)
    return claim_section(read(path, CLAIMS))


def test_implementations_stand_side_by_side_in_the_order_of_the_file(tmp_path: Path) -> None:
    section = speeds(
        tmp_path,
        speed("line", "torch", steps_per_second=20.0),
        speed("line", "manual", steps_per_second=40.0, over_manual=1.0),
        speed("circles", "torch", steps_per_second=10.0, dtype="float32"),
    )
    assert list(section.per_second) == ["torch", "manual"]
    assert list(section.over_manual) == ["torch"]
    assert [*section.per_second.index] == [("line", "float64"), ("circles", "float32")]
    assert section.per_second["torch"].tolist() == [20.0, 10.0]
    assert section.per_second["manual"].isna().tolist() == [False, True]


def test_a_training_counts_as_it_was_last_timed(tmp_path: Path) -> None:
    rows = (speed("line", "torch", steps_per_second=number) for number in (20.0, 30.0))
    assert speeds(tmp_path, *rows).per_second["torch"].tolist() == [30.0]


def test_a_way_counts_as_it_was_last_timed(tmp_path: Path) -> None:
    section = claims(tmp_path, claim("composite"), claim("composite", median_s=3.0))
    assert section.times["median_s"].tolist() == [3.0]


def test_where_nothing_was_timed_the_reason_is_said(tmp_path: Path) -> None:
    reason: dict[str, object] = {"status": "failed", "reason": "wrong losses"}
    section = speeds(tmp_path, speed("line", "torch", **reason))
    claims(tmp_path, claim("composite", **reason))
    assert section.per_second.empty
    assert section.reasons["reason"].tolist() == ["wrong losses"]
    for heading in ("How fast trainings are", "What tutorials say is faster"):
        said = render(tmp_path).partition(heading)[2].partition("###")[0]
        assert "Nothing was timed." in said
        assert "wrong losses" in said


def test_a_run_without_them_says_nothing_of_them(tmp_path: Path) -> None:
    Appender(tmp_path / VERDICTS.file_name, VERDICTS).close()
    text = render(tmp_path)
    assert "How fast trainings are" not in text
    assert "What tutorials say" not in text


def test_a_torn_line_is_said(tmp_path: Path) -> None:
    speeds(tmp_path, speed("line", "torch"))
    claims(tmp_path, claim("composite"))
    for name in (SPEEDS.file_name, CLAIMS.file_name):
        with (tmp_path / name).open("a") as file:
            file.write("2025-01")
        assert f"Note: {name}: dropped a torn last line." in render(tmp_path)
