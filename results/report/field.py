"""What other people's functions were found to be, from `field.csv`."""

from dataclasses import dataclass

import pandas as pd

from results.store import Contents
from results.tables import FieldRow

KEY = ["library", "dtype", "order"]


@dataclass(frozen=True, eq=False)
class FieldSection:
    """What `field.csv` says.

    Attributes:
        note: What the reader had to do to read the file; may be empty.
        counts: By library, dtype and order, how many functions and checks, and how many of each
            verdict.
        convicted: The functions that disagree somewhere, at how many points, and what is known.
        against_gradcheck: How often torch's gradcheck and this checker say what, where both were
            asked.
        left_out: How many points were left out, by reason.
        evaluations: By library and order, how often a function was called in one check: in the
            median, in nine of ten at most, and at most; without rows of before that was counted.
    """

    note: str
    counts: pd.DataFrame
    convicted: pd.DataFrame
    against_gradcheck: pd.DataFrame
    left_out: pd.DataFrame
    evaluations: pd.DataFrame


def field_section(contents: Contents[FieldRow]) -> FieldSection:
    """Count the points, each as it was last checked."""
    point = [*KEY, "function", "sample", "seed"]
    frame = contents.frame
    rows = frame.assign(library=frame["library"] + " " + frame["version"])
    rows = rows.drop_duplicates(point, keep="last")
    left = rows[rows["verdict"] == "left out"]
    checked = rows[rows["verdict"] != "left out"]
    return FieldSection(
        note=contents.note,
        counts=_counts(checked),
        convicted=_convicted(checked[checked["verdict"] == "disagree"]),
        against_gradcheck=_against(checked[checked["gradcheck"].notna()]),
        left_out=left.groupby(["library", "detail"], sort=False).size().reset_index(name="points"),
        evaluations=_evaluations(checked[checked["evaluations"].notna()]),
    )


def _evaluations(counted: pd.DataFrame) -> pd.DataFrame:
    calls = counted.groupby(["library", "order"], sort=False)["evaluations"]
    found = pd.DataFrame(
        {
            "checks": calls.size(),
            "median": calls.median().round().astype(int),
            "nine of ten": calls.quantile(0.9).round().astype(int),
            "most": calls.max().astype(int),
        }
    )
    return found.reset_index()


def _counts(checked: pd.DataFrame) -> pd.DataFrame:
    groups = checked.groupby(KEY, sort=False)
    verdicts = pd.crosstab([checked[name] for name in KEY], checked["verdict"])
    sizes = groups.agg(functions=("function", "nunique"), checks=("function", "size"))
    return sizes.join(verdicts).reset_index()


def _convicted(wrong: pd.DataFrame) -> pd.DataFrame:
    groups = wrong.groupby(["library", "function"], sort=False)
    found = groups.agg(
        points=("sample", "size"), fault=("fault", _most_common), known=("known", "first")
    )
    return found.reset_index()


def _most_common(faults: pd.Series) -> str | None:
    counts = faults.value_counts()
    return str(counts.index[0]) if len(counts) else None


def _against(asked: pd.DataFrame) -> pd.DataFrame:
    return asked.groupby(["verdict", "gradcheck"]).size().reset_index(name="points")
