from pathlib import Path

from results.report.trainings import TrainingSection, training_section
from results.store import Appender, read
from results.tables import TRAINING_CHECKS, TrainingVerdict


def check(verdict: str, **changes: object) -> TrainingVerdict:
    plain: dict[str, object] = {
        "measured_at": "2025-01-01T00:00:00+00:00",
        "run": "line",
        "seed": 0,
        "dtype": "float64",
        "implementation": "torch",
        "check": "gradient",
        "verdict": verdict,
    }
    return TrainingVerdict.model_validate(plain | changes)


def written(directory: Path, *rows: TrainingVerdict) -> TrainingSection:
    path = directory / TRAINING_CHECKS.file_name
    with Appender(path, TRAINING_CHECKS) as appender:
        appender.append_all(rows)
    return training_section(read(path, TRAINING_CHECKS))


def test_a_check_counts_as_it_was_last_made_whatever_entry_was_its_worst(tmp_path: Path) -> None:
    section = written(tmp_path, check("disagree", quantity="w[3]"), check("agree", quantity="w[4]"))
    assert list(section.verdicts["torch"]) == ["agree"]
    assert section.told.empty


def test_the_worst_check_of_a_run_stands_for_it(tmp_path: Path) -> None:
    section = written(
        tmp_path,
        check("agree"),
        check("parted", check="free run"),
        check("agree", implementation="manual", check="repetition"),
        check("disagree", check="update", dtype="float32"),
        check("disagree", check="finished", implementation="manual"),
    )
    assert section.verdicts["torch"].tolist() == ["parted", "disagree"]
    assert section.verdicts["manual"].fillna("none").tolist() == ["agree", "none"]
    assert section.told["verdict"].tolist() == ["parted", "disagree"]


def test_numbers_are_those_of_the_run_by_hand_each_by_its_name(tmp_path: Path) -> None:
    section = written(
        tmp_path,
        check("agree", check="number", implementation="manual", quantity="w", got=1.0),
        check("agree", check="number", implementation="manual", quantity="b", got=2.0),
        check("agree", check="number", quantity="w", got=3.0),
    )
    assert section.numbers["got"].tolist() == [1.0, 2.0]
