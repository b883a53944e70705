"""How long commands take to start, from `starts.csv`."""

from dataclasses import dataclass

import pandas as pd

from results.store import Contents
from results.tables import Start

_TRIAL = ["command", "commit", "dirty"]


@dataclass(frozen=True, eq=False)
class StartSection:
    """What `starts.csv` says.

    Attributes:
        note: What the reader had to do to read the file; may be empty.
        times: The file's columns, a row per command and commit that was timed.
        reasons: Rows that were not timed, by status, command, commit and reason.
    """

    note: str
    times: pd.DataFrame
    reasons: pd.DataFrame


def start_section(contents: Contents[Start]) -> StartSection:
    """Take each command of each commit as it was last timed, commands side by side."""
    rows = contents.frame.drop_duplicates(_TRIAL, keep="last")
    numbers = ["median_s", "iqr_s", "cpu_s", "rounds", "over_numpy", "over_torch"]
    timed, left_out = rows[rows["status"] == "ok"], rows[rows["status"] != "ok"]
    return StartSection(
        note=contents.note,
        times=timed[[*_TRIAL, *numbers]],
        reasons=left_out[["status", *_TRIAL, "reason"]],
    )
