"""The evidence for the Jacobians of argmin and root layers, from `argmin.csv`."""

from dataclasses import dataclass

import pandas as pd

from results.report.summaries import who
from results.store import Contents
from results.tables import Argmin

ERRORS = (
    *("residual", "optimality", "defining_equation", "implicit_function", "finite_differences"),
    *("unrolled", "manual", "scaled", "initial_guess", "guess_gradient", "linearity", "one_side"),
)
"""The kinds of evidence: columns of the file."""

_CASE = ["computation", "size", "seed"]


@dataclass(frozen=True, eq=False)
class ArgminSection:
    """What `argmin.csv` says.

    Attributes:
        note: What the reader had to do to read the file; may be empty.
        evidence: A row per case and implementation, with the file's columns: what the problem is
            like, the `ERRORS` and the verdict.
        plateaus: For each case, in words, where finite differences agree with one another.
    """

    note: str
    evidence: pd.DataFrame
    plateaus: pd.DataFrame


def evidence_section(contents: Contents[Argmin]) -> ArgminSection:
    """Take each case as it was last checked."""
    rows = contents.frame.drop_duplicates([*_CASE, "implementation", "device"], keep="last")
    problem = ["computation", "implementation", "size", "unknowns", "condition", "rank", "active"]
    return ArgminSection(
        note=contents.note,
        evidence=rows.assign(implementation=who(rows))[[*problem, *ERRORS, "verdict"]],
        plateaus=rows.drop_duplicates(_CASE)[[*_CASE, "plateau"]],
    )
