"""The trainings: what was held against what, where the runs led, and what figures show of them."""

from dataclasses import dataclass

import pandas as pd

from results.store import Contents
from results.tables import CurvePoint, TrainingStep, TrainingVerdict

_RUN = ["run", "seed", "dtype"]
_WORST_FIRST = ("disagree", "diverged", "parted", "skipped", "agree", "reported")
_TOLD = ("disagree", "diverged", "parted")


@dataclass(frozen=True, eq=False)
class TrainingSection:
    """What `training_checks.csv` says.

    Attributes:
        note: What the reader had to do to read the file; may be empty.
        verdicts: By run, seed and dtype, and by implementation: the worst of its checks.
        told: The checks that disagree, and the runs that diverged or parted.
        numbers: What the runs by hand gave, what is expected, and what the tutorial prints.
    """

    note: str
    verdicts: pd.DataFrame
    told: pd.DataFrame
    numbers: pd.DataFrame


@dataclass(frozen=True, eq=False)
class PathSection:
    """What `trainings.csv` says.

    Attributes:
        note: What the reader had to do to read the file; may be empty.
        ends: By run, seed, dtype and implementation: the last step that was written, the loss
            there, its distance from the run by hand, how far the twins had been, and the time.
    """

    note: str
    ends: pd.DataFrame


@dataclass(frozen=True, eq=False)
class CurveSection:
    """What `curves.csv` says.

    Attributes:
        note: What the reader had to do to read the file; may be empty.
        counts: The points of each series of each run, of one implementation.
    """

    note: str
    counts: pd.DataFrame


def training_section(contents: Contents[TrainingVerdict]) -> TrainingSection:
    """Take each check as it was last made."""
    key = [*_RUN, "implementation", "check", "quantity"]
    checks = contents.frame
    # Of a gradient or update, the quantity is the worst entry: another at each time.
    named = checks["quantity"].where(checks["check"] == "number", "")
    rows = checks[~checks.assign(quantity=named).duplicated(key, keep="last")]
    rows = rows[rows["check"] != "finished"]
    rank = rows["verdict"].map(_WORST_FIRST.index)
    worst = rows.assign(rank=rank).groupby([*_RUN, "implementation"], sort=False)["rank"].min()
    verdicts = worst.map(lambda each: _WORST_FIRST[each]).unstack("implementation")  # noqa: PD010 - a Series
    numbers = rows[(rows["check"] == "number") & (rows["implementation"] == "manual")]
    told = rows[rows["verdict"].isin(_TOLD)]
    return TrainingSection(
        note=contents.note,
        verdicts=verdicts.reset_index(),
        told=told[[*_RUN, "implementation", "check", "verdict", "step", "fault", "detail"]],
        numbers=numbers[["run", "seed", "quantity", "got", "expected", "tolerance", "printed"]],
    )


def path_section(contents: Contents[TrainingStep]) -> PathSection:
    """Take the last step of each run, as it was last written."""
    rows = contents.frame.drop_duplicates([*_RUN, "implementation"], keep="last")
    ends = ["implementation", "step", "loss", "to_manual", "to_twins", "time_s"]
    return PathSection(note=contents.note, ends=rows[[*_RUN, *ends]])


def curve_section(contents: Contents[CurvePoint]) -> CurveSection:
    """Count the points of one implementation, the others have as many."""
    key = ["run", "seed", "series"]
    points = contents.frame.drop_duplicates([*key, "implementation", "x", "y"], keep="last")
    counts = points.groupby([*key, "implementation"], sort=False).size().groupby(key, sort=False)
    return CurveSection(note=contents.note, counts=counts.first().rename("points").reset_index())
