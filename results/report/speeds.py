"""How fast trainings are, and what tutorials say is faster: `speeds.csv` and `claims.csv`."""

from dataclasses import dataclass

import pandas as pd

from results.store import Contents
from results.tables import Claim, Speed

_RUN = ["run", "dtype"]
_CONTEST = ["claim", "size", "dtype"]


@dataclass(frozen=True, eq=False)
class SpeedSection:
    """What `speeds.csv` says.

    Attributes:
        note: What the reader had to do to read the file; may be empty.
        per_second: Steps per second, a row per training and dtype, a column per implementation.
        over_manual: The same in units of the speed by hand; that itself is left out.
        reasons: Rows that were not timed, by status, training, dtype, implementation and reason.
    """

    note: str
    per_second: pd.DataFrame
    over_manual: pd.DataFrame
    reasons: pd.DataFrame


@dataclass(frozen=True, eq=False)
class ClaimSection:
    """What `claims.csv` says.

    Attributes:
        note: What the reader had to do to read the file; may be empty.
        times: The file's columns, a row per way that was timed.
        reasons: Rows that were not timed, by status, claim, size, dtype, way and reason.
    """

    note: str
    times: pd.DataFrame
    reasons: pd.DataFrame


def speed_section(contents: Contents[Speed]) -> SpeedSection:
    """Take each implementation of each training as it was last timed, side by side."""
    timed, left_out = _apart(contents.frame, [*_RUN, "implementation"])
    by_others = timed[timed["implementation"] != "manual"]
    return SpeedSection(
        note=contents.note,
        per_second=_wide(timed, "steps_per_second"),
        over_manual=_wide(by_others, "over_manual"),
        reasons=left_out,
    )


def claim_section(contents: Contents[Claim]) -> ClaimSection:
    """Take each way as it was last timed, the ways of a contest side by side."""
    trial = [*_CONTEST, "way"]
    timed, left_out = _apart(contents.frame, trial)
    numbers = ["median_s", "iqr_s", "over_first"]
    return ClaimSection(note=contents.note, times=timed[[*trial, *numbers]], reasons=left_out)


def _apart(rows: pd.DataFrame, trial: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The last row of each trial, if it was timed; and of the others, why it was not."""
    last = rows.drop_duplicates(trial, keep="last")
    timed = last["status"] == "ok"
    return last[timed], last[~timed][["status", *trial, "reason"]]


def _wide(timed: pd.DataFrame, number: str) -> pd.DataFrame:
    """A row per training and dtype, a column per implementation, in the order of the file."""
    if timed.empty:
        return pd.DataFrame()
    rows = pd.MultiIndex.from_frame(timed[_RUN].drop_duplicates())
    cells = timed.set_index([*_RUN, "implementation"])[number]
    wide = cells.unstack("implementation")  # noqa: PD010 - a Series
    return wide.reindex(index=rows, columns=timed["implementation"].unique())
