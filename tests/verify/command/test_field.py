"""`python -m verify --field`."""

from pathlib import Path

import pytest

from results.store import Appender, read
from results.tables import FIELD
from verify.command.field import known_but_missed
from verify.command.main import run

Capture = pytest.CaptureFixture[str]
ALONE = ("--jobs", "1")


def test_rows_are_written_and_counted(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "field.csv"
    asked = ["--field", "tanh", "log2", "--csv", str(path), *ALONE]
    assert run([*asked, "--dtype", "float64"]) == 0
    # torch has both, too, where its database can be read.
    assert "autograd, float64, functions 2, checks 6: 6 agree\n" in capsys.readouterr().out
    rows = [row for row in read(path, FIELD).rows if row.library == "autograd"]
    assert sorted(row.function for row in rows) == ["log2"] * 3 + ["tanh"] * 3


def test_how_many_disagreements_are_known_is_said_and_nothing_of_what_was_not_checked(
    capsys: Capture,
) -> None:
    assert run(["--field", "max", "--dtype", "float32", "--entries", "1", *ALONE]) == 0
    said = capsys.readouterr().out.splitlines()
    assert "autograd, float32, functions 1, checks 1: 1 disagree, known 1" in said
    assert run(["--field", "matmul", "--dtype", "float32", "--entries", "1", *ALONE]) == 0
    assert "autograd, float32, functions 0, checks 0" in capsys.readouterr().out.splitlines()


def test_what_is_there_is_not_checked_again(tmp_path: Path) -> None:
    path = tmp_path / "field.csv"
    asked = ["--field", "arctan2", "--dtype", "float64", "--csv", str(path), *ALONE]
    assert run(asked) == 0
    before = path.read_bytes()
    assert run(asked) == 0
    assert path.read_bytes() == before


def test_what_was_left_out_at_fewer_entries_is_checked_when_more_are_asked_for(
    tmp_path: Path,
) -> None:
    path = tmp_path / "field.csv"
    asked = ["--field", "arctan2", "--dtype", "float64", "--csv", str(path), *ALONE]
    for more in (["--entries", "4"], []):
        assert run([*asked, *more]) == 0
    verdicts = [row.verdict for row in read(path, FIELD).rows]
    assert verdicts == ["agree", "left out", "left out", "agree", "agree"]


def _rewritten(path: Path, **values: object) -> None:
    """Every row of a file, with other values."""
    rows = read(path, FIELD).rows
    path.unlink()
    with Appender(path, FIELD) as appender:
        appender.append_all([row.model_copy(update=values) for row in rows])


def _asked(path: Path, name: str, dtype: str = "float64") -> list[str]:
    return ["--field", name, "--dtype", dtype, "--csv", str(path), *ALONE]


@pytest.mark.parametrize(
    ("before", "more", "is_asked"),
    [
        (0.25, ["--timeout", "30"], True),
        (30, ["--timeout", "0.25"], False),
        (30, ["--timeout", "30"], False),
        (30, [], True),
        (90, [], False),
        (60, [], False),
    ],
)
def test_what_was_late_is_asked_for_again_where_there_is_more_time(
    tmp_path: Path, before: float, more: list[str], *, is_asked: bool
) -> None:
    path = tmp_path / "field.csv"
    assert run(_asked(path, "arctan2")) == 0
    late = f"not done within {before:g} seconds"
    _rewritten(path, verdict="inconclusive", detail=late)
    for _ in range(2):  # once it is done, it is done
        assert run([*_asked(path, "arctan2"), *more]) == 0
    verdicts = [row.verdict for row in read(path, FIELD).rows]
    assert verdicts == ["inconclusive"] * 3 + ["agree"] * 3 * is_asked


def test_a_row_that_says_it_was_late_is_read_as_one(tmp_path: Path) -> None:
    path = tmp_path / "field.csv"
    assert run([*_asked(path, "arctan2"), "--timeout", "0.000001"]) == 0
    assert {row.verdict for row in read(path, FIELD).rows} == {"inconclusive"}
    assert run(_asked(path, "arctan2")) == 0
    assert [row.verdict for row in read(path, FIELD).rows[3:]] == ["agree"] * 3


@pytest.mark.parametrize("before", [None, "an old story"])
def test_what_is_known_is_looked_up_now(
    tmp_path: Path, capsys: Capture, before: str | None
) -> None:
    path = tmp_path / "field.csv"
    assert run(_asked(path, "psi", "float32")) == 0
    _rewritten(path, known=before)
    assert run(_asked(path, "psi", "float32")) == 0
    assert "known 3" in capsys.readouterr().out.splitlines()[-1]


def test_what_is_no_longer_known_is_news(tmp_path: Path) -> None:
    path = tmp_path / "field.csv"
    assert run(_asked(path, "arctan2")) == 0
    _rewritten(path, known="an old story", verdict="disagree")
    assert run(_asked(path, "arctan2")) == 1


def test_what_gradcheck_was_not_asked_about_is_asked_for_with_peers(tmp_path: Path) -> None:
    pytest.importorskip("expecttest")
    path = tmp_path / "field.csv"
    asked = [*_asked(path, "rsub"), "--entries", "2"]
    assert run(asked) == 0
    before = read(path, FIELD).rows
    for _ in range(2):  # once they are there, they are there
        assert run([*asked, "--peers"]) == 0
    again = read(path, FIELD).rows[len(before) :]
    checked = [row.sample for row in before if row.verdict != "left out"]
    assert checked
    assert [row.sample for row in again] == checked
    assert {row.gradcheck for row in again} <= {"passes", "fails"}


def test_gradcheck_answers_of_nothing_but_torch_are_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "field.csv"
    for more in ([], ["--peers"]):
        assert run([*_asked(path, "arctan2"), *more]) == 0
    assert len(read(path, FIELD).rows) == 3


def test_rows_of_another_version_are_no_rows_of_this_one(tmp_path: Path) -> None:
    path = tmp_path / "field.csv"
    asked = ["--field", "arctan2", "--dtype", "float64", "--csv", str(path), *ALONE]
    assert run(asked) == 0
    (version,) = {row.version for row in read(path, FIELD).rows}
    path.write_text(path.read_text().replace(f",{version},", ",0.1,"))
    assert run(asked) == 0
    assert [row.version for row in read(path, FIELD).rows] == ["0.1"] * 3 + [version] * 3


def test_a_known_mistake_is_no_news_and_one_that_is_gone_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "field.csv"
    assert run(["--field", "psi", "--dtype", "float32", "--csv", str(path), *ALONE]) == 0
    rows = read(path, FIELD).rows
    assert not known_but_missed(rows)
    mended = [row.model_copy(update={"verdict": "agree"}) for row in rows]
    assert known_but_missed(mended) == ["no longer convicted: autograd psi, float32"]


def test_an_unknown_name_is_refused_with_one_near_it(capsys: Capture) -> None:
    assert run(["--field", "arctna2"]) == 2
    assert "did you mean 'arctan2'" in capsys.readouterr().err


def test_where_libraries_are_named_nothing_is_said_of_others(capsys: Capture) -> None:
    assert run(["--field", "scikit-learn", "--dtype", "float64", *ALONE]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "scikit-learn, float64, functions 9, checks 9: 7 agree, 2 disagree, known 2"
    ]
