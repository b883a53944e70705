"""What the tutorials publish that is not so, from `findings.csv`."""

from dataclasses import dataclass

import pandas as pd

from results.store import Contents
from results.tables import FindingRow


@dataclass(frozen=True, eq=False)
class FindingSection:
    """What `findings.csv` says.

    Attributes:
        note: What the reader had to do to read the file; may be empty.
        counts: How many findings have each outcome.
        by_tutorial: The findings of each tutorial, with what there is to tell of them.
    """

    note: str
    counts: dict[str, int]
    by_tutorial: dict[str, pd.DataFrame]


def finding_section(contents: Contents[FindingRow]) -> FindingSection:
    """Take each finding as it was last tried."""
    rows = contents.frame.drop_duplicates("key", keep="last")
    counts = rows["outcome"].value_counts(sort=False)
    told = ["key", "kind", "place", "says", "right", "matters", "evidence", "outcome"]
    return FindingSection(
        note=contents.note,
        counts={str(outcome): int(count) for outcome, count in counts.items()},
        by_tutorial={
            str(tutorial): group[told] for tutorial, group in rows.groupby("tutorial", sort=False)
        },
    )
